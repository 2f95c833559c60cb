// SPDX-License-Identifier: MIT
#include "cache/explicit.h"

#include <string.h>

#include "cache/fast_path.h"
#include "cache/fill.h"

namespace xalloc {
namespace {

using CacheGuard = os::Guard<os::Rank::kBin>;

// Objects of a class: a program that hands its own caches from task to task has many of them.
constexpr unsigned kRoom = 32;
unsigned RoomOf(unsigned cls) { return Min<unsigned>(ShapeOf(cls).batch, kRoom); }
// A miss brings so many bytes at once, and one object at least.
constexpr size_t kFillBytes = 2048;
constexpr unsigned kMostFilled = 8;
unsigned FillOf(unsigned cls) { return Min(Max(static_cast<unsigned>(kFillBytes / ClassSize(cls)), 1u), Min(kMostFilled, RoomOf(cls) / 2)); }

struct ExplicitCache {
  os::Lock lock;  // guards all below
  bool live;
  uint8_t count[kNumBins];
  void** slots[kNumBins];  // the coldest first; null until the class is used
  uint16_t next_dead;      // one more than the id; guarded by g_lock
};

constinit os::Lock g_lock;  // guards which ids are free
// Never forgotten once made: whoever comes late with an id finds its cache dead. Release, acquire.
constinit Atomic<ExplicitCache*> g_caches[kMostCaches];
constinit Atomic<unsigned> g_end{0};  // one past the highest id ever given out; release, acquire
constinit unsigned g_dead = 0;        // one more than the id; under g_lock

ExplicitCache* CacheOf(unsigned id) { return id < kMostCaches ? g_caches[id].Acquire() : nullptr; }

void Report(const FlushResult& bad) {
  const bool tolerated = g_options.harden == static_cast<int64_t>(Harden::kOff);
  if (XALLOC_UNLIKELY(bad.misuse != Misuse::kNone) && !tolerated) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
}

void ReturnToArenas(unsigned cls, void** objects, unsigned n) {
  unsigned shared = 0;
  for (unsigned i = 0; i < n; ++i) {
    bool owned = false;
    Report(ManualFree(objects[i], &owned));
    if (!owned) objects[shared++] = objects[i];
  }
  if (shared != 0) Report(Arena::FlushToSlabs(cls, objects, shared));
}

// Objects of `cls` from the arena to out[0..); 0: no memory.
unsigned Fetch(const ArenaRef& from, unsigned cls, void** out, unsigned n) {
  if (from.manual != nullptr) return ManualRefill(from.manual, cls, out, n);
  if (from.automatic == nullptr) return 0;
  // Where the thread is at home it takes what others left there.
  const bool home = from.automatic == g_arenas.Current();
  for (;;) {
    const unsigned got = home ? from.automatic->Refill(cls, out, n) : from.automatic->TakeFromSlabs(cls, out, n);
    if (got != 0) return got;
    if (!from.automatic->AddSlabs(cls)) return 0;
  }
}

// ---- one cache, by whoever holds its lock ---------------------------------------------------------------------------------

void* PopFrom(ExplicitCache* cache, unsigned cls) {
  if (!cache->live || cache->count[cls] == 0) return nullptr;
  return cache->slots[cls][--cache->count[cls]];
}

bool HoldsAlready(const ExplicitCache* cache, unsigned cls, const void* p) {
  for (unsigned i = 0; i < cache->count[cls]; ++i) {
    if (cache->slots[cls][i] == p) return true;
  }
  return false;
}

// Takes out the `n` coldest.
void TakeColdest(ExplicitCache* cache, unsigned cls, void** out, unsigned n) {
  void** slots = cache->slots[cls];
  memcpy(out, slots, n * sizeof(void*));
  cache->count[cls] = static_cast<uint8_t>(cache->count[cls] - n);
  memmove(slots, slots + n, cache->count[cls] * sizeof(void*));
}

unsigned TakeAll(ExplicitCache* cache, unsigned cls, void** out) {
  const unsigned n = cache->count[cls];
  if (n != 0) TakeColdest(cache, cls, out, n);
  return n;
}

// ---- and by whoever does not ----------------------------------------------------------------------------------------------

enum class Pushed { kYes, kDead, kTwice, kNoSlots };

// Under the cache's lock. What has to make room goes to `coldest`.
Pushed PushLocked(ExplicitCache* cache, unsigned cls, void* p, void** coldest, unsigned* moved) {
  if (!cache->live) return Pushed::kDead;
  if (cache->slots[cls] == nullptr) return Pushed::kNoSlots;
  if (HoldsAlready(cache, cls, p)) return Pushed::kTwice;
  if (cache->count[cls] == RoomOf(cls)) TakeColdest(cache, cls, coldest, *moved = RoomOf(cls) / 2);
  cache->slots[cls][cache->count[cls]++] = p;
  return Pushed::kYes;
}

bool MakeSlots(ExplicitCache* cache, unsigned cls) {
  auto** slots = static_cast<void**>(g_meta.Allocate(kRoom * sizeof(void*)));
  if (slots == nullptr) return false;
  cache->lock.Acquire(os::Rank::kBin);
  const bool wanted = cache->slots[cls] == nullptr;
  if (wanted) cache->slots[cls] = slots;
  cache->lock.Release(os::Rank::kBin);
  if (!wanted) g_meta.Free(slots, kRoom * sizeof(void*));
  return true;
}

// kYes: it is in the cache; kTwice: it was already; else the cache cannot have it.
Pushed PushTo(ExplicitCache* cache, unsigned cls, void* p) {
  for (;;) {
    void* coldest[kRoom];
    unsigned moved = 0;
    cache->lock.Acquire(os::Rank::kBin);
    const Pushed pushed = PushLocked(cache, cls, p, coldest, &moved);
    cache->lock.Release(os::Rank::kBin);
    if (moved != 0) ReturnToArenas(cls, coldest, moved);
    if (pushed != Pushed::kNoSlots || !MakeSlots(cache, cls)) return pushed;
  }
}

void Flush(ExplicitCache* cache) {
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    void* objects[kRoom];
    cache->lock.Acquire(os::Rank::kBin);
    const unsigned n = TakeAll(cache, cls, objects);
    cache->lock.Release(os::Rank::kBin);
    if (n != 0) ReturnToArenas(cls, objects, n);
  }
}

bool IsLive(ExplicitCache* cache) {
  if (cache == nullptr) return false;
  CacheGuard guard(cache->lock);
  return cache->live;
}

template <class Fn>
void ForEachExplicit(Fn fn) {
  const unsigned end = g_end.Acquire();
  for (unsigned id = 0; id < end; ++id) {
    if (ExplicitCache* cache = CacheOf(id); cache != nullptr) fn(cache);
  }
}

void RemoveObjectsOf(ExplicitCache* cache, const ManualArena* arena) {
  CacheGuard guard(cache->lock);
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    unsigned kept = 0;
    for (unsigned i = 0; i < cache->count[cls]; ++i) {
      void* const p = cache->slots[cls][i];
      if (ManualOwnerOf(p) != arena) cache->slots[cls][kept++] = p;
    }
    cache->count[cls] = static_cast<uint8_t>(kept);
  }
}

}  // namespace

