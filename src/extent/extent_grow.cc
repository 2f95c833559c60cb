// SPDX-License-Identifier: MIT
// Growth of the extent heap: commits more of a hugepage, opens fresh ones, adds regions. One thread grows at a time, under
// grow_lock_, which no hit and no refill takes; the system calls are made without lock_, on what was marked as taken under it.
#include "extent/extent_heap.h"
#include "os/system.h"

namespace xalloc {

bool ExtentHeap::Grow(size_t granules, unsigned align_granules, bool for_slab) {
  os::Guard<os::Rank::kGrow> growing(grow_lock_);
  lock_.Acquire(os::Rank::kExtents);
  const Place found = FindFree(static_cast<unsigned>(granules), align_granules);
  // The hugepages of a small program are committed in doubling steps.
  Hugepage* h = partial_;
  unsigned committed = 0;
  if (h != nullptr) {
    unsigned begin = h->committed;
    while (begin > 0 && h->free.Test(begin - 1)) --begin;
    begin = static_cast<unsigned>(AlignUp(begin, align_granules));
    if (begin + granules <= kGranulesPerHugepage) {
      committed = h->committed;
      while (committed < begin + granules) committed *= 2;
    }
  }
  const size_t committed_bytes = stats_.committed;
  const bool huge = for_slab && IsDense(committed_bytes >> kLgGranule, used_);
  lock_.Release(os::Rank::kExtents);
  if (found.hugepage != nullptr) return true;  // somebody else has grown meanwhile
  if (committed != 0) return OpenPartial(h, committed);
  if (h != nullptr && !OpenPartial(h, kGranulesPerHugepage)) return false;

  const auto count = static_cast<unsigned>(CeilDiv(granules, kGranulesPerHugepage));
  const bool always = static_cast<Thp>(g_options.thp) == Thp::kAlways;
  Region* region = RegionWithFresh(count, for_slab || always);
  if (region == nullptr && AddRegion(count * kHugepage)) region = RegionWithFresh(count, for_slab || always);
  // No address space for one more: a block in what may become huge is better than none.
  if (region == nullptr) region = RegionWithFresh(count, true);
  if (region == nullptr) return false;
  committed = kGranulesPerHugepage;
  if (count == 1 && committed_bytes < kHugeFrom && !always) {
    committed = committed_bytes == 0 ? kFirstCommit : kHalfCommit;
    while (committed < granules) committed *= 2;
  }
  return OpenFresh(region, count, committed, huge || (always && MayBeHuge()));
}

// `regions_` and `next_fresh` change under both locks: either is enough to read them. What was made ready to be huge is used first, and for
// slabs alone: of a block of its own only the program knows what it will touch. So no more than one region has any.
Region* ExtentHeap::RegionWithFresh(unsigned count, bool may_be_huge) const {
  Region* other = nullptr;
  for (Region* r = regions_; r != nullptr; r = r->next) {
    if (r->hugepages - r->next_fresh < count) continue;
    const bool huge = r->ready_huge && r->ready > r->next_fresh;
    if (huge && may_be_huge) return r;
    if (!huge && other == nullptr) other = r;
  }
  return other;
}

bool ExtentHeap::OpenPartial(Hugepage* h, unsigned committed) {
  char* from = h->base + (size_t{h->committed} << kLgGranule);
  const Run run = {h->committed, committed - h->committed};
  if (!pages_.commit(from, size_t{run.length} << kLgGranule)) return false;
  os::Guard<os::Rank::kExtents> guard(lock_);
  h->committed = static_cast<uint8_t>(committed);
  h->zero.Set(run);
  SetFree(h, run);
  stats_.committed += size_t{run.length} << kLgGranule;
  if (committed == kGranulesPerHugepage) partial_ = nullptr;
  return true;
}

// The next hugepages of the region become readable and writable, of one alone its first `committed` granules; in a large heap with some
// that follow. Threads that grow at once wait in the kernel where one of them changes a mapping, and it for page faults in the next one.
bool ExtentHeap::MakeReady(Region* region, unsigned count, unsigned committed) {
  const unsigned begin = Max(region->ready, region->next_fresh), end = region->next_fresh + count;
  char* at = region->base + begin * kHugepage;
  const auto bytes_to = [=](unsigned to) { return committed == kGranulesPerHugepage ? (to - begin) * kHugepage : size_t{committed} << kLgGranule; };
  // What is committed changes under the lock of growth, too.
  const auto step = stats_.committed < kHugeFrom ? 0 : static_cast<unsigned>(Min<size_t>(stats_.committed / kHugepage / kReadyShare, kMostReady));
  unsigned ready = Min(Max(end, begin + step), region->hugepages);
  if (!pages_.commit(at, bytes_to(ready))) {
    if (ready == end || !pages_.commit(at, bytes_to(end))) return false;
    ready = end;
  }
  region->ready = ready;
  region->ready_huge = false;
  return true;
}

bool ExtentHeap::OpenFresh(Region* region, unsigned count, unsigned committed, bool huge) {
  const unsigned first = region->next_fresh;
  char* at = region->base + first * kHugepage;
  if (first + count > region->ready && !MakeReady(region, count, committed)) return false;
  // All that is ready, also if that was for blocks: hugepages told one by one are a mapping each, for which all who change one wait.
  if (huge && !region->ready_huge && huge_skip_.Relaxed() == 0) region->ready_huge = AdviseHuge(at, (region->ready - first) * kHugepage);
  os::Guard<os::Rank::kExtents> guard(lock_);
  stats_.committed += count == 1 ? size_t{committed} << kLgGranule : count * kHugepage;
  for (unsigned i = 0; i < count; ++i, at += kHugepage) {
    Hugepage* h = &region->pages[first + i];
    h->region = region;
    h->base = at;
    h->committed = static_cast<uint8_t>(committed);
    h->zero.Set({0, committed});
    SetFree(h, {0, committed});
    h->wanted = region->ready_huge;
    if (committed < kGranulesPerHugepage) partial_ = h;
    if (map_.Covers(at)) map_.SetHugepage(at, h);
  }
  __atomic_store_n(&region->next_fresh, first + count, __ATOMIC_RELEASE);  // pairs with HugepageOf
  return true;
}

bool ExtentHeap::WindowHolds(uintptr_t begin, size_t bytes) const { return begin >= map_.base() && begin + bytes <= map_.limit(); }

// A region of the next size, or what the kernel still gives, halving down to what is needed.
bool ExtentHeap::AddRegion(size_t at_least) {
  // Read once: a sandbox that the program enters later may kill on the call.
  if (address_space_limit_ == 0) address_space_limit_ = Max(os::AddressSpaceLimit(), size_t{1});
  const size_t limit = address_space_limit_;
  if (!map_.ready()) {
    if (!map_.Init(pages_, limit)) return false;
    if (map_.spare() != nullptr) meta_.SetSpare(map_.spare(), PageMap::kSpareBytes);
  }
  size_t bytes = next_region_bytes_;
  next_region_bytes_ = Min(next_region_bytes_ * 2, kLargestRegion);
  const uintptr_t hint = next_region_hint_ != 0 ? next_region_hint_ : map_.base();
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
  // Only the very first region can take the window along.
  if (!WindowHolds(begin, bytes) && regions_ == nullptr) map_.MoveTo(begin);
  const bool in_window = WindowHolds(begin, bytes);
  auto* region = static_cast<Region*>(meta_.Allocate(meta_bytes));
  if (region == nullptr || (in_window && !map_.CommitUpTo(pages_, begin + bytes))) {
    if (region != nullptr) meta_.Free(region, meta_bytes);
    pages_.unmap(at, bytes);
    return false;
  }
  if (static_cast<Thp>(g_options.thp) == Thp::kNever) pages_.advise_huge(at, bytes, false);
  region->base = static_cast<char*>(at);
  region->hugepages = static_cast<uint32_t>(count);
  os::Guard<os::Rank::kExtents> guard(lock_);
  if (in_window) {
    map_.SetEnd(begin + bytes);
    next_region_hint_ = Max(next_region_hint_, begin + bytes);
  }
  region->next = regions_;
  __atomic_store_n(&regions_, region, __ATOMIC_RELEASE);  // pairs with HugepageOf
  stats_.reserved += bytes;
  return true;
}

}  // namespace xalloc
