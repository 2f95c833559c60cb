// SPDX-License-Identifier: MIT
// bitmap.h: 128 bits, one per granule of a hugepage, with runs of equal bits as the unit of work.
// Used by extent/. Pure data: no locking, no allocation.
#pragma once

#include "base/bits.h"

namespace xalloc {

struct Run {
  unsigned begin = 0;
  unsigned length = 0;
};

class Bitmap128 {
 public:
  static constexpr unsigned kBits = 128;
  constexpr Bitmap128() = default;

  bool Test(unsigned i) const { return (word_[i / 64] >> (i % 64)) & 1; }
  bool None() const { return (word_[0] | word_[1]) == 0; }
  unsigned Count() const { return PopCount(word_[0]) + PopCount(word_[1]); }
  void Set(Run r) {
    word_[0] |= Mask(r, 0);
    word_[1] |= Mask(r, 1);
  }
  void Clear(Run r) {
    word_[0] &= ~Mask(r, 0);
    word_[1] &= ~Mask(r, 1);
  }
  unsigned CountIn(Run r) const { return PopCount(word_[0] & Mask(r, 0)) + PopCount(word_[1] & Mask(r, 1)); }
  bool AllIn(Run r) const { return (~word_[0] & Mask(r, 0)) == 0 && (~word_[1] & Mask(r, 1)) == 0; }

  // The first run of set bits at or after `from`; length 0 when there is none.
  Run NextRun(unsigned from) const {
    const unsigned begin = Next(from, 0);
    if (begin == kBits) return {kBits, 0};
    return {begin, Next(begin, ~uint64_t{0}) - begin};
  }
  unsigned LongestRun() const {
    unsigned longest = 0;
    for (Run r = NextRun(0); r.length != 0; r = NextRun(r.begin + r.length)) longest = Max(longest, r.length);
    return longest;
  }
  Bitmap128 Without(const Bitmap128& other) const {
    Bitmap128 out;
    out.word_[0] = word_[0] & ~other.word_[0];
    out.word_[1] = word_[1] & ~other.word_[1];
    return out;
  }
  friend Bitmap128 operator&(const Bitmap128& a, const Bitmap128& b) {
    Bitmap128 out;
    out.word_[0] = a.word_[0] & b.word_[0];
    out.word_[1] = a.word_[1] & b.word_[1];
    return out;
  }

 private:
  static constexpr uint64_t Low(unsigned n) { return n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1; }
  static constexpr uint64_t Mask(Run r, unsigned w) {
    const unsigned lo = w * 64;
    const unsigned end = r.begin + r.length;
    const unsigned from = r.begin > lo ? r.begin - lo : 0;
    const unsigned to = end > lo ? end - lo : 0;
    return from >= 64 ? 0 : Low(to) & ~Low(from);
  }
  // Index of the first bit at or after `from` that is set (flip = 0) or clear (flip = ~0); kBits when none.
  unsigned Next(unsigned from, uint64_t flip) const {
    for (unsigned w = from / 64; w < 2; ++w) {
      uint64_t bits = word_[w] ^ flip;
      if (w == from / 64) bits &= ~Low(from % 64);
      if (bits != 0) return w * 64 + LowestBit(bits);
    }
    return kBits;
  }

  uint64_t word_[2] = {0, 0};
};

}  // namespace xalloc
