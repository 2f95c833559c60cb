// SPDX-License-Identifier: MIT
#include "extent/large.h"

#include <string.h>

#include "extent/large_counts.h"
#include "os/system.h"

namespace xalloc {

constinit LargeCounts g_large_counts;
namespace {

// A block that realloc grows past this gets a mapping of its own: from then on growth moves page tables, not bytes.
constexpr size_t kGrowMapped = size_t{1} << 20;
// Page tables are moved rather than bytes copied from here on; below, copying is as fast.
constexpr size_t kMoveAtLeast = size_t{128} << 10;

bool OwnMapping(size_t size, size_t alignment) {
  return alignment > kHugepage || size >= static_cast<size_t>(g_options.oversize_threshold) || size > ExtentHeap::kMaxGranules * kGranule;
}

void* Mapped(ExtentHeap& heap, size_t size, size_t alignment) {
  Extent* block = heap.Map(size, alignment);
  if (block == nullptr) return nullptr;
  g_large_counts.NoteAllocated(block->block.usable);
  return block->base;
}

// A growing block in the heap gets a mapping of its own, and its pages move there; they stay one mapping for the kernel, so that
// the next growth can move it as a whole. Null: refused, nothing changed.
void* MoveToOwnMapping(ExtentHeap& heap, Extent* block, size_t size) {
  const size_t bytes = block->block.usable;
  const size_t page = os::PageSize();
  if (block->kind == Extent::Kind::kMapped || bytes < kMoveAtLeast || !IsAligned(block->base, page) || !IsAligned(bytes, page)) return nullptr;
  Extent* mapped = heap.MoveOut(block);
  if (mapped == nullptr) return nullptr;
  if (heap.Remap(mapped, size, true)) {
    g_large_counts.NoteResized(bytes, mapped->block.usable);
    heap.Free(block);
    return mapped->base;
  }
  memcpy(block->base, mapped->base, bytes);
  heap.Unmap(mapped);
  return nullptr;
}

}  // namespace

size_t LargeUsableSize(size_t size, size_t alignment) {
  if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX - size) return 0;
  const size_t usable = AlignUp(size, OwnMapping(size, alignment) ? os::PageSize() : kLargeRound);
  return usable > PTRDIFF_MAX ? 0 : usable;
}

void* LargeAllocate(ExtentHeap& heap, size_t size, size_t alignment, bool zero) {
  if (LargeUsableSize(size, alignment) == 0) return nullptr;
  if (XALLOC_UNLIKELY(size >= kHugepage)) heap.LearnFromLast();
  if (OwnMapping(size, alignment)) {
    void* mapped = Mapped(heap, size, alignment);
    if (mapped != nullptr && size >= kHugepage) heap.NoteLast(mapped, size);
    // Address space that the heap has never goes back. Where no more is to be had, what is free in the heap serves large blocks too.
    if (XALLOC_LIKELY(mapped != nullptr) || alignment > kHugepage || size > ExtentHeap::kMaxGranules * kGranule) return mapped;
  }
  bool zeroed = false;
  Extent* block = heap.Allocate(CeilDiv(size, kGranule), alignment, Extent::Kind::kLarge, &zeroed);
  if (block == nullptr) return nullptr;
  block->block.usable = AlignUp(size, kLargeRound);
  g_large_counts.NoteAllocated(block->block.usable);
  if (XALLOC_UNLIKELY(size >= kHugepage)) heap.NoteLast(block->base, size);
  if (zero && !zeroed) memset(block->base, 0, size);
  return block->base;
}

void LargeFree(ExtentHeap& heap, Extent* block) {
  g_large_counts.NoteFreed(block->block.usable);
  if (XALLOC_UNLIKELY(block->block.usable >= kHugepage)) heap.LearnFrom(block);
  if (block->kind == Extent::Kind::kMapped) {
    heap.Unmap(block);
  } else {
    heap.Free(block);
  }
}

namespace {

bool ResizeMapped(ExtentHeap& heap, Extent* block, size_t size, bool may_move) {
  const size_t before = block->block.usable;
  if (!heap.Remap(block, size, may_move)) return false;
  g_large_counts.NoteResized(before, block->block.usable);
  return true;
}

}  // namespace

bool LargeResizeInPlace(ExtentHeap& heap, Extent* block, size_t size) {
  if (size > PTRDIFF_MAX) return false;
  if (block->kind == Extent::Kind::kMapped) return ResizeMapped(heap, block, size, false);
  const size_t granules = CeilDiv(size, kGranule);
  if (granules > block->granules) {
    if (!heap.Extend(block, granules)) return false;
  } else if (granules < block->granules) {
    heap.Shrink(block, granules);
  }
  g_large_counts.NoteResized(block->block.usable, AlignUp(size, kLargeRound));
  block->block.usable = AlignUp(size, kLargeRound);
  return true;
}

void* LargeResize(ExtentHeap& heap, Extent* block, size_t size) {
  if (LargeResizeInPlace(heap, block, size)) return block->base;
  if (block->kind == Extent::Kind::kMapped && ResizeMapped(heap, block, size, true)) return block->base;
  const size_t old_size = block->block.usable;
  void* moved = size >= kGrowMapped && size > old_size ? MoveToOwnMapping(heap, block, size) : nullptr;
  if (moved != nullptr) return moved;
  moved = LargeAllocate(heap, size, 1, false);
  if (moved == nullptr) return nullptr;
  memcpy(moved, block->base, Min(old_size, size));
  LargeFree(heap, block);
  return moved;
}

}  // namespace xalloc
