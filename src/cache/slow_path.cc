// SPDX-License-Identifier: MIT
// What malloc, free and realloc do when the hit path cannot. The call tree is drawn in fast_path.h.
#include <string.h>

#include "cache/fast_path.h"
#include "cache/fill.h"
#include "cache/hooks.h"
#include "cache/thread_stats.h"
#include "extent/large.h"
#include "meta/last_words.h"
#include "os/sanitizer.h"
#include "os/system.h"

namespace xalloc {

// Relaxed: counts, by which nobody finds anything.
constinit Atomic<uint64_t> g_size_mismatches{0}, g_zero_reallocs{0}, g_bytes_handed_out{0};

// Threads without a cache may be at their end: the purge layer still hears of one event in kTickEvents.
void NoteUncachedEvent() {
  constinit static Atomic<uint32_t> events{0};  // relaxed: one of the threads is the next
  if (XALLOC_UNLIKELY(events.AddRelaxed(1) % kTickEvents == 0)) g_hooks.tick(Event::kFreed);
}

namespace {

bool Cacheable(unsigned cls) { return ClassSize(cls) <= static_cast<size_t>(g_options.tcache_max) && CachedAtMost(cls) != 0; }

void Report(const FlushResult& bad) {
  if (XALLOC_UNLIKELY(bad.misuse != Misuse::kNone)) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
}

// Debug builds look at everything at every tick.
void ValidateAll([[maybe_unused]] ThreadCache* cache) {
#if XALLOC_DEBUG
  cache->lock.Acquire(os::Rank::kCache);  // a drain in progress may have put a null among the objects
  ValidateCache(cache);
  cache->lock.Release(os::Rank::kCache);
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i); arena != nullptr) arena->Validate();
  }
  g_extents.Validate();
#endif
}

// Counts a slow event of this thread; now and then looks after what lies unused. No lock is held.
void NoteSlowEvent(ThreadCache* cache, Event event) {
  const uint32_t events = cache->slow_events + 1;
  __atomic_store_n(&cache->slow_events, events, __ATOMIC_RELAXED);
  if (XALLOC_LIKELY(events % kTickEvents != 0)) return;
  ValidateAll(cache);
  cache->lock.Acquire(os::Rank::kCache);
  const FlushResult bad = ShrinkUnused(cache);
  cache->lock.Release(os::Rank::kCache);
  Report(bad);
  SyncThreadStats();
  if (Arena* arena = g_arenas.Current(); arena != nullptr) arena->AgeDepots(Arena::Ageing::kBatch);
  g_hooks.tick(event);
}

void NoteEvent(ThreadCache* cache, Event event) {
  if (cache != nullptr) {
    NoteSlowEvent(cache, event);
  } else {
    NoteUncachedEvent();
  }
}

bool Tolerated() { return g_options.harden == static_cast<int64_t>(Harden::kOff); }

// Where the kernel has no more: what `take` gets from another arena, whose slabs of the class may be half empty.
template <class Fn>
void* FromOtherArenas(const Arena* home, Fn take) {
  void* p = nullptr;
  for (unsigned i = 0; i < g_arenas.count() && p == nullptr; ++i) {
    Arena* other = g_arenas.At(i);
    if (other != nullptr && other != home) p = take(other);
  }
  return p;
}

// One slot of `cls` from `home`, or, `own`, from that arena's own slabs and no other's.
XALLOC_NOINLINE void* AllocateSlot(const ArenaRef& home, size_t size, unsigned cls, bool own) {
  // Aligned as its slot would be.
  if (Reporting()) return LastWordsAllocate(ClassSize(cls), ClassSize(cls) & -ClassSize(cls));
  if (SteppedAside()) return os::SanitizerAllocate(size, 1);
  void* p = nullptr;
  Arena* arena = home.automatic;
  if (XALLOC_UNLIKELY(arena == nullptr)) return home.manual == nullptr ? nullptr : AllocateManual(home.manual, ClassSize(cls), 1, false);
  while ((own ? arena->TakeFromSlabs(cls, &p, 1) : arena->Refill(cls, &p, 1)) != 1) {
    if (arena->AddSlabs(cls)) continue;
    if (!own) p = FromOtherArenas(arena, [cls](Arena* other) { void* got = nullptr; return other->Refill(cls, &got, 1) == 1 ? got : nullptr; });
    if (p == nullptr) return nullptr;
    break;
  }
  t_local.allocated += ClassSize(cls);
  CountBytes(ClassSize(cls));
  NoteUncachedEvent();
  return Filled(p, 0, ClassSize(cls));
}

