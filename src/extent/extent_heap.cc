// SPDX-License-Identifier: MIT
// What a request gets, and what happens when it comes back. Where it goes is in extent_place.cc, growth in extent_grow.cc, giving back in
// extent_purge.cc, huge pages in extent_huge.cc and extent_filled.cc, blocks with mappings of their own in extent_mapped.cc.
#include "extent/extent_heap.h"

#include "diag/report.h"
#include "os/system.h"

namespace xalloc {

constinit ExtentHeap g_extents{os::kKernelPages, g_page_map, g_meta, g_seldom};

namespace {
// Last of all, by a release, after what the extent says: who frees an address that nobody gave it finds nothing there, or all of it. Who
// was given a block would do with less: the hand-over orders. docs/design/models/page_map.pml.
void SetOwner(Hugepage* h, unsigned granule, Extent* extent) { __atomic_store_n(&h->owner[granule], extent, __ATOMIC_RELEASE); }
}  // namespace

// The list only grows, at its front, and a region is complete before it is in it.
Region* ExtentHeap::RegionAround(const void* p) {
  for (Region* r = __atomic_load_n(&regions_, __ATOMIC_ACQUIRE); r != nullptr; r = r->next) {
    if (reinterpret_cast<uintptr_t>(p) - reinterpret_cast<uintptr_t>(r->base) < r->hugepages * kHugepage) return r;
  }
  return nullptr;
}

bool ExtentHeap::Contains(const void* p) { return RegionAround(p) != nullptr; }

Hugepage* ExtentHeap::HugepageOf(const void* p) {
  if (Hugepage* h = map_.HugepageOf(p); h != nullptr) return h;
  Region* r = RegionAround(p);  // outside the window
  if (r == nullptr) return nullptr;
  const size_t index = static_cast<size_t>(static_cast<const char*>(p) - r->base) >> kLgHugepage;
  return index < __atomic_load_n(&r->next_fresh, __ATOMIC_ACQUIRE) ? &r->pages[index] : nullptr;
}

Extent* ExtentHeap::AllocateSeveral(size_t granules, size_t alignment, Extent::Kind kind, bool* zeroed, unsigned most) {
  if (granules > kMaxGranules || alignment > kHugepage) return nullptr;
  const auto align_granules = static_cast<unsigned>(Max(alignment >> kLgGranule, size_t{1}));
  // Each round of growth makes room for this request, but another thread may take it: go round again while memory comes.
  for (;;) {
    Extent* fresh = nullptr;
    // Looked at without the lock: bookkeeping memory may have to be mapped, which must not happen under it.
    if (__atomic_load_n(&spares_, __ATOMIC_RELAXED) == nullptr) {
      fresh = static_cast<Extent*>(meta_.Allocate(most * sizeof(Extent)));
      if (fresh == nullptr) return nullptr;
    }
    lock_.Acquire(os::Rank::kExtents);
    for (unsigned i = most; fresh != nullptr && i-- > 0;) KeepSpare(fresh + i);
    const unsigned spares = SparesUpTo(most);
    const Place at = spares != 0 ? FindFree(static_cast<unsigned>(granules), align_granules) : Place{};
    if (at.hugepage != nullptr) {
      const unsigned count = spares > 1 ? CountAlike(at, granules, spares) : 1;
      const size_t together = granules * count;
      const size_t before = used_ + dirty_;
      const Taken taken = Take(at, together, kind);
      const size_t grown = used_ + dirty_ - before;
      *zeroed = taken.zero;
      at.hugepage->allocations = static_cast<uint16_t>(at.hugepage->allocations + count);
      Extent* list = nullptr;
      for (unsigned i = 0; i < count; ++i) {
        Extent* extent = TakeSpare();
        extent->next = list;
        extent->base = at.hugepage->base + ((at.granule + i * granules) << kLgGranule);
        extent->granules = static_cast<uint16_t>(granules);
        extent->kind = kind;
        list = extent;
      }
      if (kind == Extent::Kind::kLarge) SetOwner(at.hugepage, at.granule, list);
      if (kind == Extent::Kind::kLarge) stats_.blocks++;
      NotePeak();
      // A slab fills up soon, and so does what follows it. Blocks of the program's own may stay untouched for ever.
      const bool alone = kind == Extent::Kind::kSlab && taken.fresh == together && (taken.whole || !at.hugepage->wanted);
      const Ahead ahead = alone ? TakeAhead(at, together, taken.whole) : Ahead{};
      // A long block gives back only what it takes: what else lies dirty may serve the next. Of slabs each would have to call.
      const size_t excess = taken.fresh != 0 ? Stranded(ahead.Granules(), together > kGranulesPerHugepage ? grown : SIZE_MAX) : 0;
      lock_.Release(os::Rank::kExtents);
      if (ahead.huge || ahead.populates) Populate(ahead, at, together);
      if (excess > 0) Purge(excess << kLgGranule);
      if (XALLOC_UNLIKELY(taken.to_tell.count != 0)) Tell(taken.to_tell);
      return list;
    }
    lock_.Release(os::Rank::kExtents);
    if (spares != 0 && !Grow(granules, align_granules, kind == Extent::Kind::kSlab)) return nullptr;
  }
}

// Of slabs that could follow each other from `at` on.
unsigned ExtentHeap::CountAlike(Place at, size_t granules, unsigned most) {
  const Hugepage* h = at.hugepage;
  const Run free = h->free.RunAround(at.granule);
  unsigned end = free.begin + free.length;
  const auto first = Run{at.granule, static_cast<unsigned>(granules)};
  if (h->dirty.AllIn(first)) {
    const Run dirty = h->dirty.RunAround(at.granule);
    end = Min(end, dirty.begin + dirty.length);
  } else {
    end = Min(end, Max(h->dirty.NextRun(at.granule).begin, first.begin + first.length));
  }
  return Min(most, static_cast<unsigned>((end - at.granule) / granules));
}

unsigned ExtentHeap::SparesUpTo(unsigned most) const {
  unsigned n = 0;
  for (const Extent* e = spares_; e != nullptr && n < most; e = e->next) ++n;
  return n;
}

void ExtentHeap::Free(Extent* extent) {
  Hugepage* h = HugepageOf(extent->base);
  const unsigned granule = GranuleOf(extent->base);
  os::Guard<os::Rank::kExtents> guard(lock_);
  h->allocations--;
  if (extent->kind == Extent::Kind::kLarge) SetOwner(h, granule, nullptr);
  Give({h, granule}, extent->granules);
  KeepSpare(extent);
}

void ExtentHeap::SetOwners(Extent* extent) {
  Hugepage* h = HugepageOf(extent->base);
  const unsigned granule = GranuleOf(extent->base);
  for (unsigned i = 0; i < extent->granules; ++i) SetOwner(h, granule + i, extent);
}

void ExtentHeap::ClearOwners(Extent* extent) {
  Hugepage* h = HugepageOf(extent->base);
  const unsigned granule = GranuleOf(extent->base);
  for (unsigned i = 0; i < extent->granules; ++i) SetOwner(h, granule + i, nullptr);
}

bool ExtentHeap::Extend(Extent* extent, size_t granules) {
  const size_t more = granules - extent->granules;
  if (granules > kMaxGranules) return false;
  char* last = extent->base + (size_t{extent->granules} << kLgGranule) - 1;
  Hugepage* h = HugepageOf(last);
  Place at = {h, GranuleOf(last) + 1};
  if (at.granule == kGranulesPerHugepage) {
    if (IndexOf(h) + 1 >= __atomic_load_n(&h->region->next_fresh, __ATOMIC_ACQUIRE)) return false;
    at = {h + 1, 0};
  }
  lock_.Acquire(os::Rank::kExtents);
  const bool grows = AllFree(at, more);
  const Taken taken = grows ? Take(at, more, extent->kind) : Taken{};
  if (grows) extent->granules = static_cast<uint16_t>(granules);
  NotePeak();
  lock_.Release(os::Rank::kExtents);
  if (XALLOC_UNLIKELY(taken.to_tell.count != 0)) Tell(taken.to_tell);
  return grows;
}

void ExtentHeap::Shrink(Extent* extent, size_t granules) {
  const size_t less = extent->granules - granules;
  char* cut = extent->base + (granules << kLgGranule);
  Hugepage* h = HugepageOf(cut);
  os::Guard<os::Rank::kExtents> guard(lock_);
  extent->granules = static_cast<uint16_t>(granules);
  Give({h, GranuleOf(cut)}, less);
}

Extent* ExtentHeap::FindOutside(const void* p) {
  if (Hugepage* h = HugepageOf(p); h != nullptr) return OwnerAt(h, GranuleOf(p));
  os::Guard<os::Rank::kExtents> guard(lock_);
  auto& chain = seldom_.mapped[BucketOf(p)];
  for (Extent* e = chain.front(); e != nullptr; e = e->next) {
    if (e->base == p) return e;
  }
  return nullptr;
}

bool ExtentHeap::AllFree(Place from, size_t granules) {
  const Region* region = from.hugepage->region;
  if ((from.hugepage - region->pages) * size_t{kGranulesPerHugepage} + from.granule + granules > size_t{region->hugepages} * kGranulesPerHugepage) return false;
  return ForEachPiece(from.hugepage, from.granule, granules, [](Hugepage* h, Run r) { return h->free.AllIn(r); });
}

ExtentHeap::Taken ExtentHeap::Take(Place from, size_t granules, Extent::Kind kind) {
  const bool is_long = kind == Extent::Kind::kLarge && granules >= kGranulesPerHugepage;
  Taken taken = {true, granules, false, {nullptr, 0, is_long && FillsBlocks(granules << kLgGranule)}};
  ForEachPiece(from.hugepage, from.granule, granules, [&](Hugepage* h, Run r) {
    const Bitmap128 run(r);
    const bool empty = h->by_free.longest == kGranulesPerHugepage && h->dirty.None();
    const bool untouched = h->wanted && empty;
    taken.zero = taken.zero && h->zero.AllIn(run);
    const unsigned dirty = h->dirty.CountIn(r);
    taken.fresh -= dirty;
    dirty_ -= dirty;
    muzzy_ -= h->muzzy.CountIn(r);
    h->free.Clear(run);
    h->dirty.Clear(run);
    h->zero.Clear(run);
    h->muzzy.Clear(run);
    // The first touch brings all of it in; who gets a slab does that at once.
    taken.whole = untouched && kind == Extent::Kind::kSlab;
    const bool to_tell = XALLOC_UNLIKELY(is_long) && empty && h->wanted != taken.to_tell.huge && (h->wanted || r.begin == 0) && taken.to_tell.Add(h);
    if (untouched && !taken.whole && !to_tell) MarkHuge(h);
    NoteCleared(h);
    return true;
  });
  used_ += granules;
  NoteLeast();
  return taken;
}

void ExtentHeap::NoteLeast() {
  least_dirty_ = Min(least_dirty_, dirty_ - muzzy_ + gone_dirty_);
  least_muzzy_ = Min(least_muzzy_, muzzy_ + gone_muzzy_);
}

ExtentHeap::IdleStages ExtentHeap::TakeIdle() {
  os::Guard<os::Rank::kExtents> guard(lock_);
  const IdleStages idle = {{(dirty_ - muzzy_) << kLgGranule, least_dirty_ << kLgGranule, gone_dirty_ << kLgGranule},
                           {muzzy_ << kLgGranule, least_muzzy_ << kLgGranule, gone_muzzy_ << kLgGranule}};
  least_dirty_ = least_muzzy_ = ~uint64_t{0} >> kLgGranule;
  NoteLeast();
  return idle;
}

// A huge page came: what is free of it has memory now, and still reads as zero.
void ExtentHeap::MarkBacked(Hugepage* h) {
  h->huge = true;
  const Bitmap128 clean = h->free.Without(h->dirty);
  for (Run r = clean.NextRun(0); r.length != 0; r = clean.NextRun(r.begin + r.length)) MarkDirty(h, r);
}

void ExtentHeap::Give(Place from, size_t granules) {
  ForEachPiece(from.hugepage, from.granule, granules, [&](Hugepage* h, Run r) {
    MarkDirty(h, r);
    SetFree(h, r);
    return true;
  });
  used_ -= granules;
}

void ExtentHeap::MarkDirty(Hugepage* h, Run run) {
  if (h->by_dirty.longest != 0) dirty_list_.Remove(h);
  h->dirty.Set(run);
  dirty_runs_.Move(h, Max<unsigned>(h->by_dirty.longest, h->dirty.RunAround(run.begin).length));
  dirty_ += run.length;
  // The hugepage that has been dirty longest goes back first: what was freed last is the most likely to be wanted again.
  dirty_list_.PushBack(h);
}

void ExtentHeap::SetFree(Hugepage* h, Run run) {
  h->free.Set(run);
  free_runs_.Move(h, Max<unsigned>(h->by_free.longest, h->free.RunAround(run.begin).length));
}

// Bits of `free` or `dirty` are gone.
void ExtentHeap::NoteCleared(Hugepage* h) {
  const unsigned longest = h->free.LongestRun();
  free_runs_.Move(h, longest);
  const bool was_dirty = h->by_dirty.longest != 0;
  dirty_runs_.Move(h, h->dirty == h->free ? longest : h->dirty.LongestRun());
  if (was_dirty && h->by_dirty.longest == 0) dirty_list_.Remove(h);
}

Extent* ExtentHeap::NewExtent() {
  lock_.Acquire(os::Rank::kExtents);
  Extent* extent = TakeSpare();
  lock_.Release(os::Rank::kExtents);
  return extent != nullptr ? extent : static_cast<Extent*>(meta_.Allocate(sizeof(Extent)));
}

Extent* ExtentHeap::TakeSpare() {
  Extent* extent = spares_;
  if (extent == nullptr) return nullptr;
  __atomic_store_n(&spares_, extent->next, __ATOMIC_RELAXED);
  *extent = Extent{};
  return extent;
}

void ExtentHeap::KeepSpare(Extent* extent) {
  extent->next = spares_;
  __atomic_store_n(&spares_, extent, __ATOMIC_RELAXED);
}

void ExtentHeap::NotePeak() {
  stats_.peak = Max(stats_.peak, Resident());
}

size_t ExtentHeap::Resident() const { return ((used_ + dirty_) << kLgGranule) + stats_.mapped_blocks; }

bool ExtentHeap::OverSoftLimit() {
  const size_t limit = soft_limit_.Relaxed();
  return limit != 0 && Sizes().Resident() > limit;
}

// Granules that must go back before residency grows, at most `most` while the soft limit holds; `ahead` more are about to get memory unused.
size_t ExtentHeap::Stranded(size_t ahead, size_t most) const {
  if (const size_t limit = soft_limit_.Relaxed(); limit != 0 && Resident() > limit) return dirty_;
  constexpr size_t kFloor = (size_t{8} << 20) >> kLgGranule;
  const size_t bound = Max(kFloor, used_ * static_cast<size_t>(g_options.dirty_limit) / 100);
  return dirty_ + ahead > bound ? Min(most, Min(dirty_, dirty_ + ahead - bound + bound / 8)) : 0;
}

ExtentStats ExtentHeap::Stats() {
  os::Guard<os::Rank::kExtents> guard(lock_);
  ExtentStats s = stats_;
  static_cast<ExtentSizes&>(s) = SizesNow();
  return s;
}

ExtentSizes ExtentHeap::Sizes() {
  os::Guard<os::Rank::kExtents> guard(lock_);
  return SizesNow();
}

ExtentSizes ExtentHeap::SizesNow() const {
  return {used_ << kLgGranule, (dirty_ - muzzy_) << kLgGranule, stats_.mapped_blocks, muzzy_ << kLgGranule, stats_.blocks};
}

void ExtentHeap::Validate(bool alone) {
  os::Guard<os::Rank::kExtents> guard(lock_);
  size_t dirty = 0, muzzy = 0, taken = 0, listed = 0;
  for (Region* r = regions_; r != nullptr; r = r->next) {
    for (unsigned i = 0; i < r->next_fresh; ++i) {
      const Hugepage& h = r->pages[i];
      dirty += h.dirty.Count();
      muzzy += h.muzzy.Count();
      taken += h.committed - h.free.Count();
      if ((h.dirty & h.free).Count() != h.dirty.Count()) Panic("broken invariant: hugepage I1");
      if ((h.muzzy & h.dirty).Count() != h.muzzy.Count()) Panic("broken invariant: hugepage I1");
      listed += !h.dirty.None();
      if (h.by_free.longest != h.free.LongestRun()) Panic("broken invariant: hugepage I3");
      if (h.by_dirty.longest != h.dirty.LongestRun()) Panic("broken invariant: hugepage I4");
      for (unsigned g = 0; g < kGranulesPerHugepage; ++g) {
        if (h.free.Test(g) && (h.owner[g] != nullptr || g >= h.committed)) Panic("broken invariant: hugepage I2");
      }
    }
  }
  for (const Hugepage* h = dirty_list_.front(); h != nullptr; h = h->dirty_next, --listed) {
    if (h->dirty.None()) Panic("broken invariant: hugepage I6");
  }
  if (listed != 0) Panic("broken invariant: hugepage I6");
  free_runs_.Validate();
  dirty_runs_.Validate();
  if (dirty != dirty_ || muzzy != muzzy_) Panic("broken invariant: dirty granules");
  if (taken < used_ || (alone && taken != used_)) Panic("broken invariant: granules in nobody's hands");
}

}  // namespace xalloc
