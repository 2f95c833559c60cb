// SPDX-License-Identifier: MIT
// Manual arenas from their creation to their end, what can be asked of them, and fork.
#include <string.h>

#include "arena/manual_arena.h"
#include "base/line_buffer.h"

namespace xalloc {
namespace {
using ArenaGuard = os::Guard<os::Rank::kBin>;
}

// ---- blocks vanish ------------------------------------------------------------------------------------------------------

// Under the lock. All that was in use is free and dirty; the extents come back in `dead`.
void ManualArena::ForgetBlocks(Extent** dead) {
  ForEachChunk([dead](Chunk* chunk) {
    for (unsigned g = 0; g < chunk->granules; ++g) {
      Extent* extent = chunk->owner[g];
      if (extent == nullptr || extent->base != chunk->At(g)) continue;
      extent->next = *dead;
      *dead = extent;
    }
    FreeAllRuns(chunk);
  });
  while (Chunk* chunk = full_.PopFront()) {
    chunk->full = false;
    chunks_.PushBack(chunk);
  }
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    Bin& bin = bins_[cls];
    bin.counters.ndalloc += bin.slabs * uint64_t{ShapeOf(cls).slots} - bin.free_slots;
    bin.counters.nslabs_freed += bin.slabs;
    bin.partial = {};
    bin.slabs = bin.partial_slabs = 0;
    bin.free_slots = 0;
  }
  for (auto& count : large_counts.of) count.ndalloc.SetRelaxed(count.nmalloc.Relaxed());
  large_counts.bytes.SetRelaxed(0);
  ++changes_;
}

bool ManualArena::Reset() {
  Extent* dead = nullptr;
  lock_.Acquire(os::Rank::kBin);
  const bool alive = alive_;
  if (alive) ForgetBlocks(&dead);
  lock_.Release(os::Rank::kBin);
  FreeExtents(dead);
  return alive;
}

void ManualArena::Begin(extent_hooks_t* first_hooks) {
  dirty_ms.SetRelaxed(g_options.dirty_decay_ms);
  muzzy_ms.SetRelaxed(g_options.muzzy_decay_ms);
  LineBuffer<32> line;
  line << "manual_" << uint64_t{index_};
  ArenaGuard guard(lock_);
  hooks = first_hooks;
  memset(name, 0, sizeof name);
  memcpy(name, line.data(), line.size());
  for (Bin& bin : bins_) bin.counters = {};
  for (auto& count : large_counts.of) count.nmalloc.SetRelaxed(0), count.ndalloc.SetRelaxed(0);
  of_dirty_ = of_muzzy_ = {};
  offered_ms_ = 0;
  threads.SetRelaxed(0);
  births.AddRelaxed(1);
  alive_ = true;
}

bool ManualArena::Close() {
  ArenaGuard guard(lock_);
  const bool was = alive_;
  alive_ = false;
  return was;
}

void ManualArena::SetHooks(extent_hooks_t* others) {
  ArenaGuard guard(lock_);
  hooks = others;
  ForEachChunk([](Chunk* chunk) { chunk->kept = false; });
}

bool CreateArena(extent_hooks_t* hooks, unsigned* index) {
  // Index 0 is an automatic one.
  if (g_arenas.Current() == nullptr) return false;
  auto* fresh = static_cast<ManualArena*>(g_meta.Allocate(sizeof(ManualArena)));
  if (fresh == nullptr) return false;
  ManualArena* arena = EnterManual(fresh, index);
  if (arena != fresh) g_meta.Free(fresh, sizeof(ManualArena));
  if (arena == nullptr) return false;
  arena->Begin(hooks != nullptr ? hooks : const_cast<extent_hooks_t*>(DefaultExtentHooks()));
  PublishManual(arena, *index);
  return true;
}

namespace {
ArenaDone Manual(unsigned index, ManualArena** arena) {
  const ArenaRef ref = ArenaOf(index);
  *arena = ref.manual;
  if (ref.manual != nullptr) return ArenaDone::kDone;
  return ref.automatic != nullptr ? ArenaDone::kNotManual : ArenaDone::kNoSuch;
}
}  // namespace

ArenaDone DestroyArena(unsigned index) {
  ManualArena* arena = nullptr;
  const ArenaDone found = Manual(index, &arena);
  if (found != ArenaDone::kDone) return found;
  if (!arena->Close()) return ArenaDone::kNoSuch;
  HideManual(index);
  DropFromExplicitCaches(arena);
  arena->GiveAllBack();
  RetireManual(arena, index);
  return ArenaDone::kDone;
}

ArenaDone ResetArena(unsigned index) {
  ManualArena* arena = nullptr;
  const ArenaDone found = Manual(index, &arena);
  if (found != ArenaDone::kDone) return found;
  DropFromExplicitCaches(arena);
  return arena->Reset() ? ArenaDone::kDone : ArenaDone::kNoSuch;
}

// ---- settings -----------------------------------------------------------------------------------------------------------

unsigned IndexOf(const ManualArena* arena) { return arena->index(); }
uint16_t BirthOf(const ManualArena* arena) { return static_cast<uint16_t>(arena->births.Relaxed()); }

extent_hooks_t* HooksOf(ManualArena* arena) {
  ArenaGuard guard(arena->lock());
  return arena->hooks;
}
void SetHooks(ManualArena* arena, extent_hooks_t* hooks) {
  arena->SetHooks(hooks != nullptr ? hooks : const_cast<extent_hooks_t*>(DefaultExtentHooks()));
}

