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
    const size_t before = done;
    for (unsigned i = 0; i < n && purging_.Relaxed() != kRefused; ++i) {
      PurgePiece(pieces[i]);
      if (pieces[i].purged) done += size_t{pieces[i].run.length} << kLgGranule;
    }
    lock_.Acquire(os::Rank::kExtents);
    ReturnPurged(pieces, n);
    lock_.Release(os::Rank::kExtents);
    if (done == before) break;  // refused pieces come round again
  }
  return done;
}

// Takes dirty runs, whole hugepages at a time, until `target` granules or kBatch runs are in hand.
unsigned ExtentHeap::CollectDirty(Piece* pieces, size_t target) {
  unsigned n = 0;
  size_t taken = 0;
  // Runs are cut to whole pages of the kernel; what is left over waits for a neighbour to be freed.
  const auto page = static_cast<unsigned>(Max(os::PageSize() >> kLgGranule, size_t{1}));
  while (n < kBatch && taken < target && purging_.Relaxed() != kRefused) {
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
      pieces[n++] = {h, whole, false, false};
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
      MarkDirty(h, pieces[i].run);
    } else {
      stats_.purged += size_t{pieces[i].run.length} << kLgGranule;
      if (pieces[i].zeroed) h->zero.Set(pieces[i].run);
    }
    Relist(h, old_longest);
  }
}

// The first purges of a process are checked: emulated kernels exist that accept the call and leave the contents. Threads that purge
// for the first time at once check each for itself.
void ExtentHeap::PurgePiece(Piece& piece) {
  char* at = piece.hugepage->base + (size_t{piece.run.begin} << kLgGranule);
  const size_t bytes = size_t{piece.run.length} << kLgGranule;
  const uint32_t known = purging_.Relaxed();
  volatile char* probe = at;
  if (known == kUnknown) *probe = 1;
  piece.purged = pages_.purge(at, bytes);
  if (piece.purged && refusals_.Relaxed() != 0) refusals_.SetRelaxed(0);
  if (XALLOC_LIKELY(known == kZeroes && piece.purged)) {
    piece.zeroed = true;
    return;
  }
  if (!piece.purged) {
    if (refusals_.AddRelaxed(1) + 1 >= kPatience) purging_.SetRelaxed(kRefused);
    return;
  }
  if (known == kUnknown) {
    piece.zeroed = *probe == 0;
    purging_.SetRelaxed(piece.zeroed ? uint32_t{kZeroes} : kKeeps);
  }
}

}  // namespace xalloc
