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

// Text of a table, in the table: a pointer to it would be written to at every start of a program, in a page that is then its own.
template <size_t N>
struct Text {
  char text[N] = {};

  constexpr Text(const char* from) {
    for (size_t i = 0; from[i] != '\0'; ++i) text[i] = from[i];
    if (text[N - 1] != '\0') __builtin_trap();
  }
  constexpr operator const char*() const { return text; }
};

struct Row {
  Text<24> name;
  int64_t Options::*number;  // one of the two is null
  OptionText Options::*text;
  int64_t low, high;
  OptionUnit unit;
  Text<48> words;

  constexpr Row(const char* n, int64_t Options::*field, int64_t lo, int64_t hi, OptionUnit u, const char* w)
      : name(n), number(field), text(nullptr), low(lo), high(hi), unit(u), words(w) {}
  constexpr Row(const char* n, OptionText Options::*field, int64_t lo, int64_t hi, OptionUnit u, const char* w)
      : name(n), number(nullptr), text(field), low(lo), high(hi), unit(u), words(w) {}
};

constexpr Row kRows[] = {
#define XALLOC_OPTION_ROW(name, def, lo, hi, unit, words, help) {#name, &Options::name, lo, hi, OptionUnit::unit, words},
    XALLOC_OPTIONS(XALLOC_OPTION_ROW)
#undef XALLOC_OPTION_ROW
};
constexpr size_t kRowCount = sizeof kRows / sizeof kRows[0];

// Keys that jemalloc has and xalloc has no use for: existing MALLOC_CONF lines keep working. confirm_conf names those that were given.
struct Ignored {
  Text<36> name;
  Text<36> why;
};
constexpr Ignored kNoEffect[] = {
    {"retain", ": address space is always kept"},
#define XALLOC_IGNORED(name) {#name, ""},
#define XALLOC_PROFILING(name) {#name, ": heap profiling is not built yet"},
    XALLOC_IGNORED(dss) XALLOC_IGNORED(narenas_ratio) XALLOC_IGNORED(bin_shards) XALLOC_IGNORED(cache_oblivious)
    XALLOC_IGNORED(disable_large_size_classes) XALLOC_IGNORED(experimental_infallible_new) XALLOC_IGNORED(lg_extent_max_active_fit)
    XALLOC_IGNORED(lg_tcache_nslots_mul) XALLOC_IGNORED(lg_tcache_flush_small_div) XALLOC_IGNORED(lg_tcache_flush_large_div)
    XALLOC_IGNORED(mutex_max_spin) XALLOC_IGNORED(slab_sizes) XALLOC_IGNORED(tcache_gc_delay_bytes) XALLOC_IGNORED(tcache_gc_incr_bytes)
    XALLOC_IGNORED(tcache_nslots_large) XALLOC_IGNORED(tcache_nslots_small_max) XALLOC_IGNORED(tcache_nslots_small_min)
    XALLOC_IGNORED(trust_madvise) XALLOC_IGNORED(utrace) XALLOC_IGNORED(debug_double_free_max_scan) XALLOC_IGNORED(san_guard_small)
    XALLOC_IGNORED(san_guard_large) XALLOC_IGNORED(lg_san_uaf_align) XALLOC_IGNORED(process_madvise_max_batch)
    XALLOC_IGNORED(hpa) XALLOC_IGNORED(hpa_slab_max_alloc) XALLOC_IGNORED(hpa_hugification_threshold)
    XALLOC_IGNORED(hpa_hugification_threshold_ratio) XALLOC_IGNORED(hpa_hugify_delay_ms) XALLOC_IGNORED(hpa_min_purge_interval_ms)
    XALLOC_IGNORED(hpa_dirty_mult) XALLOC_IGNORED(hpa_sec_nshards) XALLOC_IGNORED(hpa_sec_max_alloc) XALLOC_IGNORED(hpa_sec_max_bytes)
    XALLOC_IGNORED(hpa_sec_bytes_after_flush) XALLOC_IGNORED(hpa_sec_batch_fill_extra)
    // `prof:true` and `prof_leak:true`, without which these have none in jemalloc either, are refused: see AsksForProfiling.
    XALLOC_PROFILING(prof) XALLOC_PROFILING(prof_leak) XALLOC_PROFILING(prof_leak_error) XALLOC_PROFILING(prof_active)
    XALLOC_PROFILING(prof_thread_active_init) XALLOC_PROFILING(lg_prof_sample) XALLOC_PROFILING(prof_prefix) XALLOC_PROFILING(prof_final)
    XALLOC_PROFILING(prof_gdump) XALLOC_PROFILING(prof_accum) XALLOC_PROFILING(lg_prof_interval) XALLOC_PROFILING(prof_bt_max)
    XALLOC_PROFILING(prof_log) XALLOC_PROFILING(prof_stats) XALLOC_PROFILING(prof_sys_thread_name) XALLOC_PROFILING(prof_time_resolution)
    XALLOC_PROFILING(prof_recent_alloc_max) XALLOC_PROFILING(prof_pid_namespace)
#undef XALLOC_IGNORED
#undef XALLOC_PROFILING
};
constexpr size_t kNoEffectCount = sizeof kNoEffect / sizeof kNoEffect[0];

