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
  // The bits of a run alone.
  explicit constexpr Bitmap128(Run r) : bits_(r.length == 0 ? 0 : ~Word{0} >> (kBits - r.length) << r.begin) {}

  bool Test(unsigned i) const { return (static_cast<uint64_t>(bits_ >> i) & 1) != 0; }
  bool None() const { return bits_ == 0; }
  unsigned Count() const { return PopCount(Half(0)) + PopCount(Half(1)); }
  void Set(const Bitmap128& other) { bits_ |= other.bits_; }
  void Set(Run r) { Set(Bitmap128(r)); }
  void Clear(const Bitmap128& other) { bits_ &= ~other.bits_; }
  void Clear(Run r) { Clear(Bitmap128(r)); }
  // All or nothing, mostly: there is no instruction that counts on every CPU.
  unsigned CountIn(Run r) const {
    const Bitmap128 run(r), both = *this & run;
    if (both.bits_ == 0) return 0;
    return both.bits_ == run.bits_ ? r.length : both.Count();
  }
  bool AllIn(const Bitmap128& other) const { return (~bits_ & other.bits_) == 0; }
  bool AllIn(Run r) const { return AllIn(Bitmap128(r)); }

  // The first run of set bits at or after `from`; length 0 when there is none.
  Run NextRun(unsigned from) const {
    if (from >= kBits) return {kBits, 0};
    const Word left = bits_ & (~Word{0} << from);
    if (left == 0) return {kBits, 0};
    const unsigned begin = Lowest(left);
    const Word clear = ~left >> begin;
    return {begin, clear == 0 ? kBits - begin : Lowest(clear)};
  }
  // The whole run that a set bit is in.
  Run RunAround(unsigned i) const {
    const Word clear = ~bits_;
    const Word below = clear & ~(~Word{0} << i), above = clear & (~Word{0} << i);
    const unsigned begin = below == 0 ? 0 : Highest(below) + 1;
    return {begin, (above == 0 ? kBits : Lowest(above)) - begin};
  }
  unsigned LongestRun() const {
    if (bits_ == 0) return 0;
    // A bit of `begins` is set where a run of `length` or more begins. One run alone is found at once, for it carries out of itself.
    Word begins = bits_;
    if (((begins + (begins & -begins)) & begins) == 0) return Highest(begins) - Lowest(begins) + 1;
    unsigned length = 1, step = 1;
    for (Word longer; (longer = begins & (begins >> step)) != 0; step = length) {
      begins = longer;
      length += step;
    }
    while ((step /= 2) != 0) {
      const Word longer = begins & (begins >> step);
      if (longer == 0) continue;
      begins = longer;
      length += step;
    }
    return length;
  }
  bool operator==(const Bitmap128& other) const { return bits_ == other.bits_; }
  Bitmap128 Without(const Bitmap128& other) const { return Bitmap128(bits_ & ~other.bits_); }
  friend Bitmap128 operator&(const Bitmap128& a, const Bitmap128& b) { return Bitmap128(a.bits_ & b.bits_); }

 private:
  __extension__ typedef unsigned __int128 Word;
  explicit constexpr Bitmap128(Word bits) : bits_(bits) {}
  uint64_t Half(unsigned i) const { return static_cast<uint64_t>(bits_ >> (i * 64)); }
  static unsigned Lowest(Word bits) {
    const auto low = static_cast<uint64_t>(bits);
    return low != 0 ? LowestBit(low) : 64 + LowestBit(static_cast<uint64_t>(bits >> 64));
  }
  static unsigned Highest(Word bits) {
    const auto high = static_cast<uint64_t>(bits >> 64);
    return high != 0 ? 64 + FloorLog2(high) : FloorLog2(static_cast<uint64_t>(bits));
  }

  Word bits_ = 0;
};

}  // namespace xalloc
