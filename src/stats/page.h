// SPDX-License-Identifier: MIT
// page.h: stats_page:true. Counters in a page of shared memory that another process reads, without a signal and without stopping anybody.
//
//   /proc/<pid>/fd/<n> -> /memfd:xalloc-stats        read-only for everybody else; docs/stats.md has the layout and a reader
//
// Written at most every 100 ms, by threads that allocate: a program that does nothing leaves it as it is. A fork child gets its own.
// A reader takes `sequence`, then the words, then `sequence` again: odd, or not the same: once more.
#pragma once

#include "cache/hooks.h"
#include "stats/snapshot.h"

namespace xalloc {

struct StatsPage {
  static constexpr uint64_t kMagic = 0x65676170636c6c61;  // "allcpage"
  static constexpr uint64_t kLayout = 1;
  uint64_t magic, layout;
  uint64_t bytes;       // of this struct
  uint64_t pid;
  uint64_t sequence;    // odd while it is written
  uint64_t updated_ns;  // CLOCK_MONOTONIC
  // Layout 1. New words come at the end; `bytes` tells how many there are.
  uint64_t allocated, active, resident, mapped, retained, metadata;
  uint64_t cached, depots, slab_free, dirty, muzzy, huge_pinned, peak;
  uint64_t arenas, caches;
  uint64_t small_nmalloc, small_ndalloc, nfills, nflushes, large_nmalloc;
  uint64_t purged, purge_calls, purge_ns, huge, populated, collapses, size_mismatches;
};

void OpenStatsPage();    // at start, with stats_page:true
void StatsPageTick();    // at ticks
void ReopenStatsPage();  // in a fork child

}  // namespace xalloc
