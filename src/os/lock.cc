// SPDX-License-Identifier: MIT
#include "os/lock.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "os/system.h"

namespace xalloc::os {
namespace {
constexpr long kFutexWaitPrivate = 0 | 128;
constexpr long kFutexWakePrivate = 1 | 128;
void FutexWait(Atomic<uint32_t>& word, uint32_t value) {
  arch::Syscall(SYS_futex, reinterpret_cast<long>(word.Address()), kFutexWaitPrivate, static_cast<long>(value));
}
void FutexWake(Atomic<uint32_t>& word, int count) { arch::Syscall(SYS_futex, reinterpret_cast<long>(word.Address()), kFutexWakePrivate, count); }
constexpr int kSpins = 100;  // a bin's critical section is 50-500 ns, a pause 10-40 ns: longer means the holder was descheduled
}  // namespace

XALLOC_NOINLINE void Lock::AcquireSlow() {
  for (int i = 0; i < kSpins; ++i) {
    arch::SpinHint();
    uint32_t found = word_.Relaxed();
    if (IsFree(found) && word_.CompareExchangeOrdered(found, g_fork_gate.generation.Relaxed() | kHeld)) return;
  }
  const uint32_t contended = g_fork_gate.generation.Relaxed() | kContended;
  while (!IsFree(word_.ExchangeOrdered(contended))) FutexWait(word_, contended);
}

XALLOC_NOINLINE void Lock::WakeOne() { FutexWake(word_, 1); }

// The lock is held, and the gate was seen closed after that: nothing was touched yet, so it goes back and is taken anew.
XALLOC_COLD void Lock::StandAtGate() {
  while (!g_fork_gate.IsMine() && g_fork_gate.state.Ordered() != ForkGate::kOpen) {
    ReleaseWord();
    g_fork_gate.WaitWhileClosed();
    AcquireSlow();
  }
}

void ForkGate::WaitWhileClosed() {
  for (;;) {
    uint32_t seen = kClosed;
    if (!state.CompareExchangeOrdered(seen, kAwaited) && seen == kOpen) return;
    FutexWait(state, kAwaited);
  }
}

void ForkGate::Close() {
  owner.SetRelaxed(arch::ThreadPointer());
  state.ExchangeOrdered(kClosed);
}

void ForkGate::Open() {
  owner.SetRelaxed(0);
  if (state.ExchangeOrdered(kOpen) == kAwaited) FutexWake(state, INT_MAX);
}

void ForkGate::OpenInChild() {
  generation.SetRelaxed(generation.Relaxed() + Lock::kGeneration);
  state.SetRelaxed(kOpen);
  owner.SetRelaxed(0);
}

alignas(64) constinit ForkGate g_fork_gate;
constinit thread_local uint32_t t_locks_held [[gnu::tls_model("initial-exec")]] = 0;

#if XALLOC_DEBUG
namespace {
// One bit per rank that this thread holds.
constinit thread_local uint32_t t_held [[gnu::tls_model("initial-exec")]] = 0;

[[noreturn]] void Fail(const char* what, size_t length) {
  WriteAll(2, what, length);
  abort();
}
}  // namespace

void DebugAcquired(Rank rank) {
  const uint32_t bit = 1u << static_cast<unsigned>(rank);
  constexpr char kText[] = "xalloc: lock rank violated\n";
  if (t_held >= bit) Fail(kText, sizeof kText - 1);
  t_held |= bit;
}
void DebugReleased(Rank rank) { t_held &= ~(1u << static_cast<unsigned>(rank)); }
void DebugForgetLocks() { t_held = 0; }
void DebugAssertNoLockOverSyscall() {
  constexpr char kText[] = "xalloc: system call under a lock\n";
  if (t_held >= 1u << static_cast<unsigned>(Rank::kBin)) Fail(kText, sizeof kText - 1);
}
void DebugAssertNoLockOverPurge() {
  constexpr char kText[] = "xalloc: memory given back under a lock\n";
  if ((t_held & ~(1u << static_cast<unsigned>(Rank::kGrow))) != 0) Fail(kText, sizeof kText - 1);
}
#endif

}  // namespace xalloc::os
