// SPDX-License-Identifier: MIT
// Huge pages, and memory populated ahead of use: docs/design/huge-pages.md says when each is worth its while.
#include "extent/extent_heap.h"
#include "os/system.h"

namespace xalloc {
namespace {
Thp Wanted() { return static_cast<Thp>(g_options.thp); }

// Time that other threads had the CPU is not the kernel's.
template <class Fn>
uint64_t CpuNsOf(Fn fn) {
  const uint64_t begin = os::ThreadCpuNs();
  fn();
  return os::ThreadCpuNs() - begin;
}
}  // namespace

// ---- populating ---------------------------------------------------------------------------------------------------------

bool ExtentHeap::MayPopulate() const {
  return used_ >= kPopulateFrom && Wanted() != Thp::kDefault && os::PageSize() <= kGranule && !no_populate_.Relaxed();
}

// The fresh granules that follow, a few percent of what is in use: a heap that grows wants them next. Or the rest of a hugepage that only
// this slab has, to become a huge page: nobody else touches it meanwhile, for then the kernel would clear two. `whole`: it was told before.
ExtentHeap::Ahead ExtentHeap::TakeAhead(Place at, size_t granules, bool whole) {
  Hugepage* h = at.hugepage;
  const bool alone = at.granule == 0 && granules + h->by_free.longest == kGranulesPerHugepage && h->zero.Count() == h->by_free.longest;
  Ahead ahead = {nullptr, MayPopulate(), whole || (alone && WantsHuge(h, granules)), whole, used_ >= kTimed && MayBeHuge()};
  if (!ahead.populates && !ahead.huge) return ahead;
  Rest* rest = seldom_.rests;
  while (rest != seldom_.rests + kRests && rest->hugepage != nullptr) ++rest;
  if (XALLOC_UNLIKELY(rest == seldom_.rests + kRests)) {
    if (whole) MarkHuge(h);
    return {nullptr, ahead.populates && !whole, false, false, ahead.timed};
  }
  h->wanted = h->wanted || ahead.huge;
  const auto begin = static_cast<unsigned>(at.granule + granules);
  unsigned n = 0;
  if (ahead.huge) {
    n = kGranulesPerHugepage - begin;
  } else {
    const auto most = static_cast<unsigned>(Min<size_t>(used_ / kAheadShare, kMostAhead));
    while (n < most && begin + n < kGranulesPerHugepage && h->zero.Test(begin + n) && h->free.Test(begin + n) && !h->dirty.Test(begin + n)) ++n;
  }
  if (n == 0) return ahead;
  ahead.rest = rest;
  *rest = {h, {begin, n}, h->zero.AllIn({begin, n})};
  h->free.Clear(rest->run);
  h->zero.Clear(rest->run);
  NoteCleared(h);
  return ahead;
}

void ExtentHeap::ReturnRest(Rest& rest) {
  Hugepage* h = rest.hugepage;
  SetFree(h, rest.run);
  if (rest.zero) h->zero.Set(rest.run);
  rest.hugepage = nullptr;
}

// From the start of the slabs to the end of what was taken ahead of it; a hugepage whole. A huge page comes by a touch: the call that
// populates holds up whoever changes a mapping, and they the next such call.
void ExtentHeap::Populate(const Ahead& ahead, Place at, size_t granules) {
  Hugepage* h = at.hugepage;
  char* const base = h->base + (size_t{at.granule} << kLgGranule);
  const bool skips = ahead.huge && SkipsHuge();
  // It was told when the kernel was not slow yet.
  if (XALLOC_UNLIKELY(skips && ahead.told)) pages_.advise_huge(h->base, kHugepage, false);
  const bool huge = ahead.huge && !skips && (ahead.told || AdviseHuge(h->base, kHugepage));
  const bool slow = huge && TouchHuge(base);
  const size_t bytes = (granules + (ahead.huge ? 0 : ahead.Granules())) << kLgGranule;
  const bool populated = !huge && ahead.populates && PopulateSmall(base, bytes, ahead.timed);
  if (!huge && ahead.populates && !populated) no_populate_.SetRelaxed(true);
  os::Guard<os::Rank::kExtents> guard(lock_);
  if (populated) stats_.pages.populated += bytes;
  if (slow) stats_.pages.stalls++;
  if (ahead.huge && !huge) h->wanted = false;
  if (ahead.rest != nullptr) {
    if (populated && !ahead.huge) MarkDirty(h, ahead.rest->run);
    ReturnRest(*ahead.rest);
  }
  if (huge) MarkHuge(h);
}

// ---- at birth -----------------------------------------------------------------------------------------------------------

bool ExtentHeap::MayBeHuge() const {
  return HugePagesAreOurs() && !no_huge_.Relaxed() && (Wanted() == Thp::kAuto || Wanted() == Thp::kAlways);
}

// Whether h is to become a huge page, of which the first `granules` were just taken. A heap with holes elsewhere gets none: they would be
// filled later. What threads that grow at once have in hand is no hole.
bool ExtentHeap::WantsHuge(const Hugepage* h, size_t granules) const {
  if (h->wanted || h->plain || h->committed != kGranulesPerHugepage) return false;
  return IsDense((stats_.committed >> kLgGranule) - kGranulesPerHugepage, used_ - granules);
}

bool ExtentHeap::IsDense(size_t opened, size_t used) const {
  if (!MayBeHuge() || stats_.committed < kHugeFrom) return false;
  return opened - Min(opened, used) <= Max(opened / kDenseShare, Min(opened / kFillingShare, kFilling));
}

// True as often as hugepages are to go without after a slow one. Of n.
bool ExtentHeap::SkipsHuge(unsigned n) {
  const unsigned skip = huge_skip_.Relaxed();
  if (skip != 0) huge_skip_.SetRelaxed(skip - Min(skip, n));
  return skip != 0;
}

// Hugepages next to each other that are told the same are one mapping in the eyes of the kernel.
bool ExtentHeap::AdviseHuge(char* at, size_t bytes) {
  const bool done = pages_.advise_huge(at, bytes, true);
  if (!done) no_huge_.SetRelaxed(true);
  return done;
}

// A kernel that has to move memory around to find a huge page takes long, and so does a hypervisor that has to find the memory itself, when
// small pages are at hand: then do without for a while, the longer the more often it happens. The purger makes huge pages of them later.
bool ExtentHeap::TouchHuge(char* at) {
  const uint64_t took = CpuNsOf([&] { pages_.touch(at); });
  const bool slow = took > Max(kSlowNs, uint64_t{small_ns_.Relaxed()} * kGranulesPerHugepage * kSlowShare);
  const unsigned pause = huge_pause_.Relaxed();
  huge_pause_.SetRelaxed(slow ? Min(Max(pause * 2, kFirstPause), kLongestPause) : pause / 2);
  if (slow && Wanted() != Thp::kAlways) huge_skip_.SetRelaxed(huge_pause_.Relaxed());
  return slow;
}

bool ExtentHeap::PopulateSmall(char* at, size_t bytes, bool timed) {
  if (!timed || bytes < kTellsCost) return pages_.populate(at, bytes);
  bool done = false;
  const uint64_t took = CpuNsOf([&] { done = pages_.populate(at, bytes); }) / (bytes >> kLgGranule);
  const uint64_t before = small_ns_.Relaxed();
  if (done) small_ns_.SetRelaxed(static_cast<uint32_t>(Min<uint64_t>(before == 0 ? took : (before * 7 + took) / 8, UINT32_MAX)));
  return done;
}

// ---- later --------------------------------------------------------------------------------------------------------------

// The program's own blocks may be touched in part only.
bool ExtentHeap::HoldsSlabsOnly(const Hugepage* h) {
  for (unsigned i = 0; i < kGranulesPerHugepage; ++i) {
    if (h->free.Test(i)) continue;
    const Extent* owner = OwnerAt(h, i);
    if (owner == nullptr || owner->kind != Extent::Kind::kSlab) return false;
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
    if (h->by_free.longest == kGranulesPerHugepage) h->hollow = false;
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
