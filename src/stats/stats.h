// SPDX-License-Identifier: MIT
// stats.h: adds up the counters that the layers keep where they count. Slow; any thread, no lock held.
#pragma once

#include "arena/arena.h"

namespace xalloc {

struct Totals {
  BinCounters bins;         // over all bins of all arenas
  ExtentStats extents;
  size_t small_allocated = 0;  // bytes in blocks that the program holds: slots out of slabs, less what lies in depots and caches
  size_t small_cached = 0;     // bytes in depots and thread caches
  size_t slab_free = 0;        // bytes free in slabs
  size_t large_allocated = 0;  // bytes of large and mapped blocks
  size_t metadata = 0;
  uint64_t size_mismatches = 0;  // sized deletes with a wrong size
  unsigned arenas = 0, caches = 0;

  size_t allocated() const { return small_allocated + large_allocated; }
};

Totals CollectTotals();

// Writes one line that begins with "xalloc: " to stderr: that and what it served.
void PrintSummary();

}  // namespace xalloc
