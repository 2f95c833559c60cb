// SPDX-License-Identifier: MIT
// options.h: the option table. One row per option: parser, `confirm_conf` and the docs come from it.
//
// Read once, at the first slow path, from these sources (later wins, key by key): the program's `xmalloc_conf`, the
// environment's MALLOC_CONF, then XALLOC_CONF. After that the values never change: reading needs no lock.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc {

enum class ZeroRealloc : int64_t { kFree, kAlloc, kAbort };

// name, default, lowest, highest, kind, meaning. kBool: true/false. kSize: K M G. kTime: ms, `never` (-1), `now` (0).
// kAuto: a count or `auto` (0). kZeroRealloc: free, alloc, abort.
#define XALLOC_OPTIONS(X)                                                                                      \
  X(abort_conf, 0, 0, 1, kBool, "abort on an option that is unknown or has a bad value")                       \
  X(confirm_conf, 0, 0, 1, kBool, "print every option at start")                                               \
  X(stats_print, 0, 0, 1, kBool, "print a summary line at exit")                                               \
  X(narenas, 0, 1, 64, kAuto, "upper bound of arenas; auto: as many as threads run at once")                   \
  X(tcache, 1, 0, 1, kBool, "thread caches")                                                                   \
  X(tcache_max, 32768, 0, 32768, kSize, "largest size that thread caches hold, in bytes")                      \
  X(dirty_decay_ms, 5000, -1, 86400000, kTime, "time over which dirty pages go back to the system")            \
  X(dirty_limit, 25, 0, 1000, kNumber, "percent of active bytes that may stay dirty, however young")           \
  X(oversize_threshold, 33554432, 2097152, 1ll << 40, kSize, "at and above: a mapping of its own")            \
  X(zero_realloc, 0, 0, 2, kZeroRealloc, "realloc(p, 0): free, alloc or abort")

struct Options {
#define XALLOC_OPTION_FIELD(name, def, lo, hi, kind, help) int64_t name = def;
  XALLOC_OPTIONS(XALLOC_OPTION_FIELD)
#undef XALLOC_OPTION_FIELD
};

extern Options g_options;  // written only by LoadOptions

// Reads the sources. `program_conf` may be null. Called once, before any other thread can read.
void LoadOptions(const char* program_conf);

// Parses one `key:value,key:value` string into `options`; problems go to stderr, one line each. Returns the number of them.
size_t ParseOptions(const char* text, Options& options);

}  // namespace xalloc
