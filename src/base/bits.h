// SPDX-License-Identifier: MIT
// bits.h: powers of two, alignment and bit counting. Pure functions.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc {

constexpr bool IsPowerOfTwo(size_t x) { return x != 0 && (x & (x - 1)) == 0; }
constexpr size_t AlignUp(size_t x, size_t pow2) { return (x + pow2 - 1) & ~(pow2 - 1); }
constexpr size_t AlignDown(size_t x, size_t pow2) { return x & ~(pow2 - 1); }
constexpr bool IsAligned(uintptr_t x, size_t pow2) { return (x & (pow2 - 1)) == 0; }
inline bool IsAligned(const void* p, size_t pow2) { return IsAligned(reinterpret_cast<uintptr_t>(p), pow2); }
constexpr size_t CeilDiv(size_t x, size_t y) { return (x + y - 1) / y; }
// x > 0.
constexpr unsigned LowestBit(uint64_t x) { return static_cast<unsigned>(__builtin_ctzll(x)); }
constexpr unsigned FloorLog2(uint64_t x) { return 63u - static_cast<unsigned>(__builtin_clzll(x)); }
// In plain arithmetic: the baseline x86-64 has no such instruction, and the compiler would call a helper that walks a table.
constexpr unsigned PopCount(uint64_t x) {
  x -= (x >> 1) & 0x5555555555555555ull;
  x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
  return static_cast<unsigned>((x * 0x0101010101010101ull) >> 56);
}
// Smallest power of two >= x; x in 1 .. 2^63.
constexpr size_t CeilPowerOfTwo(size_t x) { return x <= 1 ? 1 : size_t{1} << (FloorLog2(x - 1) + 1); }

template <class T>
constexpr T Min(T a, T b) {
  return a < b ? a : b;
}
template <class T>
constexpr T Max(T a, T b) {
  return a > b ? a : b;
}

}  // namespace xalloc
