// SPDX-License-Identifier: MIT
// What statistics and tests see of an arena. No ordinary program runs it.
#include "arena/arena.h"

namespace xalloc {
namespace {
using BinGuard = os::Guard<os::Rank::kBin>;
}  // namespace

BinStats Arena::StatsOf(unsigned cls) {
  BinGuard guard(locks_[cls]);
  const Bin& bin = bins_[cls];
  return {bin.counters, bin.slabs, bin.partial_slabs, bin.free_slots, bin.depot_count};
}

void Arena::SlabHistogram(unsigned cls, size_t (&count)[kBuckets + 1]) {
  BinGuard guard(locks_[cls]);
  const Bin& bin = bins_[cls];
  count[0] = bin.slabs - bin.partial_slabs;
  for (unsigned b = 0; b < kBuckets; ++b) {
    count[1 + b] = 0;
    for (const Extent* slab = bin.partial[b].front(); slab != nullptr; slab = slab->next) ++count[1 + b];
  }
}

void Arena::Validate() {
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    BinGuard guard(locks_[cls]);
    const Bin& bin = bins_[cls];
    uint64_t free_slots = 0;
    unsigned partial = 0;
    for (unsigned b = 0; b < kBuckets; ++b) {
      for (Extent* slab = bin.partial[b].front(); slab != nullptr; slab = slab->next) {
        ValidateSlab(slab);
        if (slab->bucket != b || slab->arena != index_ || slab->size_class != cls) Panic("broken invariant: slab in a wrong list");
        free_slots += slab->free_count;
        ++partial;
      }
    }
    if (free_slots != bin.free_slots || partial != bin.partial_slabs || partial > bin.slabs) Panic("broken invariant: bin counts");
  }
}

}  // namespace xalloc
