// SPDX-License-Identifier: MIT
// Purging: dirty runs leave the free set under the lock, go back to the kernel without it, and return as known-zero.
#include <string.h>

#include "extent/extent_heap.h"
#include "os/system.h"

namespace xalloc {

size_t ExtentHeap::Purge(size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    Piece pieces[kBatch];
    lock_.Acquire(os::Rank::kExtents);
    const unsigned n = CollectDirty(pieces, (bytes - done + kGranule - 1) >> kLgGranule);
    lock_.Release(os::Rank::kExtents);
    if (n == 0) break;
    for (unsigned i = 0; i < n; ++i) {
      pieces[i].purged = PurgeRange(pieces[i].hugepage, pieces[i].run);
      if (pieces[i].purged) done += size_t{pieces[i].run.length} << kLgGranule;
    }
    lock_.Acquire(os::Rank::kExtents);
    ReturnPurged(pieces, n);
    lock_.Release(os::Rank::kExtents);
  }
  return done;
}

// Takes dirty runs, whole hugepages at a time, until `target` granules or kBatch runs are in hand.
unsigned ExtentHeap::CollectDirty(Piece* pieces, size_t target) {
  unsigned n = 0;
  size_t taken = 0;
  // Runs are cut to whole pages of the kernel; what is left over waits for a neighbour to be freed.
  const auto page = static_cast<unsigned>(Max(os::PageSize() >> kLgGranule, size_t{1}));
  while (n < kBatch && taken < target && !purge_refused_) {
    Hugepage* h = dirty_list_.front();
    if (h == nullptr) break;
    const unsigned old_longest = h->longest;
    for (Run r = h->dirty.NextRun(0); r.length != 0 && n < kBatch; r = h->dirty.NextRun(r.begin + r.length)) {
      const auto begin = static_cast<unsigned>(AlignUp(r.begin, page));
      const auto end = static_cast<unsigned>(AlignDown(r.begin + r.length, page));
      if (begin >= end) continue;
      const Run whole = {begin, end - begin};
      h->free.Clear(whole);
      h->dirty.Clear(whole);
      dirty_ -= whole.length;
      taken += whole.length;
      pieces[n++] = {h, whole, false};
    }
    if (n < kBatch || h->dirty.None()) {
      dirty_list_.Remove(h);
      h->in_dirty_list = false;
    }
    Relist(h, old_longest);
  }
  return n;
}

void ExtentHeap::ReturnPurged(const Piece* pieces, unsigned n) {
  stats_.purges++;
  for (unsigned i = 0; i < n; ++i) {
    Hugepage* h = pieces[i].hugepage;
    const unsigned old_longest = h->longest;
    h->free.Set(pieces[i].run);
    if (!pieces[i].purged) {
      purge_refused_ = true;
      MarkDirty(h, pieces[i].run);
    } else {
      stats_.purged += size_t{pieces[i].run.length} << kLgGranule;
      if (purge_zeroes_) h->zero.Set(pieces[i].run);
    }
    Relist(h, old_longest);
  }
}

// The first purge of a process is checked: emulated kernels exist that accept the call and leave the contents.
bool ExtentHeap::PurgeRange(Hugepage* h, Run run) {
  char* at = h->base + (size_t{run.begin} << kLgGranule);
  const size_t bytes = size_t{run.length} << kLgGranule;
  if (XALLOC_LIKELY(zero_checked_)) return pages_.purge(at, bytes);
  volatile char* probe = at;
  *probe = 1;
  const bool purged = pages_.purge(at, bytes);
  if (purged && *probe != 0) purge_zeroes_ = false;
  zero_checked_ = purged;
  return purged;
}

}  // namespace xalloc