int64_t DirtyDecayMsOf(ManualArena* arena) { return arena->dirty_ms.Relaxed(); }
void SetDirtyDecayMs(ManualArena* arena, int64_t ms) {
  arena->dirty_ms.SetRelaxed(ms);
  if (ms == 0) arena->Purge();
}
int64_t MuzzyDecayMsOf(ManualArena* arena) { return arena->muzzy_ms.Relaxed(); }
void SetMuzzyDecayMs(ManualArena* arena, int64_t ms) {
  arena->muzzy_ms.SetRelaxed(ms);
  if (ms == 0) arena->Purge(ManualArena::Stage::kPurgeOffered);
}
void CountBound(ManualArena* arena, int change) { arena->threads.AddRelaxed(static_cast<uint32_t>(change)); }

void NameOf(ManualArena* arena, char (&out)[32]) {
  ArenaGuard guard(arena->lock());
  memcpy(out, arena->name, sizeof out);
}
void SetName(ManualArena* arena, const char* name) {
  ArenaGuard guard(arena->lock());
  memset(arena->name, 0, sizeof arena->name);
  for (size_t i = 0; i + 1 < sizeof arena->name && name[i] != 0; ++i) arena->name[i] = name[i];
}

// ---- purging ------------------------------------------------------------------------------------------------------------

size_t PurgeArena(ManualArena* arena) { return arena->Purge(); }
size_t DecayArena(ManualArena* arena, uint64_t now_ms) { return arena->Decay(now_ms); }

size_t DecayManualArenas(uint64_t now_ms, bool any) {
  struct Round {
    uint64_t now_ms;
    bool any;
    size_t bytes;
  } round = {now_ms, any, 0};
  ForEachManual(
      [](ManualArena* arena, void* context) {
        auto* r = static_cast<Round*>(context);
        if (r->any || arena->HasDefaultHooks()) r->bytes += arena->Decay(r->now_ms);
      },
      &round);
  return round.bytes;
}

size_t PurgeManualArenas() {
  size_t bytes = 0;
  ForEachManual([](ManualArena* arena, void* sum) { *static_cast<size_t*>(sum) += arena->Purge(); }, &bytes);
  return bytes;
}

// ---- looking ------------------------------------------------------------------------------------------------------------

ManualStats ManualArena::Stats() const {
  ManualStats s = {};
  s.mapped = mapped_;
  s.large_allocated = large_counts.bytes.Relaxed();
  s.of_dirty = of_dirty_;
  s.of_muzzy = of_muzzy_;
  s.threads = threads.Relaxed();
  size_t idle = 0;
  const auto add = [&](const Chunk* chunk) {
    s.dirty += size_t{chunk->dirty_count} << kLgGranule;
    s.muzzy += size_t{chunk->muzzy_count} << kLgGranule;
    idle += size_t{chunk->free_count + chunk->busy_count} << kLgGranule;
  };
  for (const Chunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunk->next) add(chunk);
  s.active = mapped_ - Min(mapped_, idle);
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    const Bin& bin = bins_[cls];
    s.nmalloc_small += bin.counters.nmalloc;
    s.ndalloc_small += bin.counters.ndalloc;
    s.small_allocated += (bin.slabs * size_t{ShapeOf(cls).slots} - bin.free_slots) * ClassSize(cls);
  }
  return s;
}

BinStats ManualArena::StatsOf(unsigned cls) const { return {bins_[cls].counters, bins_[cls].slabs, bins_[cls].partial_slabs, bins_[cls].free_slots, 0}; }

void ManualArena::Validate() {
  size_t mapped = 0;
  ForEachChunk([&](const Chunk* chunk) {
    ValidateChunk(chunk);
    mapped += chunk->bytes;
    if (chunk->full != (chunk->free_count == 0 && chunk->busy_count == 0)) Panic("broken invariant: a chunk in a wrong list");
  });
  if (mapped != mapped_) Panic("broken invariant: bytes of a manual arena");
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    uint64_t free_slots = 0;
    unsigned partial = 0;
    for (Extent* slab = bins_[cls].partial.front(); slab != nullptr; slab = slab->next) {
      ValidateSlab(slab);
      if (slab->bucket != 0 || slab->size_class != cls || slab->free_count == 0) Panic("broken invariant: slab in a wrong list");
      free_slots += slab->free_count;
      ++partial;
    }
    if (free_slots != bins_[cls].free_slots || partial != bins_[cls].partial_slabs) Panic("broken invariant: bin counts");
  }
}

ManualStats StatsOf(ManualArena* arena) {
  ArenaGuard guard(arena->lock());
  return arena->Stats();
}

const LargeCounts& LargeCountsOf(const ManualArena* arena) { return arena->large_counts; }
BinStats BinStatsOf(ManualArena* arena, unsigned cls) {
  ArenaGuard guard(arena->lock());
  return arena->StatsOf(cls);
}

void ValidateManual(ManualArena* arena) {
  ArenaGuard guard(arena->lock());
  arena->Validate();
}

// ---- fork ---------------------------------------------------------------------------------------------------------------

void AwaitManualLocks() {
  ForEachManual([](ManualArena* arena, void*) { arena->lock().AwaitFree(); }, nullptr);
  DirectoryLock().AwaitFree();
  SpareChunkLock().AwaitFree();
  g_chunks.lock().AwaitFree();
  DefaultHooksLock().AwaitFree();
}

void ForgetManualFlights() {
  ForEachManual(
      [](ManualArena* arena, void*) {
        arena->ForgetFlights();
        // Of the threads that were bound, the one that is left may be.
        const bool ours = t_bound == arena->index() + 1 && t_bound_birth == BirthOf(arena);
        arena->threads.SetRelaxed(ours ? 1 : 0);
      },
      nullptr);
}

}  // namespace xalloc
