// SPDX-License-Identifier: MIT
// Placement of what is longer than a hugepage. Apart from the rest of it, because few programs run it: see XALLOC_RUN_LATE.
#include "extent/extent_heap.h"

namespace xalloc {
namespace {
constexpr unsigned kSpanLooks = 1024;  // hugepages looked at for a better place, once there is one

// A free run that reaches the end of a hugepage; in granules from where that begins.
struct Stretch {
  Hugepage* first;
  size_t begin, end;
};

// `first` is free at its end; looks no further than `last`.
Stretch StretchFrom(Hugepage* first, const Hugepage* last) {
  Stretch s = {first, first->free.RunAround(kGranulesPerHugepage - 1).begin, kGranulesPerHugepage};
  Hugepage* h = first + 1;
  for (; h <= last && h->by_free.longest == kGranulesPerHugepage; ++h) s.end += kGranulesPerHugepage;
  if (h <= last && h->free.Test(0)) s.end += h->free.RunAround(0).length;
  return s;
}

// The best place for a run that is longer than a hugepage, of those that were considered.
class SpanSearch {
 public:
  SpanSearch(size_t granules, size_t alignment) : granules_(granules), alignment_(alignment) {}

  // Where the stretch begins, or a hugepage in it, or where the stretch ends.
  void LookIn(const Stretch& s) {
    if (s.end - s.begin < granules_) return;
    Consider(s, AlignUp(s.begin, alignment_));
    const size_t whole = AlignUp(s.begin + 1, kGranulesPerHugepage);
    for (size_t at = whole; at + granules_ <= s.end; at += kGranulesPerHugepage) {
      const Hugepage* last = s.first + (at + granules_ - 1) / kGranulesPerHugepage;
      if (at == whole || !last->dirty.None() || !last[-1].dirty.None()) Consider(s, at);  // else no better than the place before
    }
    Consider(s, AlignDown(s.end - granules_, alignment_));
  }
  Hugepage* hugepage() const { return hugepage_; }
  unsigned granule() const { return granule_; }

 private:
  // The least has to be made resident, then the tightest stretch, then the first.
  void Consider(const Stretch& s, size_t at) {
    const size_t length = s.end - s.begin;
    if (at < s.begin || at + granules_ > s.end) return;
    Hugepage* h = s.first + at / kGranulesPerHugepage;
    const auto granule = static_cast<unsigned>(at % kGranulesPerHugepage);
    size_t fresh = granules_;
    ForEachPiece(h, granule, granules_, [&fresh](const Hugepage* piece, Run r) {
      fresh -= piece->dirty.CountIn(r);
      // The first touch brings all of it in.
      if (piece->wanted && piece->dirty.None() && piece->by_free.longest == kGranulesPerHugepage) fresh += kGranulesPerHugepage - r.length;
      return true;
    });
    if (fresh > fresh_ || (fresh == fresh_ && length >= length_)) return;
    hugepage_ = h;
    granule_ = granule;
    fresh_ = fresh;
    length_ = length;
  }

  const size_t granules_, alignment_;
  Hugepage* hugepage_ = nullptr;
  unsigned granule_ = 0;
  size_t fresh_ = SIZE_MAX, length_ = SIZE_MAX;  // of the best: granules that get memory, length of its stretch
};
}  // namespace

// Once there is a place, kSpanLooks hugepages more are looked at.
ExtentHeap::Place ExtentHeap::FindSpan(unsigned granules, unsigned alignment) {
  const unsigned longest = granules / kGranulesPerHugepage + kSpanLooks;
  SpanSearch search(granules, alignment);
  unsigned left = kSpanLooks;
  for (Region* r = regions_; r != nullptr && left != 0; r = r->next) {
    for (unsigned i = 0; i < r->next_fresh && left != 0;) {
      unsigned looked = 1;
      if (r->pages[i].free.Test(kGranulesPerHugepage - 1)) {
        const Stretch s = StretchFrom(&r->pages[i], &r->pages[Min(r->next_fresh, i + longest) - 1]);
        search.LookIn(s);
        looked = static_cast<unsigned>(s.end / kGranulesPerHugepage);
      }
      i += looked;
      if (search.hugepage() != nullptr) left -= Min(left, looked);
    }
  }
  return {search.hugepage(), search.granule()};
}

}  // namespace xalloc
