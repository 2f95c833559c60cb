// SPDX-License-Identifier: MIT
// thread_cache.h: what a thread keeps for itself, and the layout that the hit path reads.
//
// One bin per size class is a stack of pointers:
//
//     base -> [ NULL ] [ p1 ] [ p2 ] ... [ pn ] [ . ] [ . ]
//              sentinel                    ^ top       ^ limit
//
//   pop   v = *top; v == NULL: empty, slow path; else top -= 1
//   push  top == limit: full, slow path; else *++top = p
//
// No count, no flag, no touch of the object. A thread without a cache (new, dead, or told to have none) points at kEmptyCache,
// whose bins are always empty and always full: "not initialised", "bin empty" and "feature on" are one branch.
//
// Invariants, per bin, base = array + bottom: I1 *base == NULL. I2 base <= top <= limit. I3 slots above base and up to top are non-null, unless a drain
// put a new sentinel there. I4 limit == array + capacity.
// Thread safety: the front is its thread's alone, but for the drain (drain.cc), which needs no help from the hit path. All else is
// guarded by `lock`, taken by the thread's slow paths and by whoever drains it.
#pragma once

#include "arena/arena.h"

namespace xalloc {

struct CacheBin {
  void** top;
  void** limit;
};

// The part that the hit path reads: one cache line of table per 64 x 8 bytes of sizes, and the bins.
struct alignas(64) CacheFront {
  uint8_t tiny_code[136];  // [(size + 7) / 8], size <= kMaxTiny: the bin code
  CacheBin bins[kNumBins];

  XALLOC_INLINE CacheBin* BinAt(unsigned code) { return reinterpret_cast<CacheBin*>(reinterpret_cast<char*>(bins) + size_t{code} * 8); }
};

// What only slow paths need of a bin.
struct BinState {
  void** array;        // null: never used
  uint16_t bottom;     // the sentinel is array[bottom]: 0, more after a drain
  uint16_t capacity;   // slots of the array above array[0]
  uint16_t fill;       // objects of the next refill
  uint16_t last;       // objects at the last tick
  uint8_t underflows;  // refills since the last tick
  uint8_t overflows;   // times it was full since the last growth or tick
  uint8_t refills;     // since the bin's birth, as far as kSlowRefills

