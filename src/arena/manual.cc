// SPDX-License-Identifier: MIT
// Blocks of manual arenas: who has which granule, slots of slabs, large blocks. What goes to the hooks is in manual_chunks.cc.
#include "arena/manual.h"

#include <string.h>

#include "arena/manual_arena.h"
#include "extent/large.h"
#include "os/thread.h"

namespace xalloc {

constinit AddressMap g_chunks{g_meta};

namespace {
using ArenaGuard = os::Guard<os::Rank::kBin>;
// Who finds no room while others are with the hooks waits for what they bring: so often, so long each time.
constexpr unsigned kTries = 20;
constexpr uint64_t kWaitMs = 1;
}  // namespace

Chunk* LockOwner(const void* p) {
  while (auto* chunk = static_cast<Chunk*>(g_chunks.Find(p))) {
    ManualArena* arena = chunk->arena.Acquire();
    if (arena == nullptr) continue;  // it is on its way out of the map
    arena->lock().Acquire(os::Rank::kBin);
    if (XALLOC_LIKELY(chunk->arena.Acquire() == arena && chunk->Holds(p))) return chunk;
    arena->lock().Release(os::Rank::kBin);
  }
  return nullptr;
}

void FreeExtents(Extent* dead) {
  while (dead != nullptr) {
    Extent* const next = dead->next;
    if (dead->kind == Extent::Kind::kSlab) FreeSideBits(g_meta, dead->size_class, dead->side_bits);
    g_meta.Free(dead, sizeof(Extent));
    dead = next;
  }
}

// ---- granules -----------------------------------------------------------------------------------------------------------

bool ManualArena::Take(Chunk* chunk, Run run) {
  const bool zero = TakeRun(chunk, run);
  ++changes_;
  if (chunk->free_count == 0 && chunk->busy_count == 0) {
    chunks_.Remove(chunk);
    full_.PushFront(chunk);
    chunk->full = true;
  }
  return zero;
}

void ManualArena::Give(Chunk* chunk, Run run) {
  GiveRun(chunk, run);
  ++changes_;
  if (!chunk->full) return;
  full_.Remove(chunk);
  chunks_.PushFront(chunk);
  chunk->full = false;
}

bool ManualArena::Fits(Extent* extent, unsigned granules, size_t alignment, bool* zeroed) {
  for (Chunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunk->next) {
    const Run run = FindFreeRun(chunk, granules, alignment);
    if (run.length == 0) continue;
    *zeroed = Take(chunk, run);
    extent->base = chunk->At(run.begin);
    chunk->owner[run.begin] = extent;
    if (extent->kind == Extent::Kind::kSlab) {
      for (unsigned i = 1; i < granules; ++i) chunk->owner[run.begin + i] = extent;
    }
    return true;
  }
  return false;
}

// Finds room for an extent, or gets some from the hooks. A slab goes to its bin, a block is counted. False: there is none.
bool ManualArena::Place(Extent* extent, size_t granules, size_t alignment, bool* zeroed) {
  for (unsigned failures = 0; failures < kTries;) {
    Visit visit = {};
    lock_.Acquire(os::Rank::kBin);
    const bool alive = alive_;
    const bool placed = alive && Fits(extent, static_cast<unsigned>(granules), alignment, zeroed);
    if (placed && extent->kind == Extent::Kind::kSlab) {
      Bin& bin = bins_[extent->size_class];
      bin.slabs++;
      bin.counters.nslabs++;
      bin.free_slots += extent->free_count;
      Settle(extent);
    } else if (placed) {
      large_counts.NoteAllocated(extent->block.usable);
    } else if (alive) {
      visit = BeginVisit(growing_);
    }
    lock_.Release(os::Rank::kBin);
    if (placed || !alive) return placed;
    const bool grown = Grow(visit, granules << kLgGranule, alignment);
    const uint32_t others = EndVisit(growing_);
    if (grown) continue;
    ++failures;
    if (grown_.Acquire() != visit.grown) continue;
    if (others == 0) return false;
    os::SleepOn(grown_, visit.grown, kWaitMs);
  }
  return false;
}

// ---- slots --------------------------------------------------------------------------------------------------------------

unsigned ManualArena::TakeSmall(unsigned cls, void** out, unsigned n) {
  Bin& bin = bins_[cls];
  Extent* slab = bin.partial.front();
  if (slab == nullptr || !alive_) return 0;
  // TakeSlots fills the end of what it is given.
  n = Min<unsigned>(n, slab->free_count);
  TakeSlots(slab, out, n);
  bin.free_slots -= n;
  bin.counters.nmalloc += n;
  if (slab->free_count == 0) {
    bin.partial.Remove(slab);
    bin.partial_slabs--;
    slab->bucket = kNoBucket;
  }
  return n;
}

bool ManualArena::AddSlab(unsigned cls) {
  auto* slab = static_cast<Extent*>(g_meta.Allocate(sizeof(Extent)));
  if (slab == nullptr) return false;
  uint64_t* side = nullptr;
  if (!AllocateSideBits(g_meta, cls, &side)) {
    g_meta.Free(slab, sizeof(Extent));
    return false;
  }
  slab->kind = Extent::Kind::kSlab;
  FormatSlab(slab, cls, 0, side);
  bool zeroed = false;
  if (Place(slab, ShapeOf(cls).granules, kGranule, &zeroed)) return true;
  FreeExtents(slab);
  return false;
}

unsigned ManualArena::Refill(unsigned cls, void** out, unsigned n) {
  for (;;) {
    lock_.Acquire(os::Rank::kBin);
    const unsigned got = TakeSmall(cls, out, n);
    CountEvent();
    lock_.Release(os::Rank::kBin);
    if (XALLOC_LIKELY(got != 0)) {
      Tick();
      return got;
    }
    if (!AddSlab(cls)) return 0;
  }
}

// After a change of its free slots. True: it is empty, and not the only one that has free slots.
bool ManualArena::Settle(Extent* slab) {
  Bin& bin = bins_[slab->size_class];
  if (slab->bucket == kNoBucket && slab->free_count != 0) {
    slab->bucket = 0;
    bin.partial.PushFront(slab);
    bin.partial_slabs++;
  }
  return slab->free_count == ShapeOf(slab->size_class).slots && bin.partial_slabs > 1;
}

// An empty one.
void ManualArena::RemoveSlab(Chunk* chunk, Extent* slab, Extent** dead) {
  const SlabShape& shape = ShapeOf(slab->size_class);
  Bin& bin = bins_[slab->size_class];
  bin.partial.Remove(slab);
  bin.partial_slabs--;
  bin.slabs--;
  bin.free_slots -= shape.slots;
  bin.counters.nslabs_freed++;
  const unsigned first = chunk->GranuleOf(slab->base);
  for (unsigned i = 0; i < shape.granules; ++i) chunk->owner[first + i] = nullptr;
  Give(chunk, {first, shape.granules});
  slab->next = *dead;
  *dead = slab;
}

void ManualArena::RemoveEmptySlabs(Extent** dead) {
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    for (Extent *slab = bins_[cls].partial.front(), *next; slab != nullptr; slab = next) {
      next = slab->next;
      if (slab->free_count == ShapeOf(cls).slots) RemoveSlab(static_cast<Chunk*>(g_chunks.Find(slab->base)), slab, dead);
    }
  }
}

