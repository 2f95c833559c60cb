// SPDX-License-Identifier: MIT
#include "os/lock.h"

#include <stdlib.h>
#include <sys/syscall.h>

#include "os/system.h"

namespace xalloc::os {
namespace {
constexpr long kFutexWaitPrivate = 0 | 128;
constexpr long kFutexWakePrivate = 1 | 128;
constexpr int kSpins = 100;  // a bin's critical section is 50-500 ns, a pause 10-40 ns: longer means the holder was descheduled
}  // namespace

XALLOC_NOINLINE void Lock::AcquireSlow() {
  for (int i = 0; i < kSpins; ++i) {
    arch::SpinHint();
    uint32_t expected = kFree;
    if (word_.Relaxed() == kFree && word_.CompareExchangeAcquire(expected, kHeld)) return;
  }
  while (word_.ExchangeAcquire(kContended) != kFree) {
    arch::Syscall(SYS_futex, reinterpret_cast<long>(word_.Address()), kFutexWaitPrivate, kContended);
  }
}

XALLOC_NOINLINE void Lock::WakeOne() { arch::Syscall(SYS_futex, reinterpret_cast<long>(word_.Address()), kFutexWakePrivate, 1); }

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
#endif

}  // namespace xalloc::os
