// SPDX-License-Identifier: MIT
// options.h: the option table. One row per option: parser, error lines, `confirm_conf` and the docs come from it.
//
// Read once, at the first slow path, from these sources (later wins, key by key): the string that was given when the library was built,
// the program's `xmalloc_conf`, its `malloc_conf` (jemalloc_names.cc), the environment's MALLOC_CONF, then XALLOC_CONF. After that the
// values never change: reading needs no lock.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

namespace xalloc {

// A value that is text: zero-terminated, zeros behind.
struct OptionText {
  static constexpr size_t kMost = 127;
  char text[kMost + 1] = {};

  constexpr OptionText(const char* from) {
    for (size_t i = 0; from[i] != '\0' && i < kMost; ++i) text[i] = from[i];
  }
  bool empty() const { return text[0] == '\0'; }
};

enum class OptionUnit : unsigned char { kNone, kCount, kBytes, kMs, kLetters, kRanges };
template <OptionUnit kUnit>
struct OptionValue {
  using Type = int64_t;
};
template <>
struct OptionValue<OptionUnit::kLetters> {
  using Type = OptionText;
};
template <>
struct OptionValue<OptionUnit::kRanges> {
  using Type = OptionText;
};

// One part of tcache_ncached_max: the classes of the sizes from low to high.
struct CachedRange {
  uint64_t low, high;
  uint64_t most;  // blocks of each class that a thread cache holds
};
constexpr unsigned kMostCachedRanges = 8;
// tcache_max and narenas above these count as these.
constexpr int64_t kMostTcacheMax = 32768, kMostNarenas = 64;

enum class ZeroRealloc : int64_t { kFree, kAlloc, kAbort };
enum class Harden : int64_t { kOff, kDefault, kFull };
enum class Thp : int64_t { kAuto, kAlways, kNever, kDefault };
enum class MetadataThp : int64_t { kDisabled, kAuto, kAlways };
constexpr int64_t kSoftLimitCgroup = -1;
enum class BackgroundThread : int64_t { kFalse, kTrue, kAuto };
enum Junk : int64_t { kJunkAlloc = 1, kJunkFree = 2 };

// name, default, lowest, highest, unit, words, meaning.
// OptionUnit: kNone: words only; kCount; kBytes: K M G; kMs. Words: "word=value|word=value", besides the numbers.
// kLetters, kRanges: text of at most `highest` characters. Words: the letters that it may have.
#define XALLOC_OPTIONS(X)                                                                                                              \
  X(abort, 0, 0, 1, kNone, "false=0|true=1", "abort on every warning")                                                                 \
  X(abort_conf, 0, 0, 1, kNone, "false=0|true=1", "abort on an option that is unknown or has a bad value")                             \
  X(confirm_conf, 0, 0, 1, kNone, "false=0|true=1", "print every option and where it comes from at start")                             \
  X(stats_print, 0, 0, 1, kNone, "false=0|true=1", "print at exit what was served, what was given back, and what was not and why")     \
  X(stats_print_opts, "", 0, 31, kLetters, "Jpgmdablxeh", "instead of that, the statistics, with the letters that xmalloc_stats_print takes") \
  X(stats_interval, -1, -1, 1ll << 46, kBytes, "off=-1", "print each time that about so many bytes were handed out to threads; off, 0: never") \
  X(stats_interval_opts, "", 0, 31, kLetters, "Jpgmdablxeh", "the letters for that; none: the summary") \
  X(stats_page, 0, 0, 1, kNone, "false=0|true=1", "counters in a page that other processes read, see docs/stats.md") \
  X(narenas, 0, 1, 4094, kCount, "auto=0|default=0", "upper bound of arenas, of which there are never more than 64; auto: as many as threads run at once") \
  X(percpu_arena, 1, 0, 1, kNone, "disabled=0|percpu=1|phycpu=1", "arena by the CPU a thread runs on at refill and flush; disabled: by thread") \
  X(tcache, 1, 0, 1, kNone, "false=0|true=1", "thread caches")                                                                         \
  X(tcache_max, 32768, 0, 8388608, kBytes, "", "largest size that thread caches hold; above 32K counts as 32K")                        \
  X(lg_tcache_max, -1, 0, 23, kCount, "unset=-1", "the same as a power of two; the later of the two counts")                           \
  X(tcache_ncached_max, "", 0, 127, kRanges, "0123456789kKmMgG-:|", "low-high:n|low-high:n: of these sizes a thread cache holds at most n blocks each") \
  X(thread_stats, 0, 0, 1, kNone, "default=0|exact=1", "exact: every operation is counted; threads work without caches")               \
  X(dirty_decay_ms, 5000, -1, 86400000, kMs, "never=-1|now=0", "time over which dirty pages go back to the system")                    \
  X(muzzy_decay_ms, 0, -1, 86400000, kMs, "never=-1|now=0",                                                                           \
    "time over which pages go back that were first offered to the kernel, which takes them when it needs some; 0: no such stage")      \
  X(dirty_limit, 25, 0, 1000, kCount, "", "percent of active bytes that may stay dirty, however young, or lie free in slabs when the heap grows") \
  X(background_thread, 2, 0, 2, kNone, "false=0|true=1|auto=2",                                                                        \
    "a thread that purges; auto: started when the program starts a thread; false: the program's threads purge as they go")          \
  X(max_background_threads, 4, 1, 64, kCount, "", "threads that purge at once, with background_thread:true, when there is much to give back")                        \
  X(soft_limit, 0, 0, 1ll << 46, kBytes, "off=0|cgroup=-1",                                                                             \
    "resident bytes above which idle memory goes back at once; cgroup: 90 % of the limit of the control group")                        \
  X(thp, 0, 0, 3, kNone, "auto=0|always=1|never=2|default=3",                                                                          \
    "huge pages; auto: in large heaps that are dense, and for long blocks of a program that fills such, where they cost next to no memory; default: whatever the kernel does by itself") \
  X(metadata_thp, 0, 0, 2, kNone, "disabled=0|auto=1|always=2", "huge pages for the allocator's own data; auto: once it has 2 MiB")    \
  X(oversize_threshold, 33554432, 2097152, 1ll << 40, kBytes, "off=1099511627776|0=1099511627776", \
    "at and above: a mapping of its own; off, 0: only what the heap cannot hold, from 64 MiB on")                                \
  X(zero_realloc, 0, 0, 2, kNone, "free=0|alloc=1|abort=2", "what realloc(p, 0) does")                                                 \
  X(junk, 0, 0, 3, kNone, "false=0|alloc=1|free=2|true=3", "fill with 0xa5 at allocation, with 0x5a at free; no thread caches")        \
  X(zero, 0, 0, 1, kNone, "false=0|true=1", "every allocation reads as zero")                                                          \
  X(xmalloc, 0, 0, 1, kNone, "false=0|true=1", "report and abort when there is no memory")                                             \
  X(harden, 1, 0, 2, kNone, "off=0|default=1|full=2",                                                                                  \
    "off: a bad free is ignored; full: every flush is checked at once, wrong sizes are reported")

struct Options {
#define XALLOC_OPTION_FIELD(name, def, lo, hi, unit, words, help) OptionValue<OptionUnit::unit>::Type name = def;
  XALLOC_OPTIONS(XALLOC_OPTION_FIELD)
#undef XALLOC_OPTION_FIELD
  // tcache_ncached_max taken apart; one with high == 0 ends them.
  CachedRange cached_ranges[kMostCachedRanges + 1] = {};
};

extern Options g_options;  // written only by LoadOptions

enum class Source : uint8_t { kDefault, kBuiltIn, kProgram, kProgramJemalloc, kLink, kMallocConf, kXallocConf };

// The variables of the environment.
XALLOC_ALWAYS_READ("malloc_conf") inline constexpr char kMallocConf[] = "MALLOC_CONF";
XALLOC_ALWAYS_READ("xalloc_conf") inline constexpr char kXallocConf[] = "XALLOC_CONF";
extern const char* const g_built_in_conf;  // built_in.cc: CMake's XALLOC_MALLOC_CONF
extern const char* const g_conf_link;      // ... XALLOC_CONF_LINK; empty: no file is looked at

// The strings that the program compiles in; either may be null.
struct ProgramConf {
  const char* xmalloc_conf;
  const char* malloc_conf;  // only in the libraries with jemalloc's names
};

// Reads the sources. Called once, before any other thread can read.
void LoadOptions(const ProgramConf& program);

// What ForEachOption tells of a value: its text, and whether that is a word (or a number, or true or false). `numbers`: options that are
// numbers are told as such, not by the words that some of them have.
struct OptionShown {
  const char* name;
  const char* text;
  bool word;
};
void ForEachOption(bool numbers, void (*fn)(void*, const OptionShown&), void* context);

// Parses one `key:value,key:value` string into `options`; problems go to stderr, one line each. Returns the number of them.
size_t ParseOptions(const char* text, Options& options, Source source = Source::kProgram);

}  // namespace xalloc
