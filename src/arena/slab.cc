// SPDX-License-Identifier: MIT
#include "arena/slab.h"

#include "diag/report.h"

namespace xalloc {
namespace {
size_t BitmapWords(const SlabShape& shape) { return CeilDiv(shape.slots, 64); }
}  // namespace

bool AllocateSideBits(MetaAllocator& meta, unsigned cls, uint64_t** side) {
  *side = nullptr;
  if (ShapeOf(cls).slots <= 256) return true;
  *side = static_cast<uint64_t*>(meta.Allocate(BitmapWords(ShapeOf(cls)) * 8));
  return *side != nullptr;
}

void FreeSideBits(MetaAllocator& meta, unsigned cls, uint64_t* side) {
  if (ShapeOf(cls).slots > 256) meta.Free(side, BitmapWords(ShapeOf(cls)) * 8);
}

void FormatSlab(Extent* slab, unsigned cls, unsigned arena, uint64_t* side) {
  const SlabShape& shape = ShapeOf(cls);
  if (side != nullptr) slab->side_bits = side;
  slab->size_class = static_cast<uint8_t>(cls);
  slab->arena = static_cast<uint8_t>(arena);
  slab->bucket = kNoBucket;
  slab->free_count = shape.slots;
  uint64_t* bits = SlabBits(slab);
  for (unsigned i = 0; i < shape.slots; i += 64) bits[i / 64] = shape.slots - i >= 64 ? ~uint64_t{0} : (uint64_t{1} << (shape.slots - i)) - 1;
}

Extent* NewSlabs(ExtentHeap& heap, PageMap& map, MetaAllocator& meta, unsigned cls, unsigned arena, unsigned most) {
  const SlabShape& shape = ShapeOf(cls);
  uint64_t* side = nullptr;
  if (!AllocateSideBits(meta, cls, &side)) return nullptr;
  bool zeroed = false;
  // Bits out of line are had for one.
  Extent* const slabs = heap.AllocateSeveral(shape.granules, kGranule, Extent::Kind::kSlab, &zeroed, side != nullptr ? 1 : most);
  if (slabs == nullptr) {
    FreeSideBits(meta, cls, side);
    return nullptr;
  }
  for (Extent* slab = slabs; slab != nullptr; slab = slab->next) {
    FormatSlab(slab, cls, arena, side);
    heap.SetOwners(slab);
    map.SetCode(slab->base, shape.granules, cls * 2);
  }
  return slabs;
}

void ReleaseSlabs(ExtentHeap& heap, PageMap& map, MetaAllocator& meta, Extent* slabs) {
  while (slabs != nullptr) {
    Extent* const slab = slabs;
    slabs = slab->next;
    map.SetCode(slab->base, slab->granules, 0);
    FreeSideBits(meta, slab->size_class, slab->side_bits);
    heap.Free(slab);
  }
}

unsigned TakeSlots(Extent* slab, void** out, unsigned n) {
  const SlabShape& shape = ShapeOf(slab->size_class);
  uint64_t* bits = SlabBits(slab);
  n = Min<unsigned>(n, slab->free_count);
  unsigned left = n;
  for (unsigned w = 0; left > 0; ++w) {
    uint64_t word = bits[w];
    char* base = slab->base + size_t{w} * 64 * shape.slot_size;
    while (word != 0 && left > 0) {
      out[--left] = base + size_t{LowestBit(word)} * shape.slot_size;
      word &= word - 1;
    }
    bits[w] = word;
  }
  slab->free_count = static_cast<uint16_t>(slab->free_count - n);
  slab->cold = 0;
  return n;
}

void ValidateSlab(Extent* slab) {
  const SlabShape& shape = ShapeOf(slab->size_class);
  unsigned count = 0;
  for (size_t w = 0; w < BitmapWords(shape); ++w) count += PopCount(SlabBits(slab)[w]);
  if (count != slab->free_count) Panic("broken invariant: slab I1");
  if (shape.slots % 64 != 0 && SlabBits(slab)[shape.slots / 64] >> (shape.slots % 64) != 0) Panic("broken invariant: slab I2");
}

}  // namespace xalloc
