// SPDX-License-Identifier: MIT
#include "conf/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "base/bits.h"
#include "base/line_buffer.h"
#include "conf/words.h"
#include "diag/message.h"
#include "os/system.h"

namespace xalloc {

constinit Options g_options;

namespace {

enum class Unit { kNone, kCount, kBytes, kMs };

struct Row {
  const char* name;
  int64_t Options::*field;
  int64_t low, high;
  Unit unit;
  const char* words;
};

constexpr Row kRows[] = {
#define XALLOC_OPTION_ROW(name, def, lo, hi, unit, words, help) {#name, &Options::name, lo, hi, Unit::unit, words},
    XALLOC_OPTIONS(XALLOC_OPTION_ROW)
#undef XALLOC_OPTION_ROW
};
constexpr size_t kRowCount = sizeof kRows / sizeof kRows[0];

// Keys that jemalloc has and xalloc has no use for: existing MALLOC_CONF lines keep working. confirm_conf names those that were given.
constexpr const char* kNoEffect[] = {
    "retain", "lg_tcache_max", "dss",
    "cache_oblivious", "disable_large_size_classes", "experimental_infallible_new", "lg_extent_max_active_fit", "lg_tcache_nslots_mul",
    "mutex_max_spin", "slab_sizes", "tcache_gc_delay_bytes", "tcache_gc_incr_bytes", "tcache_ncached_max", "tcache_nslots_large",
    "tcache_nslots_small_max", "tcache_nslots_small_min", "trust_madvise", "utrace", "hpa", "debug_double_free_max_scan"};

Source g_sources[kRowCount] = {};  // of g_options, for confirm_conf
constinit uint64_t g_ignored = 0;  // bit per row of kNoEffect that was given
static_assert(sizeof kNoEffect / sizeof kNoEffect[0] <= 64);

constexpr const char* NameOf(Source source) {
  switch (source) {
    case Source::kDefault:
      return "default";
    case Source::kProgram:
      return "xmalloc_conf";
    case Source::kProgramJemalloc:
      return "malloc_conf";
    case Source::kMallocConf:
      return "MALLOC_CONF";
    case Source::kXallocConf:
      break;
  }
  return "XALLOC_CONF";
}

template <size_t N>
void Say(LineBuffer<N>& line) {
  line << '\n';
  Message(line.data(), line.size());
}

bool ParseValue(const Row& row, Span s, int64_t& out) {
  const auto is_word = [&](Span word, int64_t value) {
    out = value;
    return word.length == s.length && memcmp(word.text, s.text, s.length) == 0;
  };
  if (ForEachWord(row.words, is_word)) return true;
  return row.unit != Unit::kNone && ParseNumber(s, row.unit == Unit::kBytes, out) && out >= row.low && out <= row.high;
}

template <size_t N>
void AppendAllowed(LineBuffer<N>& line, const Row& row) {
  const char* between = "";
  ForEachWord(row.words, [&](Span word, int64_t) {
    (line << between).Append(word.text, word.length);
    between = ", ";
    return false;
  });
  if (row.unit == Unit::kNone) return;
  static constexpr const char* kUnits[] = {"", "a number", "bytes, with K, M or G", "milliseconds"};
  line << between << kUnits[static_cast<unsigned>(row.unit)] << ", " << row.low << " to " << row.high;
}

// The known key most like `key`; null if none is near.
const char* NearestKey(Span key) {
  const char* nearest = nullptr;
  unsigned best = static_cast<unsigned>(Min<size_t>(key.length, 12)) / 3 + 1;
  for (const Row& row : kRows) {
    const unsigned distance = EditDistance(key, {row.name, strlen(row.name)});
    if (distance < best) {
      best = distance;
      nearest = row.name;
    }
  }
  return nearest;
}

XALLOC_COLD void Complain(Span pair, Span key, const Row* row) {
  LineBuffer<400> line;
  line << "xalloc: option ";
  line.Append(pair.text, Min(pair.length, size_t{100}));
  if (row != nullptr) {
    line << " has a bad value (allowed: ";
    AppendAllowed(line, *row);
    line << ")";
  } else {
    line << " is unknown";
    if (const char* nearest = NearestKey(key); nearest != nullptr) line << " (did you mean " << nearest << "?)";
  }
  line << ", skipped; see docs/errors.md#option";
  Say(line);
}

bool IsWithoutEffect(Span key) {
  for (size_t i = 0; i < sizeof kNoEffect / sizeof kNoEffect[0]; ++i) {
    if (!key.Is(kNoEffect[i])) continue;
    g_ignored |= uint64_t{1} << i;
    return true;
  }
  return false;
}

// Of one source: whoever hands over a text of another kind altogether learns that once.
constexpr size_t kMostComplaints = 10;

// One `key:value`. False if it was refused; says so if `loud`.
bool ParsePair(Span pair, Options& options, Source source, bool loud) {
  const auto* colon = static_cast<const char*>(memchr(pair.text, ':', pair.length));
  const Span key = {pair.text, colon == nullptr ? pair.length : static_cast<size_t>(colon - pair.text)};
  for (const Row& row : kRows) {
    if (!key.Is(row.name)) continue;
    int64_t value = 0;
    if (colon != nullptr && ParseValue(row, {colon + 1, pair.length - key.length - 1}, value)) {
      options.*row.field = value;
      if (&options == &g_options) g_sources[&row - kRows] = source;
      return true;
    }
    if (loud) Complain(pair, key, &row);
    return false;
  }
  if (colon != nullptr && IsWithoutEffect(key)) return true;
  if (loud) Complain(pair, key, nullptr);
  return false;
}

void Confirm(const Options& options) {
  for (const Row& row : kRows) {
    LineBuffer<200> line;
    line << "xalloc: option " << row.name << ':';
    const int64_t value = options.*row.field;
    const bool named = ForEachWord(row.words, [&](Span word, int64_t of) {
      if (of == value) line.Append(word.text, word.length);
      return of == value;
    });
    if (!named) line << value;
    line << " (" << NameOf(g_sources[&row - kRows]) << ')';
    Say(line);
  }
  for (size_t i = 0; i < sizeof kNoEffect / sizeof kNoEffect[0]; ++i) {
    if ((g_ignored >> i & 1) == 0) continue;
    LineBuffer<200> line;
    line << "xalloc: option " << kNoEffect[i] << " is accepted and has no effect here";
    Say(line);
  }
}

}  // namespace

size_t ParseOptions(const char* text, Options& options, Source source) {
  size_t refused = 0;
  while (text != nullptr && *text != '\0' ) {
    const char* end = text + strcspn(text, ",");
    if (end != text && !ParsePair({text, static_cast<size_t>(end - text)}, options, source, refused < kMostComplaints)) ++refused;
    text = *end == ',' ? end + 1 : end;
  }
  if (refused > kMostComplaints) {
    LineBuffer<100> line;
    line << "xalloc: " << refused - kMostComplaints << " more options skipped; see docs/errors.md#option";
    Say(line);
  }
  return refused;
}

XALLOC_COLD void LoadOptions(const ProgramConf& program) {
  size_t refused = ParseOptions(program.xmalloc_conf, g_options, Source::kProgram);
  refused += ParseOptions(program.malloc_conf, g_options, Source::kProgramJemalloc);
  refused += ParseOptions(os::Environment("MALLOC_CONF"), g_options, Source::kMallocConf);
  refused += ParseOptions(os::Environment("XALLOC_CONF"), g_options, Source::kXallocConf);
  if (g_options.confirm_conf != 0) Confirm(g_options);
  if (refused != 0 && (g_options.abort_conf != 0 || g_options.abort != 0)) abort();
}

}  // namespace xalloc