// ---- life ---------------------------------------------------------------------------------------------------------------

bool CreateExplicitCache(unsigned* id) {
  OwnCache();  // the options are read by now
  auto* fresh = static_cast<ExplicitCache*>(g_meta.Allocate(sizeof(ExplicitCache)));
  if (fresh == nullptr) return false;
  ExplicitCache* cache = nullptr;
  g_lock.Acquire(os::Rank::kBin);
  if (g_dead != 0) {
    *id = g_dead - 1;
    cache = CacheOf(*id);
    g_dead = cache->next_dead;
  } else if (g_end.Relaxed() < kMostCaches) {
    *id = g_end.Relaxed();
    cache = fresh;
    g_caches[*id].SetRelease(fresh);
    g_end.SetRelease(*id + 1);
  }
  g_lock.Release(os::Rank::kBin);
  if (cache != fresh) g_meta.Free(fresh, sizeof(ExplicitCache));
  if (cache == nullptr) return false;
  CacheGuard guard(cache->lock);
  cache->live = true;
  return true;
}

bool FlushExplicitCache(unsigned id) {
  ExplicitCache* cache = CacheOf(id);
  if (!IsLive(cache)) return false;
  Flush(cache);
  return true;
}

bool DestroyExplicitCache(unsigned id) {
  ExplicitCache* cache = CacheOf(id);
  if (cache == nullptr) return false;
  cache->lock.Acquire(os::Rank::kBin);
  const bool was = cache->live;
  cache->live = false;
  cache->lock.Release(os::Rank::kBin);
  if (!was) return false;
  Flush(cache);
  CacheGuard guard(g_lock);
  cache->next_dead = static_cast<uint16_t>(g_dead);
  g_dead = id + 1;
  return true;
}

void FlushExplicitCaches() { ForEachExplicit(Flush); }

void DropFromExplicitCaches(ManualArena* arena) {
  ForEachExplicit([arena](ExplicitCache* cache) { RemoveObjectsOf(cache, arena); });
}

size_t ExplicitCachedBytes() {
  size_t bytes = 0;
  ForEachExplicit([&bytes](ExplicitCache* cache) {
    CacheGuard guard(cache->lock);
    for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
      bytes += cache->count[cls] * ClassSize(cls);
    }
  });
  return bytes;
}

void AwaitExplicitLocks() {
  ForEachExplicit([](ExplicitCache* cache) { cache->lock.AwaitFree(); });
  g_lock.AwaitFree();
}

// ---- use ----------------------------------------------------------------------------------------------------------------

void* AllocateCached(unsigned id, unsigned cls, const ArenaRef& from) {
  ExplicitCache* cache = CacheOf(id);
  void* p = nullptr;
  if (cache != nullptr) {
    CacheGuard guard(cache->lock);
    p = PopFrom(cache, cls);
  }
  if (p != nullptr) {
    t_local.allocated += ClassSize(cls);
    return Filled(p, 0, ClassSize(cls));
  }
  void* few[kMostFilled];
  const unsigned got = Fetch(from, cls, few, IsLive(cache) ? FillOf(cls) : 1);
  NoteUncachedEvent();
  if (got == 0) return nullptr;
  for (unsigned i = 0; i + 1 < got; ++i) {
    if (PushTo(cache, cls, few[i]) != Pushed::kYes) ReturnToArenas(cls, few + i, 1);
  }
  t_local.allocated += ClassSize(cls);
  CountBytes(got * ClassSize(cls));
  return Filled(few[got - 1], 0, ClassSize(cls));
}

void FreeCached(unsigned id, void* p) {
  ExplicitCache* cache = CacheOf(id);
  bool live = false;
  const unsigned cls = ClassOfBlock(p, Act::kFree, &live);
  if (cls == 0) return Free(p);
  if (cache != nullptr && live) {
    FillFreed(p, ClassSize(cls));
    const Pushed pushed = PushTo(cache, cls, p);
    if (pushed == Pushed::kYes) t_local.deallocated += ClassSize(cls);
    if (pushed == Pushed::kYes) return;
    if (pushed == Pushed::kTwice) return Report({Misuse::kDoubleFree, p, ClassSize(cls)});
  }
  FreeUncached(cls, p);
}

}  // namespace xalloc
