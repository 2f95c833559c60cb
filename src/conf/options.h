// SPDX-License-Identifier: MIT
// options.h: the option table. One row per option: parser, error lines, `confirm_conf` and the docs come from it.
//
// Read once, at the first slow path, from these sources (later wins, key by key): the program's `xmalloc_conf`, the
// environment's MALLOC_CONF, then XALLOC_CONF. After that the values never change: reading needs no lock.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc {

enum class ZeroRealloc : int64_t { kFree, kAlloc, kAbort };
enum class Harden : int64_t { kOff, kDefault, kFull };
enum Junk : int64_t { kJunkAlloc = 1, kJunkFree = 2 };

// name, default, lowest, highest, unit, words, meaning.
// Unit: kNone: words only; kCount; kBytes: K M G; kMs. Words: "word=value|word=value", besides the numbers.
#define XALLOC_OPTIONS(X)                                                                                                              \
  X(abort, 0, 0, 1, kNone, "false=0|true=1", "abort on every warning")                                                                 \
  X(abort_conf, 0, 0, 1, kNone, "false=0|true=1", "abort on an option that is unknown or has a bad value")                             \
  X(confirm_conf, 0, 0, 1, kNone, "false=0|true=1", "print every option and where it comes from at start")                             \
  X(stats_print, 0, 0, 1, kNone, "false=0|true=1", "print a summary line at exit")                                                     \
  X(narenas, 0, 1, 64, kCount, "auto=0", "upper bound of arenas; auto: as many as threads run at once")                                \
  X(percpu_arena, 1, 0, 1, kNone, "disabled=0|percpu=1", "arena by the CPU a thread runs on at refill and flush; disabled: by thread") \
  X(tcache, 1, 0, 1, kNone, "false=0|true=1", "thread caches")                                                                         \
  X(tcache_max, 32768, 0, 32768, kBytes, "", "largest size that thread caches hold")                                                   \
  X(thread_stats, 0, 0, 1, kNone, "default=0|exact=1", "exact: every operation is counted; threads work without caches")               \
  X(dirty_decay_ms, 5000, -1, 86400000, kMs, "never=-1|now=0", "time over which dirty pages go back to the system")                    \
  X(dirty_limit, 25, 0, 1000, kCount, "", "percent of active bytes that may stay dirty, however young")                                \
  X(oversize_threshold, 33554432, 2097152, 1ll << 40, kBytes, "", "at and above: a mapping of its own")                                \
  X(zero_realloc, 0, 0, 2, kNone, "free=0|alloc=1|abort=2", "what realloc(p, 0) does")                                                 \
  X(junk, 0, 0, 3, kNone, "false=0|alloc=1|free=2|true=3", "fill with 0xa5 at allocation, with 0x5a at free; no thread caches")        \
  X(zero, 0, 0, 1, kNone, "false=0|true=1", "every allocation reads as zero")                                                          \
  X(xmalloc, 0, 0, 1, kNone, "false=0|true=1", "report and abort when there is no memory")                                             \
  X(harden, 1, 0, 2, kNone, "off=0|default=1|full=2",                                                                                  \
    "off: a bad free is ignored; full: every flush is checked at once, wrong sizes are reported")

struct Options {
#define XALLOC_OPTION_FIELD(name, def, lo, hi, unit, words, help) int64_t name = def;
  XALLOC_OPTIONS(XALLOC_OPTION_FIELD)
#undef XALLOC_OPTION_FIELD
};

extern Options g_options;  // written only by LoadOptions

enum class Source : uint8_t { kDefault, kProgram, kMallocConf, kXallocConf };

// Reads the sources. `program_conf` may be null. Called once, before any other thread can read.
void LoadOptions(const char* program_conf);

// Parses one `key:value,key:value` string into `options`; problems go to stderr, one line each. Returns the number of them.
size_t ParseOptions(const char* text, Options& options, Source source = Source::kProgram);

}  // namespace xalloc
