// SPDX-License-Identifier: MIT
// slab.h: one extent cut into equal slots; which of them are free is one bit each, out of band.
//
//   Used by  Arena, under the lock of the bin that owns the slab
//   Never    touches the slots' memory: a write after free cannot reach us
// Invariants: I1 free_count == number of set bits. I2 bits at and above `slots` are clear. I3 address-ordered: the lowest free
// slot goes out first, so that fresh pages stay untouched.
#pragma once

#include "arena/size_class.h"
#include "extent/extent_heap.h"

namespace xalloc {

constexpr uint8_t kNoBucket = 255;

// A fresh slab of `cls` owned by `arena`, all slots free, published in the page map; null if refused. System calls: no lock.
Extent* NewSlab(ExtentHeap& heap, PageMap& map, MetaAllocator& meta, unsigned cls, unsigned arena, bool in_map);
// The slab goes back to the heap; all slots are free and it is in no list.
void ReleaseSlab(ExtentHeap& heap, PageMap& map, MetaAllocator& meta, Extent* slab);

inline uint64_t* SlabBits(Extent* slab) { return ShapeOf(slab->size_class).slots <= 256 ? slab->bits : slab->side_bits; }

// Takes up to `n` free slots, lowest address first, and writes them to out[n-1], out[n-2] ... so that a stack pops the lowest
// first. Returns how many; they fill the end of `out`.
unsigned TakeSlots(Extent* slab, void** out, unsigned n);

struct SlotOf {
  unsigned index;
  bool exact;  // p is the first byte of a slot
};
XALLOC_INLINE SlotOf FindSlot(const Extent* slab, const SlabShape& shape, const void* p) {
  const auto offset = static_cast<uint64_t>(static_cast<const char*>(p) - slab->base);
  const auto index = static_cast<unsigned>((offset * shape.reciprocal) >> 32);
  return {index, offset == uint64_t{index} * shape.slot_size && index < shape.slots};
}

enum class PutResult { kOk, kDoubleFree, kInterior };
// Gives p's slot back.
XALLOC_INLINE PutResult PutSlot(Extent* slab, const SlabShape& shape, uint64_t* bits, const void* p) {
  const SlotOf slot = FindSlot(slab, shape, p);
  if (XALLOC_UNLIKELY(!slot.exact)) return PutResult::kInterior;
  const uint64_t mask = uint64_t{1} << (slot.index % 64);
  uint64_t& word = bits[slot.index / 64];
  if (XALLOC_UNLIKELY((word & mask) != 0)) return PutResult::kDoubleFree;
  word |= mask;
  slab->free_count++;
  return PutResult::kOk;
}

// True if p's slot is out of the slab (in use, or in a cache).
inline bool SlotIsOut(Extent* slab, const void* p) {
  const SlotOf slot = FindSlot(slab, ShapeOf(slab->size_class), p);
  return slot.exact && (SlabBits(slab)[slot.index / 64] >> (slot.index % 64) & 1) == 0;
}

void ValidateSlab(Extent* slab);

}  // namespace xalloc
