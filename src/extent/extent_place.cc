// SPDX-License-Identifier: MIT
// Placement: which free granules a request gets.
#include "extent/extent_heap.h"

namespace xalloc {
namespace {
constexpr unsigned kCandidates = 4;  // hugepages looked at for the one with most allocations
constexpr unsigned kSpanLooks = 1024;  // hugepages looked at for a better place, once there is one: 2 to 5 us under the lock

unsigned DirtyIn(Hugepage* h, unsigned granule, unsigned n) {
  unsigned dirty = 0;
  ForEachPiece(h, granule, n, [&dirty](const Hugepage* piece, Run r) {
    dirty += piece->dirty.CountIn(r);
    return true;
  });
  return dirty;
}
}  // namespace

// The tightest of the runs, dirty before fresh, lowest first; begins at a multiple of `alignment`.
Run ExtentHeap::BestRun(const Bitmap128& runs, const Bitmap128& dirty, unsigned granules, unsigned alignment) {
  Run best = {0, 0};
  unsigned best_score = ~0u;
  for (Run r = runs.NextRun(0); r.length != 0; r = runs.NextRun(r.begin + r.length)) {
    const unsigned begin = static_cast<unsigned>(AlignUp(r.begin, alignment));
    if (begin + granules > r.begin + r.length) continue;
    const unsigned fresh = granules - dirty.CountIn({begin, granules});
    const unsigned score = fresh * 256 + r.length;
    if (score < best_score) {
      best_score = score;
      best = {begin, granules};
    }
  }
  return best;
}

// In the hugepage with the shortest run that suffices; of equally short ones, that with most allocations.
ExtentHeap::Place ExtentHeap::FindIn(const RunIndex& index, Bitmap128 Hugepage::* runs, unsigned granules, unsigned alignment) {
  for (unsigned length = index.NextLength(granules); length != RunIndex::kNone; length = index.NextLength(length + 1)) {
    Place best = {nullptr, 0};
    unsigned seen = 0;
    for (Hugepage* h = index.First(length); h != nullptr && seen < kCandidates; h = index.Next(h), ++seen) {
      if (best.hugepage != nullptr && h->allocations <= best.hugepage->allocations) continue;
      if (const Run r = BestRun(h->*runs, h->dirty, granules, alignment); r.length != 0) best = {h, r.begin};
    }
    if (best.hugepage != nullptr) return best;
  }
  return {nullptr, 0};
}

// On dirty memory, wherever it lies; where none suffices, in the tightest place of all.
ExtentHeap::Place ExtentHeap::FindRun(unsigned granules, unsigned alignment) {
  const Place dirty = FindIn(dirty_runs_, &Hugepage::dirty, granules, alignment);
  return dirty.hugepage != nullptr ? dirty : FindIn(free_runs_, &Hugepage::free, granules, alignment);
}

// Of the free runs that reach over hugepages, where the least has to be made resident, then in the tightest, then in the first: where the run
// begins, or a hugepage in it, or where the run ends.
ExtentHeap::Place ExtentHeap::FindSpan(unsigned granules, unsigned alignment) {
  Place best = {nullptr, 0};
  size_t best_fresh = granules, best_length = SIZE_MAX;
  unsigned looks = 0;
  for (Region* r = regions_; r != nullptr; r = r->next) {
    for (unsigned i = 0; i < r->next_fresh && (best.hugepage == nullptr || ++looks < kSpanLooks); ++i) {
      if (!r->pages[i].free.Test(kGranulesPerHugepage - 1)) continue;
      Hugepage* const first = &r->pages[i];
      const size_t begin = first->free.RunAround(kGranulesPerHugepage - 1).begin;
      size_t end = kGranulesPerHugepage;
      while (i + 1 < r->next_fresh && r->pages[i + 1].by_free.longest == kGranulesPerHugepage && (end - begin < granules || ++looks < kSpanLooks)) {
        end += kGranulesPerHugepage;
        ++i;
      }
      if (i + 1 < r->next_fresh && r->pages[i + 1].free.Test(0)) end += r->pages[i + 1].free.RunAround(0).length;
      const auto consider = [&](size_t at) {
        if (at < begin || at + granules > end) return;
        const Place place = {first + at / kGranulesPerHugepage, static_cast<unsigned>(at % kGranulesPerHugepage)};
        const size_t fresh = granules - DirtyIn(place.hugepage, place.granule, granules);
        if (fresh > best_fresh || (fresh == best_fresh && end - begin >= best_length)) return;
        best = place;
        best_fresh = fresh;
        best_length = end - begin;
      };
      consider(AlignUp(begin, alignment));
      for (size_t at = AlignUp(begin + 1, kGranulesPerHugepage); at + granules <= end; at += kGranulesPerHugepage) {
        const Hugepage* last = first + (at + granules - 1) / kGranulesPerHugepage;
        if (!last->dirty.None() || !last[-1].dirty.None()) consider(at);  // else no better than the place before
      }
      if (end - begin >= granules) consider(AlignDown(end - granules, alignment));
    }
  }
  return best;
}

}  // namespace xalloc
