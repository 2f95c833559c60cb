// SPDX-License-Identifier: MIT
// snapshot.h: every number of the tree as it was at the last epoch.
//
//   RefreshSnapshot      adds up what the layers count, under one lock, and publishes it word by word
//   Snapshot(), ...      plain words, read without a lock: each is of the last epoch or, while one is being taken, of that one
//
//   Owns     one table of totals, and one of each arena that has been seen, never freed
//   Used by  ctl (the leaves), stats (the printers)
//
// What adds up to what (quiescent; a test): allocated + tcache_bytes + depot_bytes == sum of small.allocated and large.allocated over the
// arenas: an arena counts what has left its slabs, wherever it lies. The heap of automatic arenas is one, so what is not a slab's is
// counted with the first of them. The merged table is the sum of the arenas'.
#pragma once

#include "arena/manual.h"
#include "extent/large_counts.h"
#include "stats/stats.h"

namespace xalloc {

struct BinNumbers {
  uint64_t nmalloc, ndalloc, nrequests, curregs, nfills, nflushes, nslabs, nreslabs, curslabs, nonfull_slabs;
};

struct LextentNumbers {
  uint64_t nmalloc, ndalloc, nrequests, curlextents;
};

struct ArenaNumbers {
  uint64_t there;  // 0: no such arena now
  uint64_t nthreads;
  uint64_t pactive, pdirty, pmuzzy;  // pages of the kernel
  uint64_t mapped, retained, base, internal, tcache_bytes, depot_bytes, resident;
  uint64_t dirty_npurge, dirty_nmadvise, dirty_purged, muzzy_npurge, muzzy_nmadvise, muzzy_purged;
  uint64_t small_allocated, small_nmalloc, small_ndalloc, small_nrequests, small_nfills, small_nflushes;
  uint64_t large_allocated, large_nmalloc, large_ndalloc, large_nrequests, large_nfills, large_nflushes;
  BinNumbers bins[kNumBins];  // [0] is unused
  LextentNumbers lextents[kLextents];
};

struct TotalNumbers {
  uint64_t epoch;
  uint64_t allocated, active, metadata, metadata_thp, resident, mapped, retained;  // bytes
  uint64_t zero_reallocs;
  uint64_t arenas, caches, tcache_bytes, depot_bytes, slab_free, dirty, muzzy, huge_pinned;
  uint64_t size_mismatches, peak;
  uint64_t purger_threads, purger_runs, purger_interval_ns;
  PageCounters pages;
};

// Takes a new snapshot. False: no memory for it; the last one stays.
bool RefreshSnapshot();
// Of the last epoch. Reading a field is one load.
const TotalNumbers& TotalsOfEpoch();
// Its count; 0: none was taken yet.
uint64_t EpochNow();
// All of it, word by word.
TotalNumbers CopyOfTotals();
// Null: no such arena, and `kMerged`, `kDestroyed` apart. Valid for ever.
constexpr unsigned kMerged = 4096, kDestroyed = 4097;
const ArenaNumbers* NumbersOf(unsigned arena);

// What destroyed arenas had counted goes into kDestroyed: called by whoever destroys one, just before.
void NoteDestroyed(unsigned arena);

os::Lock& SnapshotLock();

}  // namespace xalloc