// What `allocate` gives; where the kernel has no more, what lies free in bins of other classes is collected, and asked for again.
template <class Fn>
void* OrFromUnused(size_t size, Fn allocate) {
  void* p = allocate();
  if (XALLOC_LIKELY(p != nullptr) || size > ExtentHeap::kMaxGranules * kGranule || Reporting() || SteppedAside()) return p;
  ReturnUnused();
  return allocate();
}

XALLOC_NOINLINE void* AllocateMissed(size_t size, unsigned cls) {
  ThreadCache* cache = OwnCache();
  if (XALLOC_UNLIKELY(cache == nullptr || !Cacheable(cls))) {
    if (const ArenaRef home = HomeArena(); home.manual != nullptr) return AllocateSlot(home, size, cls, false);
    return OrFromUnused(size, [size, cls] { return AllocateSlot(HomeArena(), size, cls, false); });
  }
  const auto refilled = [cache, cls](Arena* arena) {
    cache->lock.Acquire(os::Rank::kCache);
    void* got = RefillAndPop(cache, cls, arena);
    // One more than it left in the bin, where a drain has not been at work.
    if (got != nullptr) CountBytes((static_cast<size_t>(cache->bins[cls].top - cache->state[cls].base()) + 1) * ClassSize(cls));
    cache->lock.Release(os::Rank::kCache);
    return got;
  };
  void* p = OrFromUnused(size, [cls, refilled]() -> void* {
    Arena* arena = g_arenas.Current(cls);
    if (arena == nullptr) return nullptr;
    for (;;) {
      if (void* got = refilled(arena); XALLOC_LIKELY(got != nullptr)) return got;
      // The kernel is asked without the lock: the purger may want to look into the cache.
      if (!arena->AddSlabs(cls)) return FromOtherArenas(arena, refilled);
    }
  });
  NoteSlowEvent(cache, Event::kAllocated);
  return p;
}

XALLOC_COLD void* HandOver(size_t size, size_t alignment, bool zero) {
  if (size > PTRDIFF_MAX) return nullptr;
  void* p = os::SanitizerAllocate(size, alignment);
  return zero && p != nullptr ? memset(p, 0, size) : p;
}

void* AllocateLargeIn(ManualArena* manual, size_t size, size_t alignment, bool zero) {
  ThreadCache* cache = OwnCache();  // the options are read by now
  if (Reporting()) return LastWordsAllocate(size, alignment);
  if (SteppedAside()) return HandOver(size, alignment, zero);
  if (XALLOC_UNLIKELY(manual != nullptr)) return AllocateManual(manual, size, alignment, zero);
  void* p = OrFromUnused(size, [=] { return LargeAllocate(g_extents, size, alignment, zero); });
  if (p != nullptr) t_local.allocated += LargeUsableSize(size, alignment);
  if (!zero && p != nullptr) Filled(p, 0, LargeUsableSize(size, alignment));
  CountBytes(size);
  NoteEvent(cache, Event::kAllocated);
  return p;
}

void* AllocateLarge(size_t size, size_t alignment, bool zero) {
  return AllocateLargeIn(XALLOC_LIKELY(t_bound == 0) ? nullptr : HomeArena().manual, size, alignment, zero);
}

bool IsElsewhere(const void* p) { return LastWordsOwns(p) || (OwnCache() == nullptr && SteppedAside()); }
size_t UsableSizeElsewhere(const void* p) { return LastWordsOwns(p) ? LastWordsSize(p) : os::SanitizerUsableSize(p); }
XALLOC_COLD void FreeElsewhere(void* p) {
  if (!LastWordsOwns(p) && SteppedAside()) os::SanitizerFree(p);
}

