// SPDX-License-Identifier: MIT
// large.h: blocks above the largest size class: runs of granules, or mappings of their own.
//
//   Used by  cache/ (malloc, free, realloc slow paths), api/
//   Never    caches: the extent heap keeps dirty runs for reuse
// Thread safety: any thread, no lock held.
#pragma once

#include "extent/extent_heap.h"

namespace xalloc {

// A block ends on this; the rest of its last granule stays unused and, on 4 KiB pages, untouched.
constexpr size_t kLargeRound = 4096;

// Bytes a block of `size` would have; 0 when it cannot exist.
size_t LargeUsableSize(size_t size, size_t alignment);

// `alignment` a power of two. Null: the kernel refused.
void* LargeAllocate(ExtentHeap& heap, size_t size, size_t alignment, bool zero);
void LargeFree(ExtentHeap& heap, Extent* block);

// In place: true, and the block holds `size` bytes. False: nothing changed.
bool LargeResizeInPlace(ExtentHeap& heap, Extent* block, size_t size);
// May move. Returns the block's address with its contents up to the smaller size; null: refused, block intact. Alignment is
// that of a page at least.
void* LargeResize(ExtentHeap& heap, Extent* block, size_t size);

}  // namespace xalloc
