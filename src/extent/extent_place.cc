// SPDX-License-Identifier: MIT
// Placement: which free granules a request gets, when it is no longer than a hugepage. Longer ones: extent_span.cc.
#include "extent/extent_heap.h"

namespace xalloc {
namespace {
constexpr unsigned kCandidates = 4;  // hugepages looked at for the one with most allocations
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

}  // namespace xalloc
