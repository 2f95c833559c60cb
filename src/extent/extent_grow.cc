// SPDX-License-Identifier: MIT
// Growth of the extent heap: commits more of a hugepage, opens fresh ones, adds regions. Every system call is made outside the
// lock, on what was marked as taken under it; two threads that grow at once merely open more address space.
#include "extent/extent_heap.h"
#include "os/system.h"

namespace xalloc {

bool ExtentHeap::Grow(size_t granules) {
  lock_.Acquire(os::Rank::kExtents);
  // 1. The first hugepage of a small program, in doubling steps.
  if (Hugepage* h = partial_; h != nullptr && !h->opening) {
    unsigned begin = h->committed;
    while (begin > 0 && h->free.Test(begin - 1)) --begin;
    if (begin + granules <= kGranulesPerHugepage) {
      unsigned committed = h->committed;
      do {
        committed *= 2;
      } while (committed < begin + granules);
      h->opening = true;
      lock_.Release(os::Rank::kExtents);
      return OpenPartial(h, committed);
    }
  }
  // 2. Fresh hugepages of a region that has them. A new process commits the first one in part.
  const auto count = static_cast<unsigned>(CeilDiv(granules, kGranulesPerHugepage));
  for (Region* r = regions_; r != nullptr; r = r->next) {
    if (r->hugepages - r->next_fresh < count) continue;
    const unsigned first = r->next_fresh;
    const bool in_part = stats_.committed == 0 && count == 1;
    unsigned committed = kFirstCommit;
    while (committed < granules) committed *= 2;
    r->next_fresh += count;
    stats_.committed += count * kHugepage;
    lock_.Release(os::Rank::kExtents);
    return OpenFresh(r, first, count, in_part ? committed : kGranulesPerHugepage);
  }
  lock_.Release(os::Rank::kExtents);
  // 3. A new region.
  return AddRegion(count * kHugepage);
}

bool ExtentHeap::OpenPartial(Hugepage* h, unsigned committed) {
  char* from = h->base + (size_t{h->committed} << kLgGranule);
  const Run run = {h->committed, committed - h->committed};
  const bool done = pages_.commit(from, size_t{run.length} << kLgGranule);
  os::Guard<os::Rank::kExtents> guard(lock_);
  h->opening = false;
  if (!done) return false;
  const unsigned old_longest = h->longest;
  h->committed = static_cast<uint8_t>(committed);
  h->free.Set(run);
  h->zero.Set(run);
  Relist(h, old_longest);
  if (committed == kGranulesPerHugepage) partial_ = nullptr;
  return true;
}

bool ExtentHeap::OpenFresh(Region* region, unsigned first, unsigned count, unsigned committed) {
  Hugepage* h = &region->pages[first];
  const bool done = pages_.commit(h->base, count == 1 ? size_t{committed} << kLgGranule : count * kHugepage);
  os::Guard<os::Rank::kExtents> guard(lock_);
  if (!done) {
    // Nobody else moved on: they are fresh again. Else their address space stays unused.
    if (region->next_fresh == first + count) region->next_fresh = first;
    stats_.committed -= count * kHugepage;
    return false;
  }
  for (unsigned i = 0; i < count; ++i, ++h) {
    h->committed = static_cast<uint8_t>(committed);
    h->free.Set({0, committed});
    h->zero.Set({0, committed});
    Relist(h, 0);
    if (committed < kGranulesPerHugepage) partial_ = h;
  }
  return true;
}

bool ExtentHeap::WindowHolds(uintptr_t begin, size_t bytes) const { return begin >= map_.base() && begin + bytes <= map_.limit(); }

// Only the very first region can take the window along.
void ExtentHeap::MoveEmptyWindow(uintptr_t at) {
  os::Guard<os::Rank::kExtents> guard(lock_);
  if (regions_ == nullptr && !window_used_) map_.MoveTo(at);
}

// A region of the next size, or what the kernel still gives, halving down to what is needed.
bool ExtentHeap::AddRegion(size_t at_least) {
  const size_t limit = os::AddressSpaceLimit();
  if (!map_.ready() && !map_.Init(pages_, limit)) return false;
  lock_.Acquire(os::Rank::kExtents);
  size_t bytes = next_region_bytes_;
  next_region_bytes_ = Min(next_region_bytes_ * 2, kLargestRegion);
  uintptr_t hint = next_region_hint_ != 0 ? next_region_hint_ : map_.base();
  lock_.Release(os::Rank::kExtents);
  while (bytes > kHugepage && bytes > limit / 8) bytes /= 2;
  bytes = AlignUp(Max(bytes, at_least), kHugepage);

  void* at = nullptr;
  for (;; bytes = Max(AlignUp(bytes / 2, kHugepage), at_least)) {
    at = pages_.reserve(reinterpret_cast<void*>(hint), bytes);
    if (at != nullptr && !IsAligned(at, kHugepage)) {
      // The hint was taken and the kernel chose: ask for more and cut an aligned piece out.
      pages_.unmap(at, bytes);
      at = pages_.reserve(nullptr, bytes + kHugepage);
      if (at != nullptr) {
        char* start = static_cast<char*>(at);
        char* aligned = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(start), kHugepage));
        if (aligned != start) pages_.unmap(start, static_cast<size_t>(aligned - start));
        const size_t tail = kHugepage - static_cast<size_t>(aligned - start);
        if (tail != 0) pages_.unmap(aligned + bytes, tail);
        at = aligned;
      }
    }
    if (at != nullptr || bytes <= at_least || bytes <= kHugepage) break;
  }
  if (at == nullptr) return false;

  const size_t count = bytes >> kLgHugepage;
  const size_t meta_bytes = sizeof(Region) + count * sizeof(Hugepage);
  const auto begin = reinterpret_cast<uintptr_t>(at);
  if (!WindowHolds(begin, bytes)) MoveEmptyWindow(begin);
  const bool in_window = WindowHolds(begin, bytes);
  if (in_window) __atomic_store_n(&window_used_, true, __ATOMIC_RELAXED);
  auto* region = static_cast<Region*>(meta_.Allocate(meta_bytes));
  if (region == nullptr || (in_window && !map_.CommitUpTo(pages_, begin + bytes))) {
    if (region != nullptr) meta_.Free(region, meta_bytes);
    pages_.unmap(at, bytes);
    return false;
  }
  region->base = static_cast<char*>(at);
  region->hugepages = static_cast<uint32_t>(count);
  os::Guard<os::Rank::kExtents> guard(lock_);
  if (in_window) {
    map_.SetEnd(begin + bytes);
    next_region_hint_ = Max(next_region_hint_, begin + bytes);
  }
  for (size_t i = 0; i < count; ++i) {
    Hugepage& h = region->pages[i];
    h.region = region;
    h.base = region->base + i * kHugepage;
    if (in_window) map_.SetHugepage(h.base, &h);
  }
  region->next = regions_;
  __atomic_store_n(&regions_, region, __ATOMIC_RELEASE);  // pairs with HugepageOf
  stats_.reserved += bytes;
  return true;
}

}  // namespace xalloc