// ---- blocks -------------------------------------------------------------------------------------------------------------

Extent* ManualArena::AllocateLarge(size_t usable, size_t alignment, bool* zeroed) {
  if (usable > kMostChunkBytes || alignment > kMostChunkBytes) return nullptr;
  auto* extent = static_cast<Extent*>(g_meta.Allocate(sizeof(Extent)));
  if (extent == nullptr) return nullptr;
  extent->kind = Extent::Kind::kLarge;
  extent->block.usable = usable;
  if (Place(extent, CeilDiv(usable, kGranule), Max(alignment, kGranule), zeroed)) return extent;
  g_meta.Free(extent, sizeof(Extent));
  return nullptr;
}

namespace {
// The large block that p, in a granule without an owner, lies inside of; null: none.
const Extent* LargeAround(const Chunk* chunk, unsigned granule, const void* p) {
  while (granule-- > 0) {
    const Extent* extent = chunk->owner[granule];
    if (extent == nullptr) continue;
    const bool inside = extent->kind == Extent::Kind::kLarge && static_cast<const char*>(p) < extent->base + extent->block.usable;
    return inside ? extent : nullptr;
  }
  return nullptr;
}
}  // namespace

ManualBlock ManualArena::LookAt(Chunk* chunk, const void* p) {
  const unsigned granule = chunk->GranuleOf(p);
  Extent* extent = chunk->owner[granule];
  if (extent == nullptr) {
    const Extent* around = LargeAround(chunk, granule, p);
    if (around == nullptr) return {this, 0, 0, Misuse::kUnallocated};
    return {this, 0, around->block.usable, Misuse::kInterior};
  }
  if (extent->kind != Extent::Kind::kSlab) return {this, 0, extent->block.usable, extent->base == p ? Misuse::kNone : Misuse::kInterior};
  const unsigned cls = extent->size_class;
  const SlabShape& shape = ShapeOf(cls);
  ManualBlock block = {this, cls, shape.slot_size, Misuse::kNone};
  if (!IsAligned(p, 8)) {
    block.misuse = Misuse::kMisaligned;
  } else if (!FindSlot(extent, shape, p).exact) {
    block.misuse = Misuse::kInterior;
  } else if (!SlotIsOut(extent, p)) {
    block.misuse = Misuse::kUnallocated;
  }
  return block;
}

