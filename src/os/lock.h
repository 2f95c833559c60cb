// SPDX-License-Identifier: MIT
// lock.h: the one lock of the library: four bytes, a short spin, then a futex.
//
//   Used by  every layer above; fork takes them all in rank order
//   Never    allocates, never calls libc, works in a fork child after Reset()
//
// Ranks follow the layers, and a thread takes locks in ascending rank only. Debug builds check the rank of every
// acquisition and that no system call of PageOps is made while a lock of rank kBin or above is held.
#pragma once

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/attributes.h"

namespace xalloc::os {

enum class Rank : uint8_t {
  kInit = 0,       // one-time initialisation
  kCacheList = 1,  // which thread caches exist
  kCache = 2,      // one cache's slow path: its thread, or whoever drains it; may be held over a system call
  kGrow = 3,       // growth of the extent heap: one thread at a time asks the kernel for more; held over system calls
  kBin = 4,        // one size class of one arena
  kExtents = 5,    // the extent heap
  kMeta = 6,       // memory for our own bookkeeping
};

#if XALLOC_DEBUG
void DebugAcquired(Rank rank);
void DebugReleased(Rank rank);
void DebugForgetLocks();             // the thread holds nothing (fork child)
void DebugAssertNoLockOverSyscall();  // aborts if a lock of rank kBin or above is held
#else
inline void DebugAcquired(Rank) {}
inline void DebugReleased(Rank) {}
inline void DebugForgetLocks() {}
inline void DebugAssertNoLockOverSyscall() {}
#endif

class Lock {
 public:
  constexpr Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void Acquire(Rank rank) {
    DebugAcquired(rank);
    uint32_t expected = kFree;
    if (XALLOC_UNLIKELY(!word_.CompareExchangeAcquire(expected, kHeld))) AcquireSlow();
  }
  // For fork, which takes all locks of a rank, in one order.
  void AcquireAmongEquals(Rank rank) {
    DebugReleased(rank);
    Acquire(rank);
  }
  void Release(Rank rank) {
    DebugReleased(rank);
    if (XALLOC_UNLIKELY(word_.ExchangeRelease(kFree) == kContended)) WakeOne();
  }
  // In a fork child, whose other threads are gone: free again, whatever it was.
  void Reset() { word_.SetRelaxed(kFree); }

 private:
  static constexpr uint32_t kFree = 0, kHeld = 1, kContended = 2;
  void AcquireSlow();
  void WakeOne();

  Atomic<uint32_t> word_{kFree};  // written by all; acquire on taking pairs with release on giving back
};

template <Rank R>
class [[nodiscard]] Guard {
 public:
  explicit Guard(Lock& lock) : lock_(lock) { lock_.Acquire(R); }
  ~Guard() { lock_.Release(R); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace xalloc::os