  void** base() const { return array + bottom; }
};

constexpr unsigned kInlineSlots = 8;  // of each bin, sentinel included, inside the cache's own block

struct ThreadCache : CacheFront {
  BinState state[kNumBins];
  os::Lock lock;
  uint32_t slow_events;  // written by its thread, read by whoever looks whether it is idle: relaxed
  size_t grown_bytes;  // what the bins beyond their inline slots could hold
  uintptr_t owner;     // the thread pointer of its thread
  uint64_t seen;       // what DrainIdleCaches saw last; it alone writes this, and `looks`
  uint32_t looks;      // how often in a row it saw the same
  bool pinned;         // not to be drained: its thread forks. Guarded by `lock`
  uint64_t drained;    // bytes that others took out of it and its thread has not counted. Guarded by `lock`
  uint64_t credited;   // bytes in it that its thread has counted as given back
  ThreadCache* next;   // all live caches, or the recycled ones
  ThreadCache* prev;
  void* slots[kNumBins][kInlineSlots];
};

extern const CacheFront kEmptyCache;

enum class ThreadState : uint8_t {
  kNew,   // no cache yet: the next slow path makes one
  kLive,  // has one
  kNone,  // has none and gets none: after its end, or with tcache:false
  kBound,  // has none while it is bound to a manual arena
  kAside,  // has none: a sanitizer is in charge, and everything is handed to it (os/sanitizer.h)
  kReporting,  // has reported a misuse: everything it allocates comes from the last words, what it frees is left alone
};

// The whole of the library's thread-local state.
struct ThreadLocal {
  CacheFront* front;
  ThreadState state;
  bool counted;  // by CountThread, not yet taken off again
  bool printing;  // statistics (stats/interval.cc): what that allocates brings no more of them
  // Bytes moved to and from this thread, and the most that their difference has been since the thread asked: see thread_stats.h.
  uint64_t allocated, deallocated;
  uint64_t peak, peak_base;
};
// constinit on the declaration too: else every access asks whether it must be constructed first.
extern constinit thread_local ThreadLocal t_local [[gnu::tls_model("initial-exec")]];

XALLOC_INLINE bool SteppedAside() { return XALLOC_UNLIKELY(t_local.state == ThreadState::kAside); }
XALLOC_INLINE bool Reporting() { return XALLOC_UNLIKELY(t_local.state == ThreadState::kReporting); }

// The calling thread's cache; made if the thread has none yet. Null: go straight to the arena.
ThreadCache* OwnCache();

// ---- slow paths of one bin; the caller holds cache->lock ------------------------------------------------------------------

// The bin is empty: refills it from the arena and pops one. Null: the arena has none ready.
void* RefillAndPop(ThreadCache* cache, unsigned cls, Arena* arena);
// The bin is full: makes room by growing it or by flushing, then pushes.
FlushResult MakeRoomAndPush(ThreadCache* cache, unsigned cls, void* p);
// After every kTickEvents slow events: gives back what was not used.
FlushResult ShrinkUnused(ThreadCache* cache);
// Empties every bin; `check` sends all of it past the depots, so that each object is checked.
FlushResult FlushAll(ThreadCache* cache, bool check);
constexpr uint32_t kTickEvents = 64;

// What tcache_ncached_max allows of a class; 0: none are cached.
unsigned CachedAtMostByRanges(unsigned cls);
XALLOC_INLINE unsigned CachedAtMost(unsigned cls) { return XALLOC_LIKELY(g_options.cached_ranges[0].high == 0) ? ~0u : CachedAtMostByRanges(cls); }

// Empties one bin of the calling thread's cache, whose lock it does not hold.
void FlushClass(ThreadCache* cache, unsigned cls);

void ValidateCache(ThreadCache* cache);

// ---- all caches (registry.cc, drain.cc) --------------------------------------------------------------------------------------

// Runs fn(cache, context) for each live cache, under the registry's lock.
void ForEachCache(void (*fn)(ThreadCache*, void*), void* context);
// Up to `most` of those in one bucket, after the first `skip`, as they are now. Returns how many.
constexpr unsigned kCacheBuckets = 128;
unsigned SomeCaches(unsigned bucket, unsigned skip, ThreadCache** caches, unsigned most);
unsigned LiveCaches();
os::Lock& CacheRegistryLock();
os::Lock& StartLock();  // held while the options are read
// Drains the other threads' caches into the arenas (bottom-steal); leaves one object a class. Returns bytes moved.
size_t DrainOtherCaches();
// Looks at every cache but the caller's: what has not changed for `looks` calls in a row is drained in the same way. One thread at a time.
struct IdleLook {
  size_t moved;  // bytes
  bool changed;  // a cache that was looked at before has changed since
};
IdleLook DrainIdleCaches(uint32_t looks);
// While the calling thread forks: a drain that is half done would be so for ever in the child.
void PinOwnCache(bool pinned);
// Options were compiled into the program or into the library.
bool ProgramHasConf();
// Whether the calling thread has a cache or will have one; gives it up, or lets the thread have one again.
bool CacheEnabled();
void EnableCache(bool enabled);
// Ends the calling thread's cache: at thread exit.
void EndThread();
// The same while it lives on, bound to a manual arena.
void GiveUpOwnCache();
// The program starts a thread (+1), or could not (-1). The new thread says so itself, first thing, to be taken off when it ends; the
// program's first one is counted when the library is loaded.
void CountThread(int change);
void ThreadBegins(bool first = false);
// Whether the program has more than one thread, as far as they were counted or have caches.
bool HasThreads();
// The calling thread is one of our own: it gets no cache.
void DoWithoutCache();
// In a fork child: the caller's cache is the only one; the others' contents are lost and counted.
void ForgetOtherCaches();

}  // namespace xalloc
