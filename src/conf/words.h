// SPDX-License-Identifier: MIT
// words.h: text of options taken apart: spans, numbers with units, "word=value" lists, and the distance between two words.
// Pure functions; nothing is copied, nothing allocated.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bits.h"

namespace xalloc {

struct Span {
  const char* text;
  size_t length;
  bool Is(const char* word) const { return strlen(word) == length && memcmp(text, word, length) == 0; }
};

// Decimal, with '-' and, where `units`, one of K M G at the end. False: not a number, or beyond 2^62.
inline bool ParseNumber(Span s, bool units, int64_t& out) {
  const bool negative = s.length > 0 && *s.text == '-';
  uint64_t value = 0;
  size_t i = negative ? 1 : 0;
  const size_t first = i;
  for (; i < s.length && s.text[i] >= '0' && s.text[i] <= '9'; ++i) {
    value = value * 10 + static_cast<uint64_t>(s.text[i] - '0');
    if (value >> 50 != 0) return false;
  }
  if (i == first) return false;
  if (units && i + 1 == s.length) {
    static constexpr char kUnits[] = "kKmMgG";
    const char* unit = s.text[i] != '\0' ? strchr(kUnits, s.text[i]) : nullptr;
    if (unit == nullptr) return false;
    value <<= 10 * ((unit - kUnits) / 2 + 1);
    ++i;
    if (value >> 62 != 0) return false;
  }
  out = negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
  return i == s.length;
}

// What lies before the first `end`, which `s` then begins behind; all of it if there is none.
inline Span TakeUntil(Span& s, char end) {
  const auto* at = static_cast<const char*>(s.length != 0 ? memchr(s.text, end, s.length) : nullptr);
  const size_t n = at != nullptr ? static_cast<size_t>(at - s.text) : s.length;
  const Span taken = {s.text, n};
  const size_t skip = at != nullptr ? n + 1 : n;
  s = {s.text + skip, s.length - skip};
  return taken;
}

// Calls fn(word, value) for each of "word=value|word=value"; stops when fn says true, and says so.
template <class Fn>
bool ForEachWord(const char* words, Fn fn) {
  while (*words != '\0') {
    const char* equal = strchr(words, '=');
    const char* end = words + strcspn(words, "|");
    int64_t value = 0;
    ParseNumber({equal + 1, static_cast<size_t>(end - equal - 1)}, false, value);
    if (fn(Span{words, static_cast<size_t>(equal - words)}, value)) return true;
    words = *end == '|' ? end + 1 : end;
  }
  return false;
}

// Letters to insert, delete or replace to turn a into b; both are cut to 31 letters.
inline unsigned EditDistance(Span a, Span b) {
  constexpr size_t kMost = 31;
  const size_t n = Min(a.length, kMost), m = Min(b.length, kMost);
  unsigned row[kMost + 1];
  for (size_t j = 0; j <= m; ++j) row[j] = static_cast<unsigned>(j);
  for (size_t i = 1; i <= n; ++i) {
    unsigned diagonal = row[0];
    row[0] = static_cast<unsigned>(i);
    for (size_t j = 1; j <= m; ++j) {
      const unsigned replace = diagonal + (a.text[i - 1] == b.text[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = Min(replace, Min(row[j], row[j - 1]) + 1);
    }
  }
  return row[m];
}

}  // namespace xalloc
