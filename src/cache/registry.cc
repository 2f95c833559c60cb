// SPDX-License-Identifier: MIT
// Birth, death and the list of thread caches; draining the caches of threads that are elsewhere.
#include <pthread.h>
#include <string.h>

#include "cache/explicit.h"
#include "cache/hooks.h"
#include "cache/thread_cache.h"
#include "cache/thread_stats.h"
#include "os/sanitizer.h"
#include "os/system.h"

// Options that the program compiles in: its own definition wins over this one.
extern "C" {
[[gnu::weak, gnu::visibility("default")]] const char* xmalloc_conf = nullptr;
// Defined where malloc is. The core alone, as unit tests and the fuzzer link it, is what a sanitizer is to look at: it never yields.
[[gnu::weak, gnu::visibility("hidden")]] extern const char xalloc_replaces_malloc;
// Defined in the libraries that carry jemalloc's names: their malloc_conf.
[[gnu::weak, gnu::visibility("hidden")]] extern const char** const xalloc_second_conf;
}

namespace xalloc {

namespace {
constexpr CacheFront MakeEmptyCache();
XALLOC_ALWAYS_READ("empty") constinit void* const g_always_empty[1] = {nullptr};  // the one slot of every bin of the empty cache: only ever read
}  // namespace

constinit thread_local ThreadLocal t_local [[gnu::tls_model("initial-exec")]] = {const_cast<CacheFront*>(&kEmptyCache), ThreadState::kNew, false, false, 0, 0, 0, 0};

namespace {

constexpr CacheFront MakeEmptyCache() {
  CacheFront front{};
  for (size_t i = 0; i < sizeof front.tiny_code; ++i) front.tiny_code[i] = static_cast<uint8_t>(SizeToClass(Min(i * 8, kMaxTiny)) * 2);
  for (CacheBin& bin : front.bins) bin = {const_cast<void**>(g_always_empty), const_cast<void**>(g_always_empty)};
  return front;
}

using CacheList = List<ThreadCache, &ThreadCache::next, &ThreadCache::prev>;
constinit os::Lock g_lock;  // guards the two lists
// By the hash of their threads' pointers: see NewCache.
constexpr unsigned kBuckets = 128;
constinit CacheList g_live[kBuckets];
CacheList& LiveListOf(uintptr_t owner) { return g_live[(owner >> 6) * 0x9E3779B97F4A7C15ull >> 57]; }
constinit CacheList g_recycled;          // ended threads' caches, empty, with the sizes they had grown to
constinit Atomic<unsigned> g_live_count{0};  // relaxed: changed under g_lock, read without as a share of the budget or a hint
constinit Atomic<int> g_counted{0};      // ordered: the purger and a thread that ends look at each other

constinit Atomic<bool> g_started{false};  // set (release) when the options are read; read (acquire) by new threads
constinit os::Lock g_start_lock;
constinit pthread_key_t g_exit_key = 0;
constinit bool g_exit_key_made = false;

void OnThreadExit(void*) { EndThread(); }

XALLOC_COLD void StartProcess() {
  os::Guard<os::Rank::kInit> guard(g_start_lock);
  if (g_started.Acquire()) return;
  LoadOptions({xmalloc_conf, &xalloc_second_conf != nullptr ? *xalloc_second_conf : nullptr});
  g_exit_key_made = pthread_key_create(&g_exit_key, OnThreadExit) == 0;
  g_started.SetRelease(true);
}

void Register(ThreadCache* cache) {
  LiveListOf(cache->owner).PushBack(cache);
  g_live_count.AddRelaxed(1);
}

// The caller's cache, among the live ones. A thread whose first allocation comes in the last round of key destructors ends without
// ours being called: its cache is left behind, and found here by the next thread whose stack and thread pointer are the same.
ThreadCache* NewCache() {
  const uintptr_t self = arch::ThreadPointer();
  g_lock.Acquire(os::Rank::kCacheList);
  ThreadCache* cache = LiveListOf(self).front();
  while (cache != nullptr && cache->owner != self) cache = cache->next;
  const bool left_behind = cache != nullptr;
  if (cache == nullptr) cache = g_recycled.PopFront();
  g_lock.Release(os::Rank::kCacheList);
  if (left_behind) return cache;
  if (cache == nullptr) {
    cache = static_cast<ThreadCache*>(g_meta.Allocate(sizeof(ThreadCache)));
    if (cache == nullptr) return nullptr;
    memcpy(static_cast<void*>(cache), &kEmptyCache, sizeof kEmptyCache);
  }
  cache->owner = self;
  os::Guard<os::Rank::kCacheList> guard(g_lock);
  Register(cache);
  return cache;
}

// What must see every operation runs without caches: then each one is a slow path.
bool WantsCache() { return g_options.tcache != 0 && g_options.thread_stats == 0 && g_options.junk == 0 && g_options.zero == 0; }

XALLOC_COLD ThreadCache* StartThread() {
  if (&xalloc_replaces_malloc != nullptr && os::SanitizerPresent()) {
    t_local.state = ThreadState::kAside;
    return nullptr;
  }
  if (!g_started.Acquire()) {
    // A warning about an option may call the program's xmalloc_message, which may allocate: straight from the arena.
    t_local.state = ThreadState::kNone;
    StartProcess();
    t_local.state = ThreadState::kNew;
  }
  if (!WantsCache()) {
    t_local.state = ThreadState::kNone;
    return nullptr;
  }
  ThreadCache* cache = NewCache();
  if (cache == nullptr) return nullptr;
  BeginThreadStats(cache);
  t_local.front = cache;
  t_local.state = ThreadState::kLive;
  // May allocate (keys beyond the first 32): the cache is in use by now.
  if (g_exit_key_made) pthread_setspecific(g_exit_key, cache);
  return cache;
}

// What is taken from under one bin of a cache whose thread goes on using it. The proof is docs/design/models/bottom_steal.pml: mark, two
// barriers, of which the first comes before `top` is read and the second after it, settle. Many bins of a cache share the barriers.
struct Steal {
  void* keep;
  uint16_t new_base;  // a slot of the array: null is there now, instead of `keep`
  uint16_t top;       // another, as it was between the barriers
  uint8_t cls;
};

// Relaxed: of what the owner changes by plain stores. The barriers that it is made to pass order them.
void** TopOf(ThreadCache* cache, unsigned cls) { return __atomic_load_n(&cache->bins[cls].top, __ATOMIC_RELAXED); }

bool MarkBottom(ThreadCache* cache, unsigned cls, Steal* steal) {
  BinState& s = cache->state[cls];
  if (s.array == nullptr || cache->pinned) return false;
  void** new_base = TopOf(cache, cls) - 1;
  if (new_base <= s.base()) return false;
  void* keep = __atomic_exchange_n(new_base, nullptr, __ATOMIC_SEQ_CST);
  *steal = {keep, static_cast<uint16_t>(new_base - s.array), 0, static_cast<uint8_t>(cls)};
  return keep != nullptr;
}

bool SettleBottom(ThreadCache* cache, const Steal& steal) {
  void** new_base = cache->state[steal.cls].array + steal.new_base;
  if (steal.top > steal.new_base && __atomic_load_n(new_base, __ATOMIC_RELAXED) == nullptr) return true;
  // The owner was there: put it back. A slot that is no longer null was pushed to, and `keep` was popped before that.
  void* expected = nullptr;
  __atomic_compare_exchange_n(new_base, &expected, steal.keep, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  return false;
}

}  // namespace

constinit const CacheFront kEmptyCache = MakeEmptyCache();

ThreadCache* OwnCache() {
  if (XALLOC_LIKELY(t_local.state == ThreadState::kLive)) return static_cast<ThreadCache*>(t_local.front);
  return t_local.state == ThreadState::kNew ? StartThread() : nullptr;
}

void ForEachCache(void (*fn)(ThreadCache*, void*), void* context) {
  os::Guard<os::Rank::kCacheList> guard(g_lock);
  for (CacheList& list : g_live) {
    for (ThreadCache* cache = list.front(); cache != nullptr; cache = cache->next) fn(cache, context);
  }
}

unsigned LiveCaches() { return g_live_count.Relaxed(); }
os::Lock& CacheRegistryLock() { return g_lock; }
os::Lock& StartLock() { return g_start_lock; }

namespace {

struct Drained {
  size_t bytes = 0;
  FlushResult bad;
};

// So many bins are drained together: no more, for a tick may have no stack to remember them.
constexpr unsigned kBinsAtOnce = 16;

// Drains the bins from class `cls` upward and returns the first that was not looked at. Under the cache's lock throughout: its thread
// uses what is above, and waits only where it would refill or flush.
unsigned DrainFrom(unsigned cls, ThreadCache* cache, Drained& drained) {
  Steal steals[kBinsAtOnce];
  unsigned marked = 0, taken = 0;
  os::Guard<os::Rank::kCache> guard(cache->lock);
  for (; cls <= kNumClasses && marked < kBinsAtOnce; ++cls) marked += MarkBottom(cache, cls, &steals[marked]) ? 1 : 0;
  if (marked == 0) return cls;
  const bool fenced = os::MemoryBarrierAllThreads();
  for (unsigned i = 0; i < marked; ++i) {
    steals[i].top = static_cast<uint16_t>(TopOf(cache, steals[i].cls) - cache->state[steals[i].cls].array);
  }
  const bool fenced_again = os::MemoryBarrierAllThreads();
  for (unsigned i = 0; i < marked; ++i) {
    if (!fenced || !fenced_again) steals[i].top = 0;
    if (SettleBottom(cache, steals[i])) steals[taken++] = steals[i];
  }
  for (unsigned i = 0; i < taken && drained.bad.misuse == Misuse::kNone; ++i) {
    const Steal& steal = steals[i];
    BinState& s = cache->state[steal.cls];
    // From the old sentinel up to below the new one it is ours: with what stood at the new one these are the objects, all in a row.
    void** objects = s.base();
    const unsigned n = steal.new_base - unsigned{s.bottom};
    objects[0] = steal.keep;
    s.bottom = steal.new_base;
    cache->drained += n * ClassSize(steal.cls);
    drained.bytes += n * ClassSize(steal.cls);
    drained.bad = Arena::FlushToSlabs(steal.cls, objects, n);
  }
  return cls;
}

void Drain(ThreadCache* cache, Drained& drained) {
  for (unsigned cls = 1; cls <= kNumClasses && drained.bad.misuse == Misuse::kNone;) cls = DrainFrom(cls, cache, drained);
}

// A misuse found here is not this thread's: it is reported all the same, the pointer tells whose.
size_t ReportOf(const Drained& drained) {
  if (drained.bad.misuse != Misuse::kNone) ReportMisuse(drained.bad.misuse, Act::kFree, drained.bad.pointer, drained.bad.size);
  return drained.bytes;
}

// In a fork handler the other threads may stand at the gate with their caches' locks in hand.
bool CanDrain() { return !os::g_fork_gate.IsMine() && os::MemoryBarrierAllThreads(); }

// Changes with nearly everything that a thread does with its cache.
uint64_t Fingerprint(ThreadCache* cache) {
  os::Guard<os::Rank::kCache> guard(cache->lock);
  uint64_t sum = __atomic_load_n(&cache->slow_events, __ATOMIC_RELAXED) + 1;
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    if (cache->state[cls].array == nullptr) continue;
    sum = (sum ^ reinterpret_cast<uintptr_t>(__atomic_load_n(&cache->bins[cls].top, __ATOMIC_RELAXED))) * 0x9E3779B97F4A7C15ull;
  }
  return sum;
}

}  // namespace

namespace {
// Calls fn(cache) for each cache but the caller's, without the registry's lock, so that threads come and go meanwhile: a cache is never
// freed, and one that has changed hands is as good to drain. False from fn: enough.
template <class Fn>
void ForEachOther(Fn fn) {
  constexpr unsigned kAtOnce = 16;
  for (CacheList& list : g_live) {
    for (unsigned skip = 0, n = kAtOnce; n == kAtOnce; skip += n) {
      ThreadCache* caches[kAtOnce];
      n = 0;
      g_lock.Acquire(os::Rank::kCacheList);
      unsigned at = 0;
      for (ThreadCache* cache = list.front(); cache != nullptr && n < kAtOnce; cache = cache->next) {
        if (at++ >= skip) caches[n++] = cache;
      }
      g_lock.Release(os::Rank::kCacheList);
      for (unsigned i = 0; i < n; ++i) {
        if (caches[i] != t_local.front && !fn(caches[i])) return;
      }
    }
  }
}
}  // namespace

size_t DrainOtherCaches() {
  if (!CanDrain()) return 0;
  Drained drained;
  ForEachOther([&](ThreadCache* cache) {
    Drain(cache, drained);
    return drained.bad.misuse == Misuse::kNone;
  });
  return ReportOf(drained);
}

IdleLook DrainIdleCaches(uint32_t looks) {
  if (!CanDrain()) return {0, true};
  Drained drained;
  bool changed = false;
  ForEachOther([&](ThreadCache* cache) {
    const uint64_t now = Fingerprint(cache);
    cache->looks = now == cache->seen ? cache->looks + 1 : 0;
    changed = changed || now != cache->seen;
    cache->seen = now;
    if (cache->looks != looks) return true;  // not yet, or drained already
    Drain(cache, drained);
    cache->seen = Fingerprint(cache);
    return drained.bad.misuse == Misuse::kNone;
  });
  return {ReportOf(drained), changed};
}

void PinOwnCache(bool pinned) {
  if (t_local.state != ThreadState::kLive) return;
  auto* cache = static_cast<ThreadCache*>(t_local.front);
  os::Guard<os::Rank::kCache> guard(cache->lock);
  cache->pinned = pinned;
}

void CountThread(int change) { g_counted.AddOrdered(change); }

void ThreadBegins(bool first) {
  t_local.counted = true;
  // Where no key can be had the thread counts for ever, and the purger never takes itself for the last one.
  if (!first && g_exit_key_made) pthread_setspecific(g_exit_key, &t_local);
}

bool HasThreads() { return !os::SingleThreaded() && (g_counted.Ordered() >= 2 || LiveCaches() >= 2); }
void DoWithoutCache() { t_local.state = ThreadState::kNone; }

namespace {
// The calling thread's, which is live: empties it and leaves it to the next thread.
FlushResult RetireOwnCache(ThreadState state) {
  auto* cache = static_cast<ThreadCache*>(t_local.front);
  t_local.front = const_cast<CacheFront*>(&kEmptyCache);
  t_local.state = state;
  cache->lock.Acquire(os::Rank::kCache);
  const FlushResult bad = FlushAll(cache, false);
  SettleThreadStats(cache);
  cache->lock.Release(os::Rank::kCache);
  os::Guard<os::Rank::kCacheList> guard(g_lock);
  LiveListOf(cache->owner).Remove(cache);
  g_live_count.AddRelaxed(~0u);
  g_recycled.PushFront(cache);
  return bad;
}
}  // namespace

void EndThread() {
  bool last = false;
  UnbindThread();
  if (t_local.counted) {
    t_local.counted = false;
    last = g_counted.AddOrdered(-1) == 1;
  }
  if (t_local.state != ThreadState::kLive) {
    // What libc frees for it when it is gone must not make it a cache that nobody ends.
    if (t_local.state == ThreadState::kNew) t_local.state = ThreadState::kNone;
    g_hooks.thread_ended(last);
    return;
  }
  // From here on the thread works straight on the arena: destructors that run after this one may still allocate and free.
  const FlushResult bad = RetireOwnCache(ThreadState::kNone);
  g_hooks.thread_ended(last);
  if (bad.misuse != Misuse::kNone) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
}

bool ProgramHasConf() { return xmalloc_conf != nullptr || (&xalloc_second_conf != nullptr && *xalloc_second_conf != nullptr) || *g_built_in_conf != '\0' || *g_conf_link != '\0'; }

bool CacheEnabled() { return t_local.state == ThreadState::kLive || (t_local.state == ThreadState::kNew && WantsCache()); }

void EnableCache(bool enabled) {
  OwnCache();  // the options are read, and what this thread is, is settled
  if (enabled && t_local.state == ThreadState::kNone && WantsCache()) t_local.state = ThreadState::kNew;
  if (enabled || t_local.state != ThreadState::kLive) return;
  const FlushResult bad = RetireOwnCache(ThreadState::kNone);
  if (bad.misuse != Misuse::kNone) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
}

void GiveUpOwnCache() {
  if (t_local.state == ThreadState::kLive) {
    const FlushResult bad = RetireOwnCache(ThreadState::kBound);
    if (bad.misuse != Misuse::kNone) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
  } else if (t_local.state == ThreadState::kNew) {
    t_local.state = ThreadState::kBound;
  }
}

void ForgetOtherCaches() {
  for (CacheList& list : g_live) list = CacheList();
  g_live_count.SetRelaxed(0);
  // The one thread there is, if threads are counted at all.
  if (g_counted.Relaxed() > 0) {
    g_counted.SetRelaxed(1);
    t_local.counted = true;
  }
  if (t_local.state != ThreadState::kLive) return;
  auto* cache = static_cast<ThreadCache*>(t_local.front);
  Register(cache);
}

}  // namespace xalloc
