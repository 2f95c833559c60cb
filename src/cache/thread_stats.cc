// SPDX-License-Identifier: MIT
#include "cache/thread_stats.h"

#include "cache/fast_path.h"

namespace xalloc {
namespace {

uint64_t BytesIn(const ThreadCache* cache) {
  uint64_t bytes = 0;
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    const BinState& s = cache->state[cls];
    if (s.array != nullptr) bytes += static_cast<uint64_t>(cache->bins[cls].top - s.base()) * ClassSize(cls);
  }
  return bytes;
}

uint64_t Held() { return t_local.allocated - t_local.deallocated; }

}  // namespace

void BeginThreadStats(ThreadCache* cache) {
  cache->drained = 0;
  cache->credited = BytesIn(cache);
}

void SettleThreadStats(ThreadCache* cache) {
  const uint64_t cached = BytesIn(cache);
  const uint64_t given = cached + cache->drained;
  cache->drained = 0;
  if (given >= cache->credited) {
    t_local.deallocated += given - cache->credited;
  } else {
    t_local.allocated += cache->credited - given;
  }
  cache->credited = cached;
}

void SyncThreadStats() {
  if (t_local.state == ThreadState::kLive) {
    auto* cache = static_cast<ThreadCache*>(t_local.front);
    cache->lock.Acquire(os::Rank::kCache);
    SettleThreadStats(cache);
    cache->lock.Release(os::Rank::kCache);
  }
  const uint64_t held = Held();
  if (static_cast<int64_t>(held - t_local.peak_base) > static_cast<int64_t>(t_local.peak)) t_local.peak = held - t_local.peak_base;
}

uint64_t* AllocatedWord() {
  if (ThreadCache* cache = OwnCache(); cache != nullptr) FlushClass(cache, SizeToClass(1));
  SyncThreadStats();
  return &t_local.allocated;
}

uint64_t* DeallocatedWord() {
  SyncThreadStats();
  return &t_local.deallocated;
}

uint64_t PeakOfThread() {
  SyncThreadStats();
  return t_local.peak;
}

void ResetPeakOfThread() {
  SyncThreadStats();
  t_local.peak_base = Held();
  t_local.peak = 0;
}

}  // namespace xalloc
