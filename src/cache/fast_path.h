// SPDX-License-Identifier: MIT
// fast_path.h: malloc and free, as every exported form of them begins.
//
//   Malloc(size)                               15 instructions on a hit, no atomic, no call, no touch of the object
//     tiny table -> bin -> pop                 [hit]
//     AllocateMediumOr                         size > 1 KiB, empty bin, no cache yet
//       medium table -> bin -> pop             [hit]
//     MallocSlow                               a miss, through the frame that sets errno or throws
//       OwnCache                               first call of the thread: makes the cache; of the process: reads the options
//       RefillAndPop                           under the cache's lock
//         Arena::Refill                        depot -> a neighbour's depot -> fullest slab -> another arena's -> new slab
//           NewSlabs -> ExtentHeap::Allocate   -> Grow -> mprotect, mmap
//       LargeAllocate                          above 32 KiB
//
//   Free(p)                                    about 20 on a hit, both misuse tests in place
//     window map -> bin -> tests -> push       [hit]
//     FreeSlow                                 null, large, foreign, misaligned, on top already, full bin, no cache
//       MakeRoomAndPush                        under the cache's lock: grows, or flushes the coldest half
//         Arena::Flush                         depot; else FlushToSlabs: bitmaps, every object checked
//       FreeManual                           blocks of arenas that the program created; else
//       LargeFree
//
// Every slow call is a tail call: no frame on the way to it. errno is never touched here.
#pragma once

#include "cache/manual_path.h"
#include "cache/thread_cache.h"

