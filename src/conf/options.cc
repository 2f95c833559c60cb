// SPDX-License-Identifier: MIT
#include "conf/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/bits.h"
#include "base/line_buffer.h"
#include "os/system.h"

namespace xalloc {

constinit Options g_options;

namespace {

enum class Kind { kBool, kSize, kTime, kNumber, kAuto, kZeroRealloc };

struct Row {
  const char* name;
  int64_t Options::*field;
  int64_t low, high;
  Kind kind;
};

constexpr Row kRows[] = {
#define XALLOC_OPTION_ROW(name, def, lo, hi, kind, help) {#name, &Options::name, lo, hi, Kind::kind},
    XALLOC_OPTIONS(XALLOC_OPTION_ROW)
#undef XALLOC_OPTION_ROW
};

struct Span {
  const char* text;
  size_t length;
  bool Is(const char* word) const { return strlen(word) == length && memcmp(text, word, length) == 0; }
};

bool ParseNumber(Span s, bool units, int64_t& out) {
  bool negative = false;
  if (s.length > 0 && *s.text == '-') {
    negative = true;
    ++s.text;
    --s.length;
  }
  if (s.length == 0) return false;
  uint64_t value = 0;
  size_t i = 0;
  for (; i < s.length && s.text[i] >= '0' && s.text[i] <= '9'; ++i) {
    value = value * 10 + static_cast<uint64_t>(s.text[i] - '0');
    if (value >> 50 != 0) return false;
  }
  if (i == 0) return false;
  if (units && i + 1 == s.length) {
    static constexpr char kUnits[] = "kKmMgG";
    const char* unit = strchr(kUnits, s.text[i]);
    if (unit == nullptr) return false;
    value <<= 10 * ((unit - kUnits) / 2 + 1);
    ++i;
    if (value >> 62 != 0) return false;
  }
  out = negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
  return i == s.length;
}

bool ParseValue(const Row& row, Span s, int64_t& out) {
  switch (row.kind) {
    case Kind::kBool:
      out = s.Is("true");
      return s.Is("true") || s.Is("false");
    case Kind::kZeroRealloc:
      out = s.Is("alloc") ? 1 : s.Is("abort") ? 2 : 0;
      return out != 0 || s.Is("free");
    case Kind::kTime:
      if (s.Is("never")) return out = -1, true;
      if (s.Is("now")) return out = 0, true;
      return ParseNumber(s, false, out);
    case Kind::kAuto:
      if (s.Is("auto")) return out = 0, true;
      return ParseNumber(s, false, out) && out != 0;
    case Kind::kSize:
    case Kind::kNumber:
      return ParseNumber(s, row.kind == Kind::kSize, out);
  }
  return false;
}

const char* Allowed(Kind kind) {
  switch (kind) {
    case Kind::kBool:
      return "true, false";
    case Kind::kZeroRealloc:
      return "free, alloc, abort";
    case Kind::kTime:
      return "milliseconds, never, now";
    case Kind::kAuto:
      return "auto, a count";
    case Kind::kSize:
      return "bytes, with K, M or G";
    case Kind::kNumber:
      break;
  }
  return "a number";
}

void Complain(Span pair, const Row* row) {
  LineBuffer<300> line;
  line << "xalloc: option ";
  line.Append(pair.text, Min(pair.length, size_t{100}));
  if (row == nullptr) {
    line << " is unknown, skipped; see docs/errors.md#option\n";
  } else {
    line << " is out of range (" << Allowed(row->kind);
    if (row->kind != Kind::kBool && row->kind != Kind::kZeroRealloc) line << "; " << row->low << " to " << row->high;
    line << "), skipped; see docs/errors.md#option\n";
  }
  os::WriteAll(2, line.data(), line.size());
}

// One `key:value`. False if it was refused.
bool ParsePair(Span pair, Options& options) {
  const auto* colon = static_cast<const char*>(memchr(pair.text, ':', pair.length));
  const Span key = {pair.text, colon == nullptr ? pair.length : static_cast<size_t>(colon - pair.text)};
  for (const Row& row : kRows) {
    if (!key.Is(row.name)) continue;
    int64_t value = 0;
    const bool special = row.kind == Kind::kAuto;
    if (colon != nullptr && ParseValue(row, {colon + 1, pair.length - key.length - 1}, value) &&
        ((special && value == 0) || (value >= row.low && value <= row.high))) {
      options.*row.field = value;
      return true;
    }
    Complain(pair, &row);
    return false;
  }
  Complain(pair, nullptr);
  return false;
}

void Confirm(const Options& options) {
  for (const Row& row : kRows) {
    LineBuffer<200> line;
    line << "xalloc: option " << row.name << ':' << options.*row.field << '\n';
    os::WriteAll(2, line.data(), line.size());
  }
}

}  // namespace

size_t ParseOptions(const char* text, Options& options) {
  size_t refused = 0;
  while (text != nullptr && *text != '\0') {
    const char* end = text + strcspn(text, ",");
    if (end != text && !ParsePair({text, static_cast<size_t>(end - text)}, options)) ++refused;
    text = *end == ',' ? end + 1 : end;
  }
  return refused;
}

XALLOC_COLD void LoadOptions(const char* program_conf) {
  size_t refused = ParseOptions(program_conf, g_options);
  refused += ParseOptions(os::Environment("MALLOC_CONF"), g_options);
  refused += ParseOptions(os::Environment("XALLOC_CONF"), g_options);
  if (g_options.confirm_conf != 0) Confirm(g_options);
  if (refused != 0 && g_options.abort_conf != 0) abort();
}

}  // namespace xalloc