Source g_sources[kRowCount] = {};     // of g_options, for confirm_conf
bool g_ignored[kNoEffectCount] = {};  // which of kNoEffect were given

const char* NameOf(Source source) {
  switch (source) {
    case Source::kDefault:
      return "default";
    case Source::kBuiltIn:
      return "built-in";
    case Source::kProgram:
      return "xmalloc_conf";
    case Source::kProgramJemalloc:
      return "malloc_conf";
    case Source::kLink:
      return g_conf_link;
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

bool ParseNumberOrWord(const Row& row, Span s, int64_t& out) {
  const auto is_word = [&](Span word, int64_t value) {
    out = value;
    return word.length == s.length && memcmp(word.text, s.text, s.length) == 0;
  };
  if (ForEachWord(row.words, is_word)) return true;
  return row.unit != OptionUnit::kNone && ParseNumber(s, row.unit == OptionUnit::kBytes, out) && out >= row.low && out <= row.high;
}

bool ParseText(const Row& row, Span s, OptionText& out) {
  if (s.length > static_cast<size_t>(row.high)) return false;
  for (size_t i = 0; i < s.length; ++i) {
    if (s.text[i] == '\0' || strchr(row.words, s.text[i]) == nullptr) return false;
  }
  memcpy(out.text, s.text, s.length);
  return true;
}

// "low-high:n|low-high:n"; nothing changes if that is not what it is.
bool ParseRanges(Span s, CachedRange (&out)[kMostCachedRanges + 1]) {
  CachedRange ranges[kMostCachedRanges + 1] = {};
  unsigned n = 0;
  while (s.length != 0) {
    const Span part = TakeUntil(s, '|');
    int64_t low, high, most;
    Span rest = part;
    const Span first = TakeUntil(rest, '-'), second = TakeUntil(rest, ':');
    if (n == kMostCachedRanges || !ParseNumber(first, true, low) || !ParseNumber(second, true, high) || !ParseNumber(rest, false, most)) return false;
    if (low < 0 || high < Max<int64_t>(low, 1) || most < 0) return false;
    ranges[n++] = {static_cast<uint64_t>(low), static_cast<uint64_t>(high), static_cast<uint64_t>(most)};
  }
  memcpy(out, ranges, sizeof ranges);
  return true;
}

// What counts as something else; and where two keys set one thing, whichever comes later counts. confirm_conf shows it.
void Settle(const Row& row, Options& options) {
  if (row.number == &Options::lg_tcache_max && options.lg_tcache_max >= 0) options.tcache_max = int64_t{1} << options.lg_tcache_max;
  if (row.number == &Options::tcache_max) options.lg_tcache_max = -1;
  options.tcache_max = Min(options.tcache_max, kMostTcacheMax);
  options.narenas = Min(options.narenas, kMostNarenas);
}

bool ParseValue(const Row& row, Span s, Options& options) {
  if (row.text != nullptr) {
    OptionText text = "";
    if (!ParseText(row, s, text) || (row.unit == OptionUnit::kRanges && !ParseRanges(s, options.cached_ranges))) return false;
    options.*row.text = text;
    return true;
  }
  int64_t value = 0;
  if (!ParseNumberOrWord(row, s, value)) return false;
  options.*row.number = value;
  Settle(row, options);
  return true;
}

template <size_t N>
void AppendAllowed(LineBuffer<N>& line, const Row& row) {
  if (row.unit == OptionUnit::kRanges) {
    line << "low-high:n|low-high:n with at most " << uint64_t{kMostCachedRanges} << " ranges";
    return;
  }
  if (row.unit == OptionUnit::kLetters) {
    line << "at most " << row.high << " of the letters " << row.words;
    return;
  }
  const char* between = "";
  ForEachWord(row.words, [&](Span word, int64_t) {
    (line << between).Append(word.text, word.length);
    between = ", ";
    return false;
  });
  if (row.unit == OptionUnit::kNone) return;
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

XALLOC_COLD void ComplainOfProfiling(Span pair) {
  LineBuffer<200> line;
  line << "xalloc: option ";
  line.Append(pair.text, pair.length) << " asks for heap profiling, which is not built yet, skipped; see docs/errors.md#option";
  Say(line);
}

bool IsWithoutEffect(Span key) {
  for (size_t i = 0; i < kNoEffectCount; ++i) {
    if (!key.Is(kNoEffect[i].name)) continue;
    g_ignored[i] = true;
    return true;
  }
  return false;
}

// The two keys that switch heap profiling on: nothing must look as if it were on.
bool AsksForProfiling(Span pair) { return pair.Is("prof:true") || pair.Is("prof_leak:true"); }

void RememberSource(const Row& row, Source source) {
  g_sources[&row - kRows] = source;
  if (row.number != &Options::lg_tcache_max) return;
  for (const Row& other : kRows) {
    if (other.number == &Options::tcache_max) g_sources[&other - kRows] = source;
  }
}

// Of one source: whoever hands over a text of another kind altogether learns that once.
constexpr size_t kMostComplaints = 10;

// One `key:value`. False if it was refused; says so if `loud`.
bool ParsePair(Span pair, Options& options, Source source, bool loud) {
  const auto* colon = static_cast<const char*>(memchr(pair.text, ':', pair.length));
  const Span key = {pair.text, colon == nullptr ? pair.length : static_cast<size_t>(colon - pair.text)};
  for (const Row& row : kRows) {
    if (!key.Is(row.name)) continue;
    if (colon != nullptr && ParseValue(row, {colon + 1, pair.length - key.length - 1}, options)) {
      if (&options == &g_options) RememberSource(row, source);
      return true;
    }
    if (loud) Complain(pair, key, &row);
    return false;
  }
  const bool profiling = AsksForProfiling(pair);
  if (colon != nullptr && !profiling && IsWithoutEffect(key)) return true;
  if (loud && profiling) {
    ComplainOfProfiling(pair);
  } else if (loud) {
    Complain(pair, key, nullptr);
  }
  return false;
}

// True if the value has a word.
template <size_t N>
bool AppendValue(LineBuffer<N>& line, const Row& row, const Options& options) {
  if (row.text != nullptr) {
    line << (options.*row.text).text;
    return true;
  }
  const int64_t value = options.*row.number;
  const bool named = ForEachWord(row.words, [&](Span word, int64_t of) {
    if (of == value) line.Append(word.text, word.length);
    return of == value;
  });
  if (!named) line << value;
  return named;
}

void Confirm(const Options& options) {
  for (const Row& row : kRows) {
    LineBuffer<250> line;
    line << "xalloc: option " << row.name << ':';
    AppendValue(line, row, options);
    line << " (" << NameOf(g_sources[&row - kRows]) << ')';
    Say(line);
  }
  for (size_t i = 0; i < kNoEffectCount; ++i) {
    if (!g_ignored[i]) continue;
    LineBuffer<200> line;
    line << "xalloc: option " << kNoEffect[i].name << " is accepted and has no effect here" << kNoEffect[i].why;
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

void ForEachOption(bool numbers, void (*fn)(void*, const OptionShown&), void* context) {
  for (const Row& row : kRows) {
    LineBuffer<OptionText::kMost + 1> text;
    bool word = row.text != nullptr || row.unit == OptionUnit::kNone;
    if (numbers && row.text == nullptr && !word) {
      text << g_options.*row.number;
    } else {
      AppendValue(text, row, g_options);
    }
    const Span shown = {text.data(), text.size()};
    const bool yes_no = shown.Is("true") || shown.Is("false");
    if (row.text == nullptr && yes_no) word = false;
    fn(context, {row.name, text.data(), word});
  }
}

XALLOC_COLD void LoadOptions(const ProgramConf& program) {
  size_t refused = 0;
  const auto parse = [&refused](const char* text, Source source) {
    if (text != nullptr && *text != '\0') refused += ParseOptions(text, g_options, source);
  };
  parse(g_built_in_conf, Source::kBuiltIn);
  parse(program.xmalloc_conf, Source::kProgram);
  parse(program.malloc_conf, Source::kProgramJemalloc);
  char target[512];
  if (*g_conf_link != '\0' && os::ReadLink(g_conf_link, target)) parse(target, Source::kLink);
  parse(os::Environment(kMallocConf), Source::kMallocConf);
  parse(os::Environment(kXallocConf), Source::kXallocConf);
  if (g_options.confirm_conf != 0) Confirm(g_options);
  if (refused != 0 && (g_options.abort_conf != 0 || g_options.abort != 0)) abort();
}

}  // namespace xalloc