namespace xalloc {

// Sized frees with a size that the block cannot have been asked for. Written and read relaxed: a count.
extern Atomic<uint64_t> g_size_mismatches;
// Times that realloc was asked for 0 bytes.
extern Atomic<uint64_t> g_zero_reallocs;
extern Atomic<uint64_t> g_bytes_handed_out;  // counted with stats_interval only: refills and large blocks
XALLOC_INLINE void CountBytes(size_t bytes) {
  if (XALLOC_UNLIKELY(g_options.stats_interval > 0)) g_bytes_handed_out.AddRelaxed(bytes);
}

// `size` 0 counts as 1. Null: no memory.
void* MallocSlow(size_t size);
void FreeSlow(void* p);
void FreeSizedSlow(void* p, size_t size);
void* MallocAligned(size_t size, size_t alignment, bool zero);  // alignment: a power of two
void* Calloc(size_t size);
void* Realloc(void* p, size_t size);  // p != null, size > 0; null: no memory, p intact

// The bin code of p, also for the few slabs that lie outside of the window; 0: not in a slab.
unsigned SlabCodeOf(const void* p);
// Bytes usable at p, a live block; reports anything else.
size_t UsableSize(const void* p, Act act);
// What Malloc would give; 0: impossible.
size_t GoodSize(size_t size, size_t alignment);
// In place only: tries `most`, at least `least`; the usable size afterwards.
size_t ResizeInPlace(void* p, size_t least, size_t most, bool zero);
// Past any thread cache: from that arena, which exists, or from where the thread allocates. Small blocks go back checked at once.
void* AllocateIn(const ArenaRef& arena, size_t size, size_t alignment, bool zero);
void* AllocateUncached(size_t size, size_t alignment, bool zero);
void FreeUncached(unsigned cls, void* p);
// The class of p, a live block; 0: it is no slot, or none that its arena knows. Reports a slot that is free; where that is tolerated,
// *live is false.
unsigned ClassOfBlock(const void* p, Act act, bool* live);
// A sized free that says what alignment was asked for: counts a size that cannot be right.
void CheckSize(void* p, size_t size, size_t alignment);
// A slow event of a thread without a cache.
void NoteUncachedEvent();
// Flushes the calling thread's cache, past the depots when `check`.
void FlushOwnCache(bool check);
// Empties the calling thread's cache and all depots, and gives every slab without a block back to the extent heap, so that another
// class can have it.
void ReturnUnused();

// p as the window map knows it. A tag in the bits that the CPU ignores lies outside of the window for the hit path; the slow paths mean the
// block, and no tag gets into a cache, and so to whoever has the block next. A sanitizer's tags stay.
template <class T>
XALLOC_INLINE T* Untagged(T* p) {
  T* plain = arch::WithoutTag(p);
  return XALLOC_LIKELY(plain == p) || (OwnCache() == nullptr && SteppedAside()) ? p : plain;
}

// The top object of a bin, or null when it is empty.
XALLOC_INLINE void* Pop(CacheBin* bin) {
  void** top = bin->top;
  void* p = *top--;
  if (XALLOC_UNLIKELY(p == nullptr)) return nullptr;
  bin->top = top;  // no `--` in place: as an instruction with a memory operand it waits longer for the store of the operation before
  return p;
}

struct MediumTable {
  uint8_t code[kMaxSmall / 128 + 1];  // [(size + 127) / 128]: all classes above kMaxTiny are multiples of 128
};
constexpr MediumTable MakeMediumTable() {
  MediumTable t{};
  for (size_t i = 0; i <= kMaxSmall / 128; ++i) t.code[i] = static_cast<uint8_t>(SizeToClass(i * 128) * 2);
  return t;
}
XALLOC_ALWAYS_READ("medium") inline constexpr MediumTable kMedium = MakeMediumTable();
XALLOC_INLINE unsigned MediumCode(size_t size) { return kMedium.code[(size + 127) / 128]; }

// Apart, so that the hit path of small sizes stays short; no frame here either: a call and a frame for the slow path's sake were a
// fifth of a pair of 16 KiB blocks.
template <void* (*Slow)(size_t)>
XALLOC_NOINLINE void* AllocateMediumOr(size_t size) {
  if (size - kMaxTiny - 1 < kMaxSmall - kMaxTiny) {
    void* p = Pop(t_local.front->BinAt(MediumCode(size)));
    if (XALLOC_LIKELY(p != nullptr)) return p;
  }
  XALLOC_TAIL_CALL return Slow(size);
}

// `Slow`: what to do instead, in tail position: each exported form fails in its own way.
template <void* (*Slow)(size_t)>
XALLOC_INLINE void* AllocateOr(size_t size) {
  if (XALLOC_LIKELY(size <= kMaxTiny)) {
    CacheFront* front = t_local.front;
    void* p = Pop(front->BinAt(front->tiny_code[(size + 7) / 8]));
    if (XALLOC_LIKELY(p != nullptr)) return p;
  }
  XALLOC_TAIL_CALL return AllocateMediumOr<Slow>(size);
}

XALLOC_INLINE void* Malloc(size_t size) { return AllocateOr<MallocSlow>(size); }

// The misuse tests that cost nothing to speak of: already on top of its stack (an immediate double free), and, with the window's, not
// 8-aligned. Null lies outside of the window, and the bin of code 0 is always full. All other misuse is found where the block reaches its slab.
XALLOC_INLINE bool Push(CacheFront* front, unsigned code, void* p) {
  CacheBin* bin = front->BinAt(code);
  void** top = bin->top;
  if (XALLOC_UNLIKELY(top == bin->limit)) return false;
  if (XALLOC_UNLIKELY(*top == p)) return false;
  top[1] = p;
  bin->top = top + 1;
  return true;
}

XALLOC_INLINE void Free(void* p) {
  unsigned code = 0;
  if (XALLOC_LIKELY(g_page_map.CodeAt(p, &code)) && XALLOC_LIKELY(Push(t_local.front, code, p))) return;
  FreeSlow(p);
}

// The size is verified, never trusted.
XALLOC_INLINE void FreeSized(void* p, size_t size) {
  unsigned code = 0;
  if (XALLOC_LIKELY(size <= kMaxTiny) && XALLOC_LIKELY(g_page_map.CodeAt(p, &code))) {
    CacheFront* front = t_local.front;
    if (XALLOC_LIKELY(front->tiny_code[(size + 7) / 8] == code) && XALLOC_LIKELY(Push(front, code, p))) return;
  }
  FreeSizedSlow(p, size);
}

}  // namespace xalloc