// What p is, when the window map says "not small". Null: a block from elsewhere, the last words or a sanitizer.
Extent* FindBlock(const void* p, Act act) {
  Extent* block = g_extents.Find(p);
  if (XALLOC_LIKELY(block != nullptr && block->base == p)) return block;
  if (IsElsewhere(p) || (act == Act::kFree && Tolerated())) return nullptr;
  if (block != nullptr && block->kind != Extent::Kind::kSlab) ReportMisuse(Misuse::kInterior, act, p, block->block.usable);
  // Inside a large block, perhaps: only its first granule leads to it. Look back for it.
  if (Extent* around = g_extents.FindAround(p); around != nullptr) ReportMisuse(Misuse::kInterior, act, p, around->block.usable);
  ReportMisuse(g_extents.Contains(p) ? Misuse::kUnallocated : Misuse::kForeign, act, p, 0);
}

void FreeBlock(void* p) {
  if (Reporting()) return;
  if (AnyManual() && FreeManual(p)) return;
  Extent* block = FindBlock(p, Act::kFree);
  if (XALLOC_UNLIKELY(block == nullptr)) return FreeElsewhere(p);
  FillFreed(p, block->block.usable);
  t_local.deallocated += block->block.usable;
  LargeFree(g_extents, block);
  NoteEvent(OwnCache(), Event::kFreed);
}

// The class of p, a block in a slab; p is checked as far as that costs no lock.
unsigned CheckedClass(const void* p, unsigned code, Act act) {
  const unsigned cls = code / 2;
  if (XALLOC_UNLIKELY(!IsAligned(p, 8))) ReportMisuse(Misuse::kMisaligned, act, p, ClassSize(cls));
  return cls;
}

// True if the program cannot have asked for `size` bytes when it got p. A realloc leaves a block where it is while half of it is wanted.
bool SizeIsWrongFor(size_t usable, unsigned cls, size_t round, size_t size, size_t alignment) {
  if (size > usable) return true;
  if (cls == 0) return usable - size >= round && (size > kMaxSmall || size <= usable / 2);
  return size <= usable / 2 && AlignedSizeToClass(size, alignment) != cls;
}
bool SizeIsWrong(const void* p, size_t size, size_t alignment) {
  if (const unsigned code = SlabCodeOf(p); code != 0) return SizeIsWrongFor(ClassSize(code / 2), code / 2, 0, size, alignment);
  const size_t round = Max(os::PageSize(), kLargeRound);
  if (AnyManual()) {
    const ManualBlock block = LookAtManual(p);
    if (block.arena != nullptr) return block.misuse == Misuse::kNone && SizeIsWrongFor(block.usable, block.cls, round, size, alignment);
  }
  const Extent* block = g_extents.Find(p);
  if (block == nullptr || block->base != p) return false;
  return SizeIsWrongFor(block->block.usable, 0, block->kind == Extent::Kind::kMapped ? round : kLargeRound, size, alignment);
}

// The slab knows whether p is a live block: a realloc of a freed one must not be copied. False: it is none, and that is tolerated.
bool CheckSlot(const void* p, unsigned cls, Act act) {
  Extent* slab = g_extents.Find(p);
  if (XALLOC_LIKELY(slab != nullptr && SlotIsOut(slab, p))) return true;
  if (act == Act::kFree && Tolerated()) return false;
  const bool exact = slab != nullptr && FindSlot(slab, ShapeOf(cls), p).exact;
  const Misuse free = act == Act::kFree ? Misuse::kDoubleFree : Misuse::kUnallocated;
  ReportMisuse(exact ? free : Misuse::kInterior, act, p, ClassSize(cls));
}

}  // namespace

unsigned SlabCodeOf(const void* p) {
  const unsigned code = g_page_map.CodeOf(p);
  // Outside of the window the heap asks under its lock: blocks of manual arenas are spared that.
  if (code != 0 || (AnyManual() && ManualOwnerOf(p) != nullptr)) return code;
  const Extent* extent = g_extents.Find(p);
  return extent != nullptr && extent->kind == Extent::Kind::kSlab ? extent->size_class * 2u : 0;
}

void* MallocSlow(size_t size) {
  unsigned code = 0;
  if (size <= kMaxTiny) {
    code = kEmptyCache.tiny_code[(size + 7) / 8];
  } else if (size <= kMaxSmall) {
    code = MediumCode(size);
  } else {
    return AllocateLarge(size, 1, false);
  }
  return AllocateMissed(size, code / 2);
}

