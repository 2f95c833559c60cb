// SPDX-License-Identifier: MIT
// run_index.h: hugepages by their longest run of granules of a kind, so that the tightest that suffices is found without a search.
//
//   Owns     a list of hugepages for each length of run, through links in their descriptors
//   Used by  ExtentHeap, once for free runs and once for dirty ones, under its lock
//   Never    looks at bitmaps: who changes one says how long its longest run is now
// Invariant: I1 a hugepage is in the list of its `longest`, and in none if that is 0.
#pragma once

#include "extent/extent.h"

namespace xalloc {

class RunIndex {
 public:
  // `links`: those in a descriptor that are this index's own.
  constexpr explicit RunIndex(RunLinks Hugepage::* links) : links_(links) {}

  // The shortest length of at least `length` (at most kGranulesPerHugepage + 1) that some have as their longest; kNone where there is none.
  unsigned NextLength(unsigned length) const;
  Hugepage* First(unsigned length) const { return first_[length]; }
  Hugepage* Next(const Hugepage* h) const { return (h->*links_).next; }
  void Move(Hugepage* h, unsigned longest);
  // Panics where a list and its hugepages do not agree.
  void Validate() const;

  static constexpr unsigned kNone = ~0u;

 private:
  RunLinks Hugepage::* const links_;
  Hugepage* first_[kGranulesPerHugepage + 1] = {};
  uint64_t some_[kGranulesPerHugepage / 64 + 1] = {};  // bit i: first_[i] is not null
};

}  // namespace xalloc
