// SPDX-License-Identifier: MIT
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "arch/arch.h"

namespace xalloc::os {
namespace {

// Ours goes 8 KiB deep; but extent hooks of the program run on it, too. What is not touched costs address space only.
constexpr size_t kStack = size_t{1} << 20;
constexpr int kSetMask = 2;
constexpr uint64_t Bit(int signal) { return uint64_t{1} << (signal - 1); }
// From 32 up to SIGRTMIN (34 on glibc, 35 on musl) they are libc's, to cancel a thread, and to make all threads change their user: a thread
// that blocks those stops setuid() for ever. A sandbox that answers calls by a handler of SIGSYS would kill a thread that blocks it.
uint64_t AllSignals() { return ~((Bit(SIGRTMIN) - Bit(32)) | Bit(SIGSYS)); }

constinit Atomic<CreateThread> g_create{nullptr};  // relaxed: set to one value only
constinit thread_local bool t_own [[gnu::tls_model("initial-exec")]] = false;

void* Main(void* run) {
  t_own = true;
  reinterpret_cast<void (*)()>(run)();
  return nullptr;
}

}  // namespace

bool InOwnThread() { return t_own; }
void SetCreateThread(CreateThread create) { g_create.SetRelaxed(create); }

void NameThread(const char* name) {
  constexpr int kSetName = 15;
  arch::Syscall(SYS_prctl, kSetName, reinterpret_cast<long>(name));
}

bool StartThread(void (*run)()) {
  const int saved = errno;
  pthread_attr_t attributes;
  bool started = false;
  if (pthread_attr_init(&attributes) == 0) {
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kStack);
    uint64_t before = 0;
    const uint64_t all = AllSignals();
    arch::Syscall(SYS_rt_sigprocmask, kSetMask, reinterpret_cast<long>(&all), reinterpret_cast<long>(&before), sizeof before);
    pthread_t thread;
    const CreateThread create = g_create.Relaxed() != nullptr ? g_create.Relaxed() : pthread_create;
    int error = create(&thread, &attributes, Main, reinterpret_cast<void*>(run));
    if (error == EINVAL && pthread_attr_destroy(&attributes) == 0 && pthread_attr_init(&attributes) == 0) {
      // Thread-local data needs more: libc's default.
      pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
      error = create(&thread, &attributes, Main, reinterpret_cast<void*>(run));
    }
    started = error == 0;
    arch::Syscall(SYS_rt_sigprocmask, kSetMask, reinterpret_cast<long>(&before), 0, sizeof before);
    pthread_attr_destroy(&attributes);
  }
  errno = saved;
  return started;
}

void UnblockSignals() {
  const uint64_t none = 0;
  arch::Syscall(SYS_rt_sigprocmask, kSetMask, reinterpret_cast<long>(&none), 0, sizeof none);
}

void SleepOn(Atomic<uint32_t>& word, uint32_t value, uint64_t ms) {
  constexpr long kFutexWaitPrivate = 0 | 128;
  const struct {
    int64_t seconds, nanoseconds;
  } timeout = {static_cast<int64_t>(ms / 1000), static_cast<int64_t>(ms % 1000 * 1000000)};
  arch::Syscall(SYS_futex, reinterpret_cast<long>(word.Address()), kFutexWaitPrivate, static_cast<long>(value), reinterpret_cast<long>(&timeout));
}

void Wake(Atomic<uint32_t>& word) {
  constexpr long kFutexWakePrivate = 1 | 128;
  arch::Syscall(SYS_futex, reinterpret_cast<long>(word.Address()), kFutexWakePrivate, 1);
}

}  // namespace xalloc::os