void FreeSlow(void* p) {
  if (p == nullptr) return;
  p = Untagged(p);
  const unsigned code = SlabCodeOf(p);
  if (code == 0) return FreeBlock(p);
  if (XALLOC_UNLIKELY(!IsAligned(p, 8)) && Tolerated()) return;
  const unsigned cls = CheckedClass(p, code, Act::kFree);
  // What a thread frees before it has allocated anything was given to it at its start, and may share a cache line with what was given
  // to its siblings: each would take its own out of its cache again, and the line would stay shared.
  const bool given = t_local.state == ThreadState::kNew;
  ThreadCache* cache = OwnCache();
  if (Reporting()) return;
  if (XALLOC_UNLIKELY(cache == nullptr || given || !Cacheable(cls))) return FreeUncached(cls, p);
  if (XALLOC_UNLIKELY(*cache->bins[cls].top == p)) {
    if (Tolerated()) return;
    ReportMisuse(Misuse::kDoubleFree, Act::kFree, p, ClassSize(cls));
  }
  cache->lock.Acquire(os::Rank::kCache);
  const FlushResult bad = MakeRoomAndPush(cache, cls, p);
  cache->lock.Release(os::Rank::kCache);
  Report(bad);
  NoteSlowEvent(cache, Event::kFreed);
}

void CheckSize(void* p, size_t size, size_t alignment) {
  p = Untagged(p);
  if (p == nullptr || XALLOC_LIKELY(!SizeIsWrong(p, size, alignment))) return;
  if (g_options.harden == static_cast<int64_t>(Harden::kFull)) ReportSizeMismatch(p, size, UsableSize(p, Act::kFree));
  g_size_mismatches.AddRelaxed(1);
}

void FreeSizedSlow(void* p, size_t size) {
  CheckSize(p, size, 1);
  Free(p);
}

void* MallocAligned(size_t size, size_t alignment, bool zero) {
  const size_t small = AlignedSmallSize(size, alignment);
  if (small == 0) return AllocateLarge(Max(size, size_t{1}), alignment, zero);
  void* p = Malloc(small);
  if (SteppedAside() && !IsAligned(p, alignment)) {
    os::SanitizerFree(p);
    return HandOver(size, alignment, zero);
  }
  if (zero && p != nullptr) memset(p, 0, size);
  return p;
}

void* Calloc(size_t size) {
  if (size > kMaxSmall) return AllocateLarge(size, 1, true);
  void* p = Malloc(size);
  return p == nullptr ? nullptr : memset(p, 0, size);
}

size_t UsableSize(const void* p, Act act) {
  p = Untagged(p);
  const unsigned code = SlabCodeOf(p);
  if (XALLOC_LIKELY(code != 0)) return ClassSize(CheckedClass(p, code, act));
  if (AnyManual()) {
    if (const ManualBlock manual = CheckManual(p, act); manual.arena != nullptr) return manual.usable;
  }
  const Extent* block = FindBlock(p, act);
  return block != nullptr ? block->block.usable : UsableSizeElsewhere(p);
}

size_t GoodSize(size_t size, size_t alignment) {
  const unsigned cls = AlignedSizeToClass(size, alignment);
  return cls != 0 ? ClassSize(cls) : LargeUsableSize(size, alignment);
}

void* Realloc(void* p, size_t size) {
  p = Untagged(p);
  const unsigned code = SlabCodeOf(p);
  if (code == 0) {
    if (ManualArena* owner = AnyManual() && !Reporting() ? ManualOwnerOf(p) : nullptr; owner != nullptr) return ReallocManual(owner, p, size);
    Extent* block = FindBlock(p, Act::kRealloc);
    if (size > kMaxSmall && block != nullptr && !Reporting()) {
      const size_t before = block->block.usable;
      void* moved = OrFromUnused(size, [=] { return LargeResize(g_extents, block, size); });
      if (moved != nullptr) NoteResized(before, UsableSize(moved, Act::kRealloc));
      CountBytes(size - Min(size, before));
      if (XALLOC_UNLIKELY(FillsFresh()) && moved != nullptr) Filled(moved, before, UsableSize(moved, Act::kRealloc));
      NoteEvent(OwnCache(), Event::kAllocated);
      return moved;
    }
  }
  const size_t old_size = UsableSize(p, Act::kRealloc);
  // A block stays where it is while at least half of it is wanted.
  if (size <= old_size && size > old_size / 2) return p;
  if (code != 0) CheckSlot(p, code / 2, Act::kRealloc);
  void* moved = Malloc(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, p, Min(old_size, size));
  Free(p);
  return moved;
}

