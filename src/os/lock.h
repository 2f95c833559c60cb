// SPDX-License-Identifier: MIT
// lock.h: the one lock of the library: four bytes, a short spin, then a futex.
//
//   Used by  every layer above
//   Never    allocates, never calls libc
//
// Fork: the forking thread closes a gate instead of taking every lock (64 arenas have 4000). A thread that holds no lock stops at
// the closed gate before it works under the first one it takes; the forking thread then sees each lock free once, in rank order,
// and nobody but itself holds any until the gate opens: it may allocate in between, as other libraries' fork handlers do. A thread
// that holds only its own cache's lock counts as holding none: nobody waits for those while the gate is closed.
//
// Ranks follow the layers, and a thread takes locks in ascending rank only. Debug builds check the rank of every
// acquisition and that no system call of PageOps is made while a lock of rank kBin or above is held.
#pragma once

#include <stdint.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/attributes.h"

namespace xalloc::os {

enum class Rank : uint8_t {
  kInit = 0,       // one-time initialisation
  kCacheList = 1,  // which thread caches exist
  kCache = 2,      // one cache's slow path: its thread, or whoever drains it; may be held over a system call
  kGrow = 3,       // growth of the extent heap: one thread at a time asks the kernel for more; held over system calls
  kBin = 4,        // one size class of one arena; a manual arena; an explicit cache; which of these exist. One of them at a time
  kAddresses = 5,  // which manual arena an address belongs to
  kExtents = 6,    // the extent heap
  kMeta = 7,       // memory for our own bookkeeping
};

#if XALLOC_DEBUG
void DebugAcquired(Rank rank);
void DebugReleased(Rank rank);
void DebugForgetLocks();             // the thread holds nothing (fork child)
void DebugAssertNoLockOverSyscall();  // aborts if a lock of rank kBin or above is held
void DebugAssertNoLockOverPurge();    // aborts if any is held, but for that of growth
#else
inline void DebugAcquired(Rank) {}
inline void DebugReleased(Rank) {}
inline void DebugForgetLocks() {}
inline void DebugAssertNoLockOverSyscall() {}
inline void DebugAssertNoLockOverPurge() {}
#endif

// What locks of a rank cost, in builds that count it (bench/: xalloc_counted); any other build has none of it.
struct LockCounts {
  uint64_t taken = 0;
  uint64_t waited = 0;  // times that it was not free
  uint64_t held = 0;    // arch::Ticks in all
  uint64_t longest = 0;
  uint64_t blocks = 0;  // basic blocks of ours executed meanwhile, in all
  uint64_t most = 0;
};
constexpr unsigned kRanks = 8;
#if XALLOC_LOCK_COUNTS
constexpr bool kCountsLocks = true;
void NoteWaited(Rank rank);
void NoteTaken(Rank rank);
void NoteReleased(Rank rank);
LockCounts LockCountsOf(Rank rank);
uint64_t TicksPerSecond();  // of arch::Ticks, since the first lock was taken
#else
constexpr bool kCountsLocks = false;
inline void NoteWaited(Rank) {}
inline void NoteTaken(Rank) {}
inline void NoteReleased(Rank) {}
inline LockCounts LockCountsOf(Rank) { return {}; }
inline uint64_t TicksPerSecond() { return 0; }
#endif

// What a thread must know of fork at each lock.
struct ForkGate {
  static constexpr uint32_t kOpen = 0, kClosed = 1, kAwaited = 2;
  Atomic<uint32_t> state{kOpen};     // ordered against the words of the locks; written by the forking thread and by who waits
  Atomic<uint32_t> generation{0};    // how many forks lie between this process and the first; shifted as in Lock. Relaxed:
                                     // changes only in a child that has one thread
  Atomic<uintptr_t> owner{0};        // the thread pointer of the thread that closed it; 0: open. Relaxed: a thread asks for itself

  // By one thread at a time.
  void Close();
  // By who closed it, in the parent.
  void Open();
  // The same in the child, which that thread alone survived into: every lock is free there, without one being written to. A thread
  // that took a lock only to see the gate closed may have left its mark in the copy; it is of an older generation.
  void OpenInChild();
  // True for the thread that closed it: it passes.
  bool IsMine() const { return owner.Relaxed() == arch::ThreadPointer(); }
  void WaitWhileClosed();
};
extern ForkGate g_fork_gate;

// Locks that the calling thread holds, its own cache's excepted.
extern constinit thread_local uint32_t t_locks_held [[gnu::tls_model("initial-exec")]];

class Lock {
 public:
  constexpr Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void Acquire(Rank rank) {
    DebugAcquired(rank);
    uint32_t expected = kFree;
    if (XALLOC_UNLIKELY(!word_.CompareExchangeOrdered(expected, g_fork_gate.generation.Relaxed() | kHeld))) {
      NoteWaited(rank);
      AcquireSlow();
    }
    NoteTaken(rank);
    if (rank == Rank::kCache || t_locks_held++ != 0) return;
    if (XALLOC_UNLIKELY(g_fork_gate.state.Ordered() != ForkGate::kOpen)) StandAtGate();
  }
  void Release(Rank rank) {
    DebugReleased(rank);
    NoteReleased(rank);
    if (rank != Rank::kCache) t_locks_held--;
    ReleaseWord();
  }
  // By the thread that closed the gate: returns once the lock has been free since then.
  void AwaitFree() {
    if (XALLOC_LIKELY(word_.Ordered() == kFree)) return;
    AcquireSlow();
    ReleaseWord();
  }

 private:
  friend struct ForkGate;
  // Held and contended carry the generation of the process in the bits above; with an older one, the lock is free.
  static constexpr uint32_t kFree = 0, kHeld = 1, kContended = 2, kGeneration = 4;
  static bool IsFree(uint32_t word) { return word == kFree || (word & ~(kGeneration - 1)) != g_fork_gate.generation.Relaxed(); }
  void AcquireSlow();
  void StandAtGate();
  void WakeOne();
  void ReleaseWord() {
    if (XALLOC_UNLIKELY((word_.ExchangeRelease(kFree) & kContended) != 0)) WakeOne();
  }

  Atomic<uint32_t> word_{kFree};  // written by all; ordered on taking (see ForkGate), pairs with release on giving back
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
