// SPDX-License-Identifier: MIT
#include "extent/run_index.h"

#include "diag/report.h"

namespace xalloc {

unsigned RunIndex::NextLength(unsigned length) const {
  for (unsigned w = length / 64; w <= kGranulesPerHugepage / 64; ++w) {
    const uint64_t bits = some_[w] & (w == length / 64 ? ~uint64_t{0} << (length % 64) : ~uint64_t{0});
    if (bits != 0) return w * 64 + LowestBit(bits);
  }
  return kNone;
}

void RunIndex::Move(Hugepage* h, unsigned longest) {
  RunLinks& links = h->*links_;
  const unsigned before = links.longest;
  if (before == longest) return;
  links.longest = static_cast<uint8_t>(longest);
  if (before != 0) {
    (links.prev != nullptr ? (links.prev->*links_).next : first_[before]) = links.next;
    if (links.next != nullptr) (links.next->*links_).prev = links.prev;
    if (first_[before] == nullptr) some_[before / 64] &= ~(uint64_t{1} << (before % 64));
  }
  if (longest != 0) {
    links.prev = nullptr;
    links.next = first_[longest];
    if (links.next != nullptr) (links.next->*links_).prev = h;
    first_[longest] = h;
    some_[longest / 64] |= uint64_t{1} << (longest % 64);
  }
}

void RunIndex::Validate() const {
  for (unsigned n = 1; n <= kGranulesPerHugepage; ++n) {
    if ((first_[n] == nullptr) != ((some_[n / 64] >> (n % 64) & 1) == 0)) Panic("broken invariant: run index I1");
    for (const Hugepage* h = first_[n]; h != nullptr; h = Next(h)) {
      if ((h->*links_).longest != n) Panic("broken invariant: run index I1");
    }
  }
}

}  // namespace xalloc
