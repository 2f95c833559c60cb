// SPDX-License-Identifier: MIT
// Huge pages, and memory populated ahead of use: docs/design/huge-pages.md says when each is worth its while.
#include "extent/extent_heap.h"
#include "os/system.h"

namespace xalloc {
namespace {
Thp Wanted() { return static_cast<Thp>(g_options.thp); }
}  // namespace

// ---- populating ---------------------------------------------------------------------------------------------------------

bool ExtentHeap::MayPopulate() const {
  return used_ >= kPopulateFrom && Wanted() != Thp::kDefault && os::PageSize() <= kGranule && !no_populate_.Relaxed();
}

// The fresh granules that follow, a few percent of what is in use: a heap that grows wants them next.
ExtentHeap::Flight* ExtentHeap::TakeAhead(Place at, size_t granules) {
  unsigned left = 0;
  for (const Flight& f : flights_) left += f.taken ? 0 : 1;
  Flight* ahead = left > 1 ? TakeFlight() : nullptr;  // the last one is for giving back
  if (ahead == nullptr) return nullptr;
  Hugepage* h = at.hugepage;
  const auto begin = static_cast<unsigned>(at.granule + granules);
  const auto most = static_cast<unsigned>(Min<size_t>(used_ / kAheadShare, kMostAhead));
  unsigned n = 0;
  while (n < most && begin + n < kGranulesPerHugepage && h->zero.Test(begin + n) && h->free.Test(begin + n) && !h->dirty.Test(begin + n)) ++n;
  if (n == 0) return ahead;
  const unsigned old_longest = h->longest;
  const Run run = {begin, n};
  h->free.Clear(run);
  h->zero.Clear(run);
  Relist(h, old_longest);
  ahead->pieces[ahead->count++] = {h, run, false, false, Advice::kNone};
  return ahead;
}

// From the start of the slab to the end of what was taken ahead of it.
void ExtentHeap::Populate(Flight* ahead, const Extent* slab) {
  const size_t granules = slab->granules + (ahead->count != 0 ? ahead->pieces[0].run.length : 0);
  const size_t bytes = granules << kLgGranule;
  const bool done = pages_.populate(slab->base, bytes);
  if (!done) no_populate_.SetRelaxed(true);
  os::Guard<os::Rank::kExtents> guard(lock_);
  if (done) stats_.pages.populated += bytes;
  for (unsigned i = 0; i < ahead->count; ++i) {
    const Piece& piece = ahead->pieces[i];
    Hugepage* h = piece.hugepage;
    const unsigned old_longest = h->longest;
    h->free.Set(piece.run);
    h->zero.Set(piece.run);
    if (done) MarkDirty(h, piece.run);
    Relist(h, old_longest);
  }
  ahead->taken = false;
}

// ---- at birth -----------------------------------------------------------------------------------------------------------

bool ExtentHeap::MayBeHuge() const {
  return HugePagesAreOurs() && !no_huge_.Relaxed() && (Wanted() == Thp::kAuto || Wanted() == Thp::kAlways);
}

// Under grow_lock_: whether hugepages that are opened now are to be huge pages. A heap with holes gets none: they would be filled later.
bool ExtentHeap::WantsHuge(Extent::Kind kind) {
  if (!MayBeHuge()) return false;
  if (Wanted() == Thp::kAlways) return true;
  // Of a block of its own only the program knows what it will touch.
  if (kind != Extent::Kind::kSlab) return false;
  os::Guard<os::Rank::kExtents> guard(lock_);
  const size_t opened = stats_.committed >> kLgGranule;
  return stats_.committed + kHugepage >= kHugeFrom && (opened - Min(opened, used_)) * kDenseShare <= opened;
}

// Hugepages next to each other that are told the same are one mapping in the eyes of the kernel.
bool ExtentHeap::AdviseHuge(char* at, size_t bytes) {
  if (huge_skip_ != 0) {
    huge_skip_--;
    return false;
  }
  const bool done = pages_.advise_huge(at, bytes, true);
  if (!done) no_huge_.SetRelaxed(true);
  return done;
}

// Under grow_lock_, before anybody else knows of it. A kernel that has to move memory around to find a huge page takes long: then do
// without for a while, the longer the more often it happens.
ExtentHeap::Backing ExtentHeap::PopulateHuge(char* at) {
  const uint64_t begin = os::NowNs();
  const bool done = pages_.populate(at, kHugepage);
  if (os::NowNs() - begin <= kStallNs) {
    huge_pause_ /= 2;
    return done ? Backing::kHuge : Backing::kNone;
  }
  huge_pause_ = Min(Max(huge_pause_ * 2, 8u), kLongestPause);
  huge_skip_ = huge_pause_;
  return done ? Backing::kStalled : Backing::kNone;
}

// ---- later --------------------------------------------------------------------------------------------------------------

// The program's own blocks may be touched in part only.
bool ExtentHeap::HoldsSlabsOnly(const Hugepage* h) {
  for (unsigned i = 0; i < kGranulesPerHugepage; ++i) {
    if (h->free.Test(i)) continue;
    if (h->owner[i] == nullptr || h->owner[i]->kind != Extent::Kind::kSlab) return false;
  }
  return true;
}

// A hugepage found nearly full often enough, and not huge yet; null: none among the next ones. A look meets no hugepage twice.
Hugepage* ExtentHeap::FindDense() {
  for (unsigned looked = 0; looked < kLookedAt; ++looked) {
    if (dense_region_ == nullptr || dense_index_ >= dense_region_->next_fresh) {
      dense_region_ = dense_region_ != nullptr ? dense_region_->next : regions_;
      dense_index_ = 0;
      if (dense_region_ == nullptr) return nullptr;
      continue;
    }
    Hugepage* h = &dense_region_->pages[dense_index_++];
    const bool dense = !h->huge && h->committed == kGranulesPerHugepage && h->free.Count() <= kDenseFree;
    if (h->longest == kGranulesPerHugepage) h->hollow = false;
    h->dense = dense ? static_cast<uint8_t>(Min(h->dense + 1u, kDenseLooks)) : 0;
    if (h->dense == kDenseLooks && !h->hollow && HoldsSlabsOnly(h)) return h;
  }
  return nullptr;
}

bool ExtentHeap::CollapseStep() {
  if (!MayBeHuge()) return false;
  lock_.Acquire(os::Rank::kExtents);
  Hugepage* h = stats_.committed >= kHugeFrom ? FindDense() : nullptr;
  Advice advice = Advice::kNone;
  if (h != nullptr && !h->wanted) {
    if (h->plain) --plain_;
    h->plain = false;
    h->wanted = true;
    advice = Advice::kHuge;
  }
  lock_.Release(os::Rank::kExtents);
  if (h == nullptr) return false;
  Advise(h, advice);
  // Its memory stays where it is for whoever uses it; a hugepage never goes away.
  const bool done = pages_.collapse(h->base, kHugepage);
  os::Guard<os::Rank::kExtents> guard(lock_);
  h->dense = 0;
  if (done) {
    stats_.pages.collapses++;
    // Unless a part of it went back meanwhile.
    if (h->wanted) MarkBacked(h);
  } else {
    stats_.pages.collapse_failures++;
  }
  return done;
}

}  // namespace xalloc
