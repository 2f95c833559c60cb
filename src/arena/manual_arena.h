// SPDX-License-Identifier: MIT
// manual_arena.h: the insides of a manual arena; manual.h is what others see.
//
// An arena is never freed: a thread may come late with a pointer to one that was destroyed, and finds it not alive, or in its next life.
// Around every call of hooks: what it is about is in nobody's hands, the lock is given up, and `growing_` or `purging_` counts who is there:
// an arena does not end before they are back.
#pragma once

#include "arena/chunk.h"
#include "arena/manual.h"

namespace xalloc {

// While a hook runs: what it allocates comes from the shared arenas, also on a thread that is bound to this one.
class HookScope {
 public:
  HookScope() : bound_(t_bound) { t_bound = 0; }
  ~HookScope() { t_bound = bound_; }
  HookScope(const HookScope&) = delete;
  HookScope& operator=(const HookScope&) = delete;

 private:
  const uint16_t bound_;
};

class ManualArena {
 public:
  // In zero-filled memory: all zero is an arena that is not alive.
  ManualArena() = delete;

  void Begin(extent_hooks_t* hooks);
  bool Close();        // nothing comes from it any more; false: it was not alive
  void GiveAllBack();  // after that
  bool Reset();        // false: it was not alive
  unsigned index() const { return index_; }
  void SetIndex(unsigned index) { index_ = index; }

  unsigned Refill(unsigned cls, void** out, unsigned n);
  Extent* AllocateLarge(size_t usable, size_t alignment, bool* zeroed);
  // Dirty and muzzy memory is given back; dirty memory is offered to the kernel; what was offered is given back.
  enum class Stage : uint8_t { kPurge, kOffer, kPurgeOffered };
  size_t Purge(Stage stage = Stage::kPurge);
  size_t Decay(uint64_t now_ms);
  // After an operation on the arena, without the lock.
  void Tick();
  bool HasDefaultHooks();

  os::Lock& lock() { return lock_; }
  // All below: under the lock.
  FlushResult Free(Chunk* chunk, void* p, Extent** dead);
  ManualBlock LookAt(Chunk* chunk, const void* p);
  bool Resize(Chunk* chunk, void* p, size_t usable);
  ManualStats Stats() const;
  BinStats StatsOf(unsigned cls) const;
  void Validate();
  void ForgetFlights();

  ManualArena* next_retired;  // of the directory
  void SetHooks(extent_hooks_t* hooks);

  extent_hooks_t* hooks;               // under the lock
  char name[32];                       // under the lock
  Atomic<int64_t> dirty_ms, muzzy_ms;  // relaxed
  Atomic<uint32_t> births;             // relaxed: times that it was created
  Atomic<uint32_t> threads;            // relaxed: those that are bound to it
  LargeCounts large_counts;            // written under the lock

 private:
  struct Bin {
    List<Extent, &Extent::next, &Extent::prev> partial;
    uint32_t slabs, partial_slabs;
    uint64_t free_slots;
    BinCounters counters;
  };
  // What a thread must know of the arena while it is with the hooks.
  struct Visit {
    extent_hooks_t* hooks;
    uint32_t grown;
    Stage stage = Stage::kPurge;
  };

  // Under the lock.
  void CountEvent() { events_.SetRelaxed(events_.Relaxed() + 1); }
  template <class Fn>
  void ForEachChunk(Fn fn) {
    for (Chunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunk->next) fn(chunk);
    for (Chunk* chunk = full_.front(); chunk != nullptr; chunk = chunk->next) fn(chunk);
  }
  bool Has(uint32_t Chunk::*count);
  bool Take(Chunk* chunk, Run run);
  void Give(Chunk* chunk, Run run);
  bool Fits(Extent* extent, unsigned granules, size_t alignment, bool* zeroed);
  unsigned TakeSmall(unsigned cls, void** out, unsigned n);
  bool Settle(Extent* slab);
  void RemoveSlab(Chunk* chunk, Extent* slab, Extent** dead);
  void RemoveEmptySlabs(Extent** dead);
  FlushResult FreeSlot(Chunk* chunk, Extent* slab, void* p, Extent** dead);
  Chunk* UnlinkIdleChunk();
  void ForgetBlocks(Extent** dead);
  Visit BeginVisit(Atomic<uint32_t>& counter);

  // Without.
  uint32_t EndVisit(Atomic<uint32_t>& counter);
  bool AddSlab(unsigned cls);
  bool Place(Extent* extent, size_t granules, size_t alignment, bool* zeroed);
  bool Grow(const Visit& visit, size_t bytes, size_t alignment);
  bool GrowBy(const Visit& visit, size_t bytes, size_t alignment);
  bool Obtain(const Visit& visit, Chunk* chunk, size_t bytes, size_t alignment);
  bool Commit(const Visit& visit, void* at, size_t bytes);
  bool Adopt(const Visit& visit, Chunk* chunk);
  void Disown(Chunk* chunk);
  bool TakesBack(extent_hooks_t* to, Chunk* chunk);
  size_t GiveBackIdleChunks(const Visit& visit);
  size_t PurgeRuns(const Visit& visit);
  size_t PurgeRunsOf(Chunk* chunk, const Visit& visit, Run (*next)(const Chunk*, unsigned), PurgeCounts& counts);

  os::Lock lock_;
  unsigned index_;                                         // never changes once it is given
  bool alive_;                                             // and all below: under the lock
  // Threads with the hooks; written under the lock (release), read without (acquire) by who waits for 0.
  Atomic<uint32_t> growing_, purging_;
  Atomic<uint32_t> grown_;                                 // chunks that came; the same
  List<Chunk, &Chunk::next, &Chunk::prev> chunks_, full_;  // full_: no granule is free, none is being purged
  size_t mapped_;
  uint64_t changes_;                 // of who has which granule
  Atomic<uint32_t> events_;          // since its creation; written under the lock, read without: relaxed
  uint64_t seen_changes_, seen_ms_;  // by Decay
  uint64_t offered_ms_;              // when the first of what may be muzzy was offered, 0: nothing is; by Decay
  PurgeCounts of_dirty_, of_muzzy_;
  Bin bins_[kNumBins];
};

// Locks the arena that p lies in, and returns the chunk; null: in none, and nothing is locked.
Chunk* LockOwner(const void* p);
inline size_t GranulesOf(const Extent* extent) {
  return extent->kind == Extent::Kind::kSlab ? ShapeOf(extent->size_class).granules : CeilDiv(extent->block.usable, kGranule);
}
// Extents that are in no chunk any more, linked through `next`.
void FreeExtents(Extent* dead);
os::Lock& SpareChunkLock();
os::Lock& DefaultHooksLock();

}  // namespace xalloc
