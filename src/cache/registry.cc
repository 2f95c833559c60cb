// SPDX-License-Identifier: MIT
// Birth, death and the list of thread caches.
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
constinit CacheList g_live[kCacheBuckets];
static_assert(kCacheBuckets == 1u << (64 - 57));
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

unsigned SomeCaches(unsigned bucket, unsigned skip, ThreadCache** caches, unsigned most) {
  os::Guard<os::Rank::kCacheList> guard(g_lock);
  unsigned n = 0;
  for (ThreadCache* cache = g_live[bucket].front(); cache != nullptr && n < most; cache = cache->next) {
    if (skip != 0) {
      --skip;
    } else {
      caches[n++] = cache;
    }
  }
  return n;
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