FlushResult ManualArena::FreeSlot(Chunk* chunk, Extent* slab, void* p, Extent** dead) {
  const SlabShape& shape = ShapeOf(slab->size_class);
  if (!IsAligned(p, 8)) return {Misuse::kMisaligned, p, shape.slot_size};
  const PutCount put = PutSlots(slab, shape, &p, 1);
  if (put.result != PutResult::kOk) return {put.result == PutResult::kDoubleFree ? Misuse::kDoubleFree : Misuse::kInterior, p, shape.slot_size};
  Bin& bin = bins_[slab->size_class];
  bin.counters.ndalloc++;
  bin.free_slots++;
  if (Settle(slab)) RemoveSlab(chunk, slab, dead);
  return {};
}

FlushResult ManualArena::Free(Chunk* chunk, void* p, Extent** dead) {
  CountEvent();
  const unsigned granule = chunk->GranuleOf(p);
  Extent* extent = chunk->owner[granule];
  if (extent != nullptr && extent->kind == Extent::Kind::kSlab) return FreeSlot(chunk, extent, p, dead);
  if (extent == nullptr || extent->base != p) {
    const ManualBlock block = LookAt(chunk, p);
    return {block.misuse, p, block.usable};
  }
  chunk->owner[granule] = nullptr;
  Give(chunk, {granule, static_cast<unsigned>(GranulesOf(extent))});
  large_counts.NoteFreed(extent->block.usable);
  extent->next = *dead;
  *dead = extent;
  return {};
}

bool ManualArena::Resize(Chunk* chunk, void* p, size_t usable) {
  const unsigned granule = chunk->GranuleOf(p);
  Extent* extent = chunk->owner[granule];
  if (extent == nullptr || extent->kind != Extent::Kind::kLarge || extent->base != p) return false;
  const size_t has = GranulesOf(extent), wants = CeilDiv(usable, kGranule);
  if (wants > has) {
    if (!IsFree(chunk, granule + has, wants - has)) return false;
    Take(chunk, {static_cast<unsigned>(granule + has), static_cast<unsigned>(wants - has)});
  } else if (wants < has) {
    Give(chunk, {static_cast<unsigned>(granule + wants), static_cast<unsigned>(has - wants)});
  }
  large_counts.NoteResized(extent->block.usable, usable);
  extent->block.usable = usable;
  return true;
}

// ---- what others call ---------------------------------------------------------------------------------------------------

ManualArena* ManualOwnerOf(const void* p) {
  auto* chunk = static_cast<Chunk*>(g_chunks.Find(p));
  return XALLOC_LIKELY(chunk == nullptr) ? nullptr : chunk->arena.Acquire();
}

ManualBlock LookAtManual(const void* p) {
  Chunk* chunk = LockOwner(p);
  if (XALLOC_LIKELY(chunk == nullptr)) return {nullptr, 0, 0, Misuse::kNone};
  ManualArena* arena = chunk->arena.Relaxed();
  const ManualBlock block = arena->LookAt(chunk, p);
  arena->lock().Release(os::Rank::kBin);
  return block;
}

unsigned ManualRefill(ManualArena* arena, unsigned cls, void** out, unsigned n) { return arena->Refill(cls, out, n); }

void* ManualAllocateLarge(ManualArena* arena, size_t size, size_t alignment, bool zero) {
  const size_t usable = LargeUsableSize(size, alignment);
  bool zeroed = false;
  const Extent* extent = usable == 0 ? nullptr : arena->AllocateLarge(usable, alignment, &zeroed);
  if (extent == nullptr) return nullptr;
  if (zero && !zeroed) memset(extent->base, 0, size);
  return extent->base;
}

FlushResult ManualFree(void* p, bool* owned) {
  Chunk* chunk = LockOwner(p);
  *owned = chunk != nullptr;
  if (chunk == nullptr) return {};
  ManualArena* arena = chunk->arena.Relaxed();
  Extent* dead = nullptr;
  const FlushResult bad = arena->Free(chunk, p, &dead);
  arena->lock().Release(os::Rank::kBin);
  FreeExtents(dead);
  if (XALLOC_UNLIKELY(arena->dirty_ms.Relaxed() == 0) && dead != nullptr) arena->Purge();
  arena->Tick();
  return bad;
}

bool ManualResize(void* p, size_t size) {
  const size_t usable = LargeUsableSize(size, 1);
  if (usable == 0) return false;
  Chunk* chunk = LockOwner(p);
  if (chunk == nullptr) return false;
  ManualArena* arena = chunk->arena.Relaxed();
  const bool done = arena->Resize(chunk, p, usable);
  arena->lock().Release(os::Rank::kBin);
  return done;
}

}  // namespace xalloc