size_t ResizeInPlace(void* p, size_t least, size_t most, bool zero) {
  p = Untagged(p);
  const size_t old_size = UsableSize(p, Act::kRealloc);
  if (SlabCodeOf(p) != 0) return old_size;
  if (AnyManual() && !Reporting() && ManualOwnerOf(p) != nullptr) return ResizeManual(p, least, most, zero);
  Extent* block = FindBlock(p, Act::kRealloc);
  if (XALLOC_UNLIKELY(block == nullptr || Reporting())) return old_size;
  // A large block stays large: one that would be small could not be freed by its new size.
  if (most <= kMaxSmall || (!LargeResizeInPlace(g_extents, block, most) && (least <= old_size || !LargeResizeInPlace(g_extents, block, least)))) {
    return old_size;
  }
  const size_t new_size = block->block.usable;
  NoteResized(old_size, new_size);
  if (zero && new_size > old_size) {
    memset(static_cast<char*>(p) + old_size, 0, new_size - old_size);
  } else {
    Filled(p, old_size, new_size);
  }
  return new_size;
}

void* AllocateIn(const ArenaRef& arena, size_t size, size_t alignment, bool zero) {
  OwnCache();  // the options are read by now
  const unsigned cls = AlignedSizeToClass(size, alignment);
  if (cls == 0) return AllocateLargeIn(arena.manual, Max(size, size_t{1}), alignment, zero);
  if (SteppedAside()) return HandOver(size, alignment, zero);
  void* p = arena.manual != nullptr && !Reporting() ? AllocateManual(arena.manual, size, alignment, false)
                                                    : OrFromUnused(size, [=] { return AllocateSlot(arena, size, cls, true); });
  return p != nullptr && zero ? memset(p, 0, size) : p;
}

void* AllocateUncached(size_t size, size_t alignment, bool zero) {
  OwnCache();
  const unsigned cls = AlignedSizeToClass(size, alignment);
  if (cls == 0) return AllocateLarge(Max(size, size_t{1}), alignment, zero);
  if (SteppedAside()) return HandOver(size, alignment, zero);
  if (const ArenaRef home = HomeArena(); home.manual != nullptr) return AllocateIn(home, size, alignment, zero);
  void* p = OrFromUnused(size, [=] { return AllocateSlot(HomeArena(), size, cls, false); });
  return p != nullptr && zero ? memset(p, 0, size) : p;
}

unsigned ClassOfBlock(const void* p, Act act, bool* live) {
  *live = true;
  if (AnyManual() && g_page_map.CodeOf(p) == 0) {
    // What is wrong with it, the arena says when it is freed.
    const ManualBlock block = LookAtManual(p);
    if (block.arena != nullptr) return block.misuse == Misuse::kNone ? block.cls : 0;
  }
  if (const unsigned code = SlabCodeOf(p); code != 0) {
    if (!Tolerated() || act != Act::kFree) CheckedClass(p, code, act);
    if (!Reporting() && !SteppedAside()) *live = CheckSlot(p, code / 2, act);
    return code / 2;
  }
  return 0;
}

void FreeUncached(unsigned cls, void* p) {
  if (AnyManual() && FreeManual(p)) return;
  if (Extent* slab = (g_options.junk & kJunkFree) != 0 ? g_extents.Find(p) : nullptr; slab != nullptr && SlotIsOut(slab, p)) {
    FillFreed(p, ClassSize(cls));
  }
  t_local.deallocated += ClassSize(cls);
  Report(Arena::FlushToSlabs(cls, &p, 1));
  NoteUncachedEvent();
}

void FlushOwnCache(bool check) {
  if (t_local.state != ThreadState::kLive) return;
  ThreadCache* cache = OwnCache();
  cache->lock.Acquire(os::Rank::kCache);
  const FlushResult bad = FlushAll(cache, check);
  cache->lock.Release(os::Rank::kCache);
  Report(bad);
}

void ReturnUnused() {
  FlushOwnCache(true);
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i); arena != nullptr) Report(arena->DrainDepots());
  }
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i); arena != nullptr) arena->ReleaseEmptySlabs();
  }
}

}  // namespace xalloc
