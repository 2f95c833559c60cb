// SPDX-License-Identifier: MIT
// Chunks of manual arenas: getting them from hooks, purging them, giving them back. No hook is called with a lock held.
#include <xalloc/xalloc.h>

#include "arena/manual_arena.h"
#include "os/system.h"
#include "os/thread.h"

namespace xalloc {
namespace {

using ArenaGuard = os::Guard<os::Rank::kBin>;

constexpr size_t kChunkBytes = size_t{2} << 20;
// How often an arena looks at the clock, and from how much memory on: see purge/purge.h.
constexpr uint32_t kTickEvents = 64;
constexpr size_t kSmall = size_t{8} << 20;

constinit os::Lock g_spare_lock;
constinit Chunk* g_spares = nullptr;  // through next; under the lock
constinit Atomic<size_t> g_bytes{0};  // of all chunks; relaxed

Chunk* NewChunk() {
  g_spare_lock.Acquire(os::Rank::kBin);
  Chunk* chunk = g_spares;
  if (chunk != nullptr) g_spares = chunk->next;
  g_spare_lock.Release(os::Rank::kBin);
  return chunk != nullptr ? chunk : static_cast<Chunk*>(g_meta.Allocate(sizeof(Chunk)));
}

void SpareChunk(Chunk* chunk) {
  ArenaGuard guard(g_spare_lock);
  chunk->next = g_spares;
  g_spares = chunk;
}

// The unit in which hooks are asked.
size_t Unit() { return Max(kGranule, os::PageSize()); }

// A plain free must not take a block of ours for one of the shared slabs that the program has made an arena of.
bool LiesInSlabs(const char* at, size_t bytes) {
  for (size_t i = 0; i < bytes; i += kGranule) {
    if (g_page_map.CodeOf(at + i) != 0) return true;
  }
  return false;
}

bool Refused(XALLOC_BOOL answer) { return answer; }

void AwaitNone(Atomic<uint32_t>& counter) {
  while (const uint32_t there = counter.Acquire()) os::SleepOn(counter, there, 1);
}

}  // namespace

os::Lock& SpareChunkLock() { return g_spare_lock; }
size_t ManualBytes() { return g_bytes.Relaxed(); }

// ---- visits -------------------------------------------------------------------------------------------------------------

ManualArena::Visit ManualArena::BeginVisit(Atomic<uint32_t>& counter) {
  counter.SetRelease(counter.Relaxed() + 1);
  return {hooks, grown_.Relaxed()};
}

// Returns how many others are there.
uint32_t ManualArena::EndVisit(Atomic<uint32_t>& counter) {
  lock_.Acquire(os::Rank::kBin);
  const uint32_t left = counter.Relaxed() - 1;
  counter.SetRelease(left);
  lock_.Release(os::Rank::kBin);
  if (left == 0) os::Wake(counter);
  return left;
}

// ---- growing ------------------------------------------------------------------------------------------------------------

bool ManualArena::Grow(const Visit& visit, size_t bytes, size_t alignment) {
  const size_t unit = Unit();
  bytes = AlignUp(bytes, unit);
  for (size_t size = Max(bytes, kChunkBytes);; size = Max(size / 2, bytes)) {
    if (GrowBy(visit, size, Max(alignment, unit))) return true;
    if (size == bytes) break;
  }
  // Hooks that do not know such an alignment may have enough to find it in.
  return alignment > unit && GrowBy(visit, bytes + alignment - unit, unit);
}

bool ManualArena::GrowBy(const Visit& visit, size_t bytes, size_t alignment) {
  if (bytes > kMostChunkBytes) return false;
  Chunk* chunk = NewChunk();
  if (chunk == nullptr) return false;
  if (!MakeChunkMaps(g_meta, chunk, bytes)) {
    SpareChunk(chunk);
    return false;
  }
  if (Obtain(visit, chunk, bytes, alignment) && Adopt(visit, chunk)) return true;
  FreeChunkMaps(g_meta, chunk);
  SpareChunk(chunk);
  return false;
}

bool ManualArena::Commit(const Visit& visit, void* at, size_t bytes) {
  return visit.hooks->commit != nullptr && !Refused(visit.hooks->commit(visit.hooks, at, bytes, 0, bytes, index_));
}

// Asks the hooks for the memory, and makes it findable. False: there is none that could be used, and what came has gone back.
bool ManualArena::Obtain(const Visit& visit, Chunk* chunk, size_t bytes, size_t alignment) {
  const HookScope scope;
  XALLOC_BOOL zero = false, committed = true;
  void* at = visit.hooks->alloc(visit.hooks, nullptr, bytes, alignment, &zero, &committed, index_);
  if (at == nullptr) return false;
  bool usable = IsAligned(at, alignment) && !LiesInSlabs(static_cast<char*>(at), bytes);
  if (usable && !committed) usable = committed = Commit(visit, at, bytes);
  if (usable) {
    chunk->base = static_cast<char*>(at);
    chunk->bytes = bytes;
    chunk->zeroes = visit.hooks->alloc == DefaultExtentHooks()->alloc;
    if (zero) MarkZero(chunk);
    chunk->arena.SetRelease(this);
    const AddressMap::Inserted inserted = g_chunks.Insert(at, bytes, chunk);
    if (XALLOC_LIKELY(inserted == AddressMap::Inserted::kDone)) return true;
    chunk->arena.SetRelease(nullptr);
    // Hooks that give twice what they gave once: it is in use, and not to be taken back.
    if (inserted == AddressMap::Inserted::kOverlaps) return false;
  }
  if (visit.hooks->dalloc != nullptr) visit.hooks->dalloc(visit.hooks, at, bytes, committed, index_);
  return false;
}

// False: the arena has ended meanwhile, and the chunk is gone.
bool ManualArena::Adopt(const Visit& visit, Chunk* chunk) {
  const size_t bytes = chunk->bytes;
  lock_.Acquire(os::Rank::kBin);
  const bool alive = alive_;
  if (alive) {
    chunks_.PushFront(chunk);
    mapped_ += bytes;
    grown_.SetRelease(grown_.Relaxed() + 1);
  }
  lock_.Release(os::Rank::kBin);
  if (alive) {
    g_bytes.AddRelaxed(bytes);  // the chunk may be gone again
    os::Wake(grown_);
    return true;
  }
  Disown(chunk);
  const HookScope scope;
  if (!TakesBack(visit.hooks, chunk) && visit.hooks->destroy != nullptr) visit.hooks->destroy(visit.hooks, chunk->base, chunk->bytes, true, index_);
  return false;
}

// ---- giving back --------------------------------------------------------------------------------------------------------

// It is in no list of the arena any more; from here on nobody finds it.
void ManualArena::Disown(Chunk* chunk) {
  g_chunks.Remove(chunk->base);
  ArenaGuard guard(lock_);
  chunk->arena.SetRelease(nullptr);
}

bool ManualArena::TakesBack(extent_hooks_t* to, Chunk* chunk) {
  const HookScope scope;
  return to->dalloc != nullptr && !Refused(to->dalloc(to, chunk->base, chunk->bytes, true, index_));
}

// One that is all free and that the hooks may want back; null: there is none.
Chunk* ManualArena::UnlinkIdleChunk() {
  for (Chunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunk->next) {
    if (chunk->free_count != chunk->granules || chunk->kept) continue;
    chunks_.Remove(chunk);
    mapped_ -= chunk->bytes;
    return chunk;
  }
  return nullptr;
}

size_t ManualArena::GiveBackIdleChunks(const Visit& visit) {
  if (visit.hooks->dalloc == nullptr) return 0;
  size_t bytes = 0;
  for (;;) {
    lock_.Acquire(os::Rank::kBin);
    Chunk* chunk = UnlinkIdleChunk();
    lock_.Release(os::Rank::kBin);
    if (chunk == nullptr) return bytes;
    Disown(chunk);
    g_bytes.AddRelaxed(-chunk->bytes);
    if (TakesBack(visit.hooks, chunk)) {
      bytes += chunk->bytes;
      FreeChunkMaps(g_meta, chunk);
      SpareChunk(chunk);
      continue;
    }
    chunk->kept = true;
    chunk->arena.SetRelease(this);
    if (g_chunks.Insert(chunk->base, chunk->bytes, chunk) != AddressMap::Inserted::kDone) return bytes;
    g_bytes.AddRelaxed(chunk->bytes);
    ArenaGuard guard(lock_);
    chunks_.PushBack(chunk);
    mapped_ += chunk->bytes;
  }
}

namespace {

// The part of a run that is whole pages of the kernel.
Run WholePages(const Chunk* chunk, Run run) {
  const auto base = reinterpret_cast<uintptr_t>(chunk->base);
  const uintptr_t from = AlignUp(base + (size_t{run.begin} << kLgGranule), os::PageSize());
  const uintptr_t to = AlignDown(base + (size_t{run.begin + run.length} << kLgGranule), os::PageSize());
  if (from >= to) return {run.begin, 0};
  return {static_cast<unsigned>((from - base) >> kLgGranule), static_cast<unsigned>((to - from) >> kLgGranule)};
}

Purged PurgeRun(extent_hooks_t* hooks, const Chunk* chunk, Run run, unsigned arena, bool offer) {
  const HookScope scope;
  const size_t offset = size_t{run.begin} << kLgGranule, length = size_t{run.length} << kLgGranule;
  if (offer && hooks->purge_lazy != nullptr && !Refused(hooks->purge_lazy(hooks, chunk->base, chunk->bytes, offset, length, arena)))
    return Purged::kOffered;
  if (hooks->purge_forced != nullptr && !Refused(hooks->purge_forced(hooks, chunk->base, chunk->bytes, offset, length, arena)))
    return Purged::kByForce;
  if (hooks->purge_lazy != nullptr && !Refused(hooks->purge_lazy(hooks, chunk->base, chunk->bytes, offset, length, arena))) return Purged::kLazily;
  return Purged::kRefused;
}

}  // namespace

// Called with the lock, and returns with it; in between it is given up. The chunk stays where it is in its list while it has runs that are
// being purged.
size_t ManualArena::PurgeRunsOf(Chunk* chunk, const Visit& visit, Run (*next)(const Chunk*, unsigned), PurgeCounts& counts) {
  size_t bytes = 0;
  for (Run wanted = next(chunk, 0); wanted.length != 0; wanted = next(chunk, wanted.begin + wanted.length)) {
    const Run run = WholePages(chunk, wanted);
    if (run.length == 0) continue;
    BeginPurge(chunk, run);
    lock_.Release(os::Rank::kBin);
    const Purged purged = PurgeRun(visit.hooks, chunk, run, index_, visit.stage == Stage::kOffer);
    lock_.Acquire(os::Rank::kBin);
    EndPurge(chunk, run, purged);
    counts.calls++;
    if (purged != Purged::kRefused) bytes += size_t{run.length} << kLgGranule;
  }
  counts.bytes += bytes;
  return bytes;
}

size_t ManualArena::PurgeRuns(const Visit& visit) {
  if (visit.hooks->purge_forced == nullptr && visit.hooks->purge_lazy == nullptr) return 0;
  size_t bytes = 0;
  ArenaGuard guard(lock_);
  // A chunk that another purger is at cannot be taken from the list before it is done; any other can be, while the lock is given up, but
  // not this one either.
  for (Chunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunk->next) {
    // What was offered first: what is offered now stays so for a while.
    if (visit.stage != Stage::kOffer) bytes += PurgeRunsOf(chunk, visit, NextMuzzyRun, of_muzzy_);
    if (visit.stage != Stage::kPurgeOffered) bytes += PurgeRunsOf(chunk, visit, NextDirtyRun, of_dirty_);
  }
  return bytes;
}

size_t ManualArena::Purge(Stage stage) {
  Extent* dead = nullptr;
  lock_.Acquire(os::Rank::kBin);
  const bool alive = alive_;
  const uint64_t dirty = of_dirty_.bytes, muzzy = of_muzzy_.bytes;
  Visit visit = {};
  if (alive) {
    RemoveEmptySlabs(&dead);
    visit = BeginVisit(purging_);
    visit.stage = stage;
  }
  lock_.Release(os::Rank::kBin);
  FreeExtents(dead);
  if (!alive) return 0;
  const size_t whole = GiveBackIdleChunks(visit);
  const size_t bytes = PurgeRuns(visit);
  lock_.Acquire(os::Rank::kBin);
  of_dirty_.bytes += whole;
  of_dirty_.rounds += of_dirty_.bytes != dirty ? 1 : 0;
  of_muzzy_.rounds += of_muzzy_.bytes != muzzy ? 1 : 0;
  lock_.Release(os::Rank::kBin);
  EndVisit(purging_);
  return whole + bytes;
}

// Whether a chunk has any.
bool ManualArena::Has(uint32_t Chunk::*count) {
  for (const Chunk* chunk = chunks_.front(); chunk != nullptr; chunk = chunk->next) {
    if (chunk->*count != 0) return true;
  }
  return false;
}

size_t ManualArena::Decay(uint64_t now_ms) {
  const int64_t dirty = dirty_ms.Relaxed(), muzzy = muzzy_ms.Relaxed();
  lock_.Acquire(os::Rank::kBin);
  if (changes_ != seen_changes_) {
    seen_changes_ = changes_;
    seen_ms_ = now_ms;
  }
  const auto over = [now_ms](uint64_t since, int64_t ms) { return ms >= 0 && now_ms - since >= static_cast<uint64_t>(ms); };
  const bool dirty_due = alive_ && over(seen_ms_, dirty) && Has(&Chunk::dirty_count);
  bool muzzy_due = alive_ && offered_ms_ != 0 && over(offered_ms_, muzzy) && hooks->purge_forced != nullptr;
  if (muzzy_due) {
    muzzy_due = Has(&Chunk::muzzy_count);
    offered_ms_ = muzzy_due ? now_ms : 0;
  }
  // What is refused is asked again a decay time later.
  if (dirty_due) seen_ms_ = now_ms;
  if (dirty_due && muzzy != 0 && (offered_ms_ == 0 || !Has(&Chunk::muzzy_count))) offered_ms_ = now_ms;
  lock_.Release(os::Rank::kBin);
  size_t bytes = muzzy_due ? Purge(Stage::kPurgeOffered) : 0;
  if (dirty_due) bytes += Purge(muzzy != 0 ? Stage::kOffer : Stage::kPurge);
  return bytes;
}

bool ManualArena::HasDefaultHooks() {
  ArenaGuard guard(lock_);
  return hooks == DefaultExtentHooks();
}

void ManualArena::Tick() {
  if (XALLOC_LIKELY(events_.Relaxed() % kTickEvents != 0) || ManualBytes() < kSmall || HasDefaultHooks()) return;
  Decay(os::NowMs());
}

void ManualArena::ForgetFlights() {
  growing_.SetRelaxed(0);
  if (purging_.Relaxed() == 0) return;
  purging_.SetRelaxed(0);
  ForEachChunk(ForgetPurge);
}

// ---- the end ------------------------------------------------------------------------------------------------------------

void ManualArena::GiveAllBack() {
  AwaitNone(growing_);
  AwaitNone(purging_);
  Extent* dead = nullptr;
  lock_.Acquire(os::Rank::kBin);
  ForgetBlocks(&dead);
  extent_hooks_t* const to = hooks;
  lock_.Release(os::Rank::kBin);
  FreeExtents(dead);
  for (;;) {
    lock_.Acquire(os::Rank::kBin);
    Chunk* chunk = chunks_.PopFront();
    if (chunk != nullptr) mapped_ -= chunk->bytes;
    lock_.Release(os::Rank::kBin);
    if (chunk == nullptr) break;
    Disown(chunk);
    g_bytes.AddRelaxed(-chunk->bytes);
    const HookScope scope;
    if ((chunk->kept || !TakesBack(to, chunk)) && to->destroy != nullptr) to->destroy(to, chunk->base, chunk->bytes, true, index_);
    FreeChunkMaps(g_meta, chunk);
    SpareChunk(chunk);
  }
}

}  // namespace xalloc
