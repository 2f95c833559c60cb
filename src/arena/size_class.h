// SPDX-License-Identifier: MIT
// size_class.h: the sizes that slabs are cut into, and the shape of each slab. Constants only.
//
//   8, then 16-byte steps to 256, then 8 classes per doubling to 1 KiB, then 5 per doubling to 32 KiB (9, 10, 12, 14 and 16 eighths of
//   it): 58 classes. Each class that a program uses costs it a page or two; above 1 KiB the step after a power of two is the short one,
//   because programs put a header in front of 1, 2 or 4 KiB.
//
// A bin code is twice the class number: scaled by 8 it is the offset of a 16-byte cache bin, in one addressing mode.
// Class 0 does not exist: code 0 means "not small".
#pragma once

#include "meta/page_map.h"

namespace xalloc {

constexpr unsigned kNumClasses = 58;            // 1 .. kNumClasses
constexpr unsigned kNumBins = kNumClasses + 1;  // bin 0 is always empty and always full
constexpr size_t kMaxSmall = 32 * 1024;
constexpr size_t kMaxTiny = 1024;  // served by the byte table inside the thread cache

constexpr size_t ClassSizeSlow(unsigned cls) {
  if (cls <= 1) return cls * 8;
  if (cls <= 17) return (cls - 1) * 16;
  if (cls <= 33) return (size_t{256} << ((cls - 18) / 8)) * (9 + (cls - 18) % 8) / 8;
  const unsigned step = (cls - 34) % 5;  // 9, 10, 12, 14, 16 eighths
  return (size_t{1024} << ((cls - 34) / 5)) * (step == 0 ? 9 : 8 + 2 * step) / 8;
}
static_assert(ClassSizeSlow(17) == 256 && ClassSizeSlow(33) == 1024 && ClassSizeSlow(kNumClasses) == kMaxSmall);

// The smallest class that holds `size` bytes; 1 <= size <= kMaxSmall, 0 counts as 1.
constexpr unsigned SizeToClass(size_t size) {
  if (size <= 8) return 1;
  if (size <= 256) return static_cast<unsigned>((size + 15) / 16 + 1);
  const unsigned lg = FloorLog2(size - 1);
  if (size <= 1024) return 18 + (lg - 8) * 8 + static_cast<unsigned>(((size - 1) >> (lg - 3)) - 8);
  const auto eighths = static_cast<unsigned>((size - 1) >> (lg - 3)) - 8;
  return 34 + (lg - 10) * 5 + (eighths == 0 ? 0 : (eighths + 2) / 2);
}

// How a slab of one class is laid out: | slot 0 | slot 1 | ... | slot n-1 | tail < 2 % |
struct SlabShape {
  uint32_t slot_size;
  // I1: for every offset in the slab, (offset * reciprocal) >> 32 == offset / slot_size, and the low 32 bits of the product are
  // below `reciprocal` if and only if the division leaves no rest.
  uint32_t reciprocal;
  uint16_t slots;
  uint16_t bucket_scale;  // (free slots * bucket_scale) >> 15: which eighth of the slab is free
  // Objects moved between a thread cache and the arena at once: the bytes of a batch are the lever for producer-consumer
  // programs (64 -> 256 objects of 64 B took the two-thread hand-over from 2.31 to 1.37 with the same lock).
  uint16_t batch;
  uint8_t granules;  // the fewest with tail waste < 2 % and at least 5 slots
};
static_assert(sizeof(SlabShape) == 16);

constexpr unsigned kBuckets = 8;  // slabs are listed by the free share of their slots
constexpr size_t kBatchBytes = 16 * 1024;
constexpr unsigned kMaxBatch = 256, kMinBatch = 2, kMinSlots = 5;

constexpr SlabShape MakeShape(unsigned cls) {
  SlabShape s{};
  const size_t size = ClassSizeSlow(cls);
  s.slot_size = static_cast<uint32_t>(size);
  s.reciprocal = static_cast<uint32_t>(((uint64_t{1} << 32) + size - 1) / size);
  unsigned granules = 1;
  while (granules * kGranule / size < kMinSlots || granules * kGranule % size * 50 >= granules * kGranule) ++granules;
  s.granules = static_cast<uint8_t>(granules);
  s.slots = static_cast<uint16_t>(granules * kGranule / size);
  s.bucket_scale = static_cast<uint16_t>((kBuckets << 15) / s.slots);
  s.batch = static_cast<uint16_t>(Max<size_t>(Min<size_t>(kBatchBytes / size, kMaxBatch), kMinBatch));
  return s;
}

struct ShapeTable {
  SlabShape row[kNumBins];
};
constexpr ShapeTable MakeShapes() {
  ShapeTable t{};
  for (unsigned c = 1; c <= kNumClasses; ++c) t.row[c] = MakeShape(c);
  return t;
}
XALLOC_ALWAYS_READ("shapes") inline constexpr ShapeTable kShapes = MakeShapes();
constexpr unsigned kMostSlots = kShapes.row[1].slots;

XALLOC_INLINE const SlabShape& ShapeOf(unsigned cls) { return kShapes.row[cls]; }
XALLOC_INLINE size_t ClassSize(unsigned cls) { return kShapes.row[cls].slot_size; }

// The proof of I1. At offset = i * size + r the product's low half is i * e + r * reciprocal with e = size * reciprocal - 2^32: it
// grows with r, so the first offset of each slot and the last one say it for all in between.
constexpr bool ReciprocalIsExact(const SlabShape& s) {
  for (uint64_t i = 0; i <= s.slots; ++i) {
    const uint64_t first = i * s.slot_size * s.reciprocal;
    const uint64_t last = (i * s.slot_size + s.slot_size - 1) * s.reciprocal;
    if (first >> 32 != i || last >> 32 != i) return false;
    if (static_cast<uint32_t>(first) >= s.reciprocal) return false;
    if (s.slot_size > 1 && static_cast<uint32_t>(first + s.reciprocal) < s.reciprocal) return false;
  }
  return true;
}
constexpr bool AllReciprocalsAreExact() {
  for (unsigned c = 1; c <= kNumClasses; ++c) {
    if (!ReciprocalIsExact(kShapes.row[c])) return false;
  }
  return true;
}
static_assert(AllReciprocalsAreExact());

// What a small request of `size` bytes at `alignment` (a power of two) is one for: the next multiple of the alignment. Its class is one, too,
// and slabs are granule-aligned. 0: it is a large one.
constexpr size_t AlignedSmallSize(size_t size, size_t alignment) {
  const size_t least = AlignUp(Max(size, size_t{1}), alignment);
  return alignment <= kGranule && least - 1 < kMaxSmall ? least : 0;
}
constexpr unsigned AlignedSizeToClass(size_t size, size_t alignment) {
  const size_t least = AlignedSmallSize(size, alignment);
  return least != 0 ? SizeToClass(least) : 0;
}
constexpr bool ClassesOfMultiplesAreMultiples() {
  for (unsigned c = 1; c <= kNumClasses; ++c) {
    for (size_t alignment = 1; alignment <= kGranule; alignment *= 2) {
      const bool holds_one = AlignUp(ClassSizeSlow(c - 1) + 1, alignment) <= ClassSizeSlow(c);
      if (holds_one && ClassSizeSlow(c) % alignment != 0) return false;
    }
  }
  return true;
}
static_assert(ClassesOfMultiplesAreMultiples());

}  // namespace xalloc
