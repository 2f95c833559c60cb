// SPDX-License-Identifier: MIT
// chunk.h: what a manual arena got from its hooks in one call, and who has which granule of it. Plain data and bit work.
//
//   | slab . . | free, dirty | large block . . . . | free, fresh |   granules of 16 KiB
//
//   Owns     the bits; never the memory
//   Used by  ManualArena, under its lock
// Invariants: I1 a granule is in exactly one of {free, being purged, an extent's}. I2 dirty and muzzy are disjoint, and subsets of free and of
// what is being purged. I3 zero is a subset of free without dirty and muzzy. I4 no free run is longer than `longest`. I5 the counts count those
// bits.
#pragma once

#include "base/bitmap.h"
#include "extent/extent_heap.h"

namespace xalloc {

class ManualArena;

struct Chunk {
  Chunk* next;  // of the arena's chunks, or of the spare descriptors: a descriptor is never freed, since who looks up an address may
  Chunk* prev;  // come late, with a chunk that is gone
  char* base;
  size_t bytes;
  Atomic<ManualArena*> arena;  // set (release) when all else is; null: gone. Read (acquire) before its lock is taken, and again after
  uint32_t granules;
  uint32_t longest;
  uint32_t free_count, dirty_count, muzzy_count, busy_count;
  bool full;    // in the arena's list of those
  bool kept;    // the hook would not take it back
  bool zeroes;  // what was purged by force reads as zero: the memory is our own
  uint64_t* free;
  uint64_t* dirty;
  uint64_t* muzzy;  // offered to the kernel, which takes it when it needs some
  uint64_t* zero;
  uint64_t* busy;  // being purged, without the lock
  Extent** owner;  // slabs: at each granule; blocks: at the first

  bool Holds(const void* p) const { return reinterpret_cast<uintptr_t>(p) - reinterpret_cast<uintptr_t>(base) < bytes; }
  unsigned GranuleOf(const void* p) const { return static_cast<unsigned>(static_cast<size_t>(static_cast<const char*>(p) - base) >> kLgGranule); }
  char* At(unsigned granule) const { return base + (size_t{granule} << kLgGranule); }
};

constexpr size_t kMostChunkBytes = size_t{1} << 44;

// The bits and owners of a chunk of `bytes`, all granules free and fresh. False: no memory. May ask the kernel: no lock held.
bool MakeChunkMaps(MetaAllocator& meta, Chunk* chunk, size_t bytes);
// All of a fresh chunk reads as zero.
void MarkZero(Chunk* chunk);
void FreeChunkMaps(MetaAllocator& meta, Chunk* chunk);

// A free run of `granules`, aligned to `alignment` bytes; length 0: there is none.
Run FindFreeRun(Chunk* chunk, unsigned granules, size_t alignment);
// The run changes from free to somebody's; true: all of it reads as zero.
bool TakeRun(Chunk* chunk, Run run);
// And back; it is dirty now.
void GiveRun(Chunk* chunk, Run run);
// `length` granules from `begin` on lie in the chunk and are free.
bool IsFree(const Chunk* chunk, size_t begin, size_t length);
// The first run at or after `from` of granules that are free and dirty, or free and muzzy; length 0: there is none.
Run NextDirtyRun(const Chunk* chunk, unsigned from);
Run NextMuzzyRun(const Chunk* chunk, unsigned from);
// Out of everybody's hands, and back.
enum class Purged : uint8_t {
  kRefused,  // all is as it was
  kOffered,  // muzzy from here on
  kLazily,   // clean; may still have its contents
  kByForce,  // clean
};
void BeginPurge(Chunk* chunk, Run run);
void EndPurge(Chunk* chunk, Run run, Purged purged);
// What is being purged is as it was, dirty or muzzy: whoever was at it is gone.
void ForgetPurge(Chunk* chunk);
// All extents vanish: what was theirs is free and dirty, no granule has an owner. The caller has the extents.
void FreeAllRuns(Chunk* chunk);

// Checks every invariant; panics on the first that is broken.
void ValidateChunk(const Chunk* chunk);

}  // namespace xalloc
