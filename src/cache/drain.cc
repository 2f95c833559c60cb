// SPDX-License-Identifier: MIT
// Draining the caches of threads that are elsewhere (bottom-steal).
#include "cache/thread_cache.h"
#include "os/system.h"

namespace xalloc {
namespace {

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

// Calls fn(cache) for each cache but the caller's, without the registry's lock, so that threads come and go meanwhile: a cache is never
// freed, and one that has changed hands is as good to drain. False from fn: enough.
template <class Fn>
void ForEachOther(Fn fn) {
  constexpr unsigned kAtOnce = 16;
  for (unsigned bucket = 0; bucket < kCacheBuckets; ++bucket) {
    for (unsigned skip = 0, n = kAtOnce; n == kAtOnce; skip += n) {
      ThreadCache* caches[kAtOnce];
      n = SomeCaches(bucket, skip, caches, kAtOnce);
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

}  // namespace xalloc
