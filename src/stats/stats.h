// SPDX-License-Identifier: MIT
// stats.h: adds up the counters that the layers keep where they count. Slow; any thread, no lock held.
#pragma once

#include "arena/arena.h"

namespace xalloc {

struct Totals {
  BinCounters bins;         // over all bins of all arenas
  ExtentStats extents;
  size_t small_allocated = 0;  // bytes in blocks that the program holds: slots out of slabs, less what lies in depots and caches
  size_t in_caches = 0;        // bytes in thread caches, and in those that the program made
  size_t in_depots = 0;        // bytes in depots
  size_t slab_free = 0;        // bytes free in slabs
  size_t large_allocated = 0;  // bytes of large and mapped blocks
  size_t huge_pinned = 0;      // bytes dirty that stay because a huge page is not broken for them; a part of extents.dirty
  size_t metadata = 0;
  uint64_t size_mismatches = 0;  // sized deletes with a wrong size
  unsigned arenas = 0, caches = 0;

  size_t allocated() const { return small_allocated + large_allocated; }
  size_t small_cached() const { return in_caches + in_depots; }
};

Totals CollectTotals();
// All of it that is not counted by the arenas' bins: caches, extents, metadata.
void CollectShared(Totals& t);

// Writes lines that begin with "xalloc: " to stderr: what it served, what it gave back, and what it has not given back and why.
void PrintSummary();

}  // namespace xalloc
