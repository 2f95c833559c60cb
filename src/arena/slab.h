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

constexpr uint8_t kNoBucket = 15;

// Fresh slabs of `cls` owned by `arena`, all slots free, published in the page map: a list, the last in memory first, of `most` or fewer; null
// if refused. System calls: no lock.
Extent* NewSlabs(ExtentHeap& heap, PageMap& map, MetaAllocator& meta, unsigned cls, unsigned arena, unsigned most);
// The slabs of a list, or none, go back to the heap; all slots are free, their owners cleared, and they are in no bin.
void ReleaseSlabs(ExtentHeap& heap, PageMap& map, MetaAllocator& meta, Extent* slabs);

// The parts of that, for who has slabs elsewhere: the bits of a class that needs them out of line (*side null: it does not; false: no
// memory), and the rest of a fresh slab whose place is known.
bool AllocateSideBits(MetaAllocator& meta, unsigned cls, uint64_t** side);
void FreeSideBits(MetaAllocator& meta, unsigned cls, uint64_t* side);
void FormatSlab(Extent* slab, unsigned cls, unsigned arena, uint64_t* side);

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
  const uint64_t product = offset * shape.reciprocal;
  const auto index = static_cast<unsigned>(product >> 32);
  return {index, static_cast<uint32_t>(product) < shape.reciprocal && index < shape.slots};
}

enum class PutResult { kOk, kDoubleFree, kInterior };
struct PutCount {
  unsigned count;
  PutResult result;  // of objects[count], if not all were taken
};
// Gives back the slots of the first objects, as many as lie in this slab (at most n); stops at one that is not a live block.
XALLOC_INLINE PutCount PutSlots(Extent* slab, const SlabShape& shape, void* const* objects, unsigned n) {
  const char* const base = slab->base;
  const size_t slab_bytes = size_t{shape.granules} * kGranule;
  const uint32_t reciprocal = shape.reciprocal;
  const unsigned slots = shape.slots;
  uint64_t* const bits = SlabBits(slab);
  PutCount put = {0, PutResult::kOk};
  for (; put.count < n; ++put.count) {
    const auto offset = static_cast<uint64_t>(static_cast<const char*>(objects[put.count]) - base);
    if (offset >= slab_bytes) break;
    const uint64_t product = offset * reciprocal;
    const auto index = static_cast<unsigned>(product >> 32);
    if (XALLOC_UNLIKELY(static_cast<uint32_t>(product) >= reciprocal) || XALLOC_UNLIKELY(index >= slots)) {
      put.result = PutResult::kInterior;
      break;
    }
    const uint64_t before = bits[index / 64];
    const uint64_t after = before | uint64_t{1} << (index % 64);
    if (XALLOC_UNLIKELY(before == after)) {
      put.result = PutResult::kDoubleFree;
      break;
    }
    bits[index / 64] = after;
  }
  slab->free_count = static_cast<uint16_t>(slab->free_count + put.count);
  slab->cold = 0;
  return put;
}

// True if p's slot is out of the slab (in use, or in a cache). Without the lock: the bit of a live block does not move; others in the same
// word do, by plain stores under the lock, so that the thread sanitizer is not asked.
[[gnu::no_sanitize_thread]] inline bool SlotIsOut(Extent* slab, const void* p) {
  const SlotOf slot = FindSlot(slab, ShapeOf(slab->size_class), p);
  return slot.exact && (__atomic_load_n(SlabBits(slab) + slot.index / 64, __ATOMIC_RELAXED) >> (slot.index % 64) & 1) == 0;
}

void ValidateSlab(Extent* slab);

}  // namespace xalloc
