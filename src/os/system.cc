// SPDX-License-Identifier: MIT
#include "os/system.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/attributes.h"
#include "base/bits.h"
#include "os/libc.h"
#include "os/read_file.h"

// The loader's pointer to argc on the initial stack: valid before libc has set `environ`. Absent outside glibc; musl sets that first of all.
extern "C" [[gnu::weak]] void* __libc_stack_end;
extern "C" char** environ;
extern "C" [[gnu::weak]] char __libc_single_threaded;

namespace xalloc::os {
namespace {

char** InitialEnvironment() {
  if (&__libc_stack_end != nullptr && __libc_stack_end != nullptr) {
    auto* words = static_cast<uintptr_t*>(__libc_stack_end);
    const uintptr_t argc = words[0];
    if (argc < 65536 && words[1 + argc] == 0) return reinterpret_cast<char**>(words + argc + 2);
  }
  return environ;
}

size_t ReadPageSize() {
  size_t page = AuxiliaryValue(AT_PAGESZ);
  if (!IsPowerOfTwo(page) || page < 4096) page = 4096;
  XALLOC_ALWAYS_READ("knob") static constexpr char kKnob[] = "XALLOC_DEBUG_PAGE_SIZE";
  const char* knob = Environment(kKnob);
  size_t asked = 0;
  for (; knob != nullptr && *knob >= '0' && *knob <= '9' && asked <= 65536; ++knob) asked = asked * 10 + static_cast<size_t>(*knob - '0');
  return IsPowerOfTwo(asked) && asked > page && asked <= 65536 ? asked : page;
}

constinit Atomic<size_t> g_page_size{0};  // written once by whoever asks first; all writers write the same

}  // namespace

size_t PageSize() {
  size_t page = g_page_size.Relaxed();
  if (XALLOC_UNLIKELY(page == 0)) {
    page = ReadPageSize();
    g_page_size.SetRelaxed(page);
  }
  return page;
}

size_t HugePageSize() { return PageSize() * (PageSize() / 8); }

bool PageSizeIsSimulated() { return PageSize() != AuxiliaryValue(AT_PAGESZ); }

unsigned long AuxiliaryValue(unsigned long type) {
  const int saved = errno;
  const unsigned long value = getauxval(type);
  errno = saved;
  return value;
}

const char* Environment(const char* name) {
  if (AuxiliaryValue(AT_SECURE) != 0) return nullptr;
  char** env = InitialEnvironment();
  if (env == nullptr) return nullptr;
  const size_t length = strlen(name);
  for (; *env != nullptr; ++env) {
    if (strncmp(*env, name, length) == 0 && (*env)[length] == '=') return *env + length + 1;
  }
  return nullptr;
}

size_t AddressSpaceLimit() {
  struct {
    uint64_t now, most;
  } limit = {~0ull, ~0ull};
  constexpr int kRlimitAs = 9;
  if (arch::Syscall(SYS_prlimit64, 0, kRlimitAs, 0, reinterpret_cast<long>(&limit)) != 0) return SIZE_MAX;
  return limit.now;
}

namespace {
struct Time {
  int64_t seconds, nanoseconds;
};
Time Clock(int which) {
  Time now = {0, 0};
  arch::Syscall(SYS_clock_gettime, which, reinterpret_cast<long>(&now));
  return now;
}
}  // namespace

uint64_t NowMs() {
  constexpr int kMonotonicCoarse = 6;
  const Time now = Clock(kMonotonicCoarse);
  return static_cast<uint64_t>(now.seconds) * 1000 + static_cast<uint64_t>(now.nanoseconds) / 1000000;
}

uint64_t NowNs() {
  constexpr int kMonotonic = 1;
  const Time now = Clock(kMonotonic);
  return static_cast<uint64_t>(now.seconds) * 1000000000 + static_cast<uint64_t>(now.nanoseconds);
}

uint64_t ThreadCpuNs() {
  constexpr int kThreadCputime = 3;
  const Time now = Clock(kThreadCputime);
  return static_cast<uint64_t>(now.seconds) * 1000000000 + static_cast<uint64_t>(now.nanoseconds);
}

bool HugePagesUnasked() {
  // The purger asks at its start.
  XALLOC_ALWAYS_READ("huge_pages") static constexpr char kPath[] = "/sys/kernel/mm/transparent_hugepage/enabled";
  char text[64];
  return ReadFile(kPath, text) && text[0] == '[';  // [always] madvise never
}

bool ReadLink(const char* path, char* text, size_t room) {
  constexpr int kAtFdCwd = -100;
  const long n = arch::Syscall(SYS_readlinkat, kAtFdCwd, reinterpret_cast<long>(path), reinterpret_cast<long>(text), static_cast<long>(room));
  if (n <= 0 || static_cast<size_t>(n) >= room) return false;  // what does not fit would be cut in the middle
  text[n] = '\0';
  return true;
}

bool KnowsThreads() { return &__libc_single_threaded != nullptr; }
bool SingleThreaded() { return &__libc_single_threaded != nullptr && __libc_single_threaded != 0; }

void WriteAll(int fd, const char* text, size_t length) {
  while (length > 0) {
    const long n = arch::Syscall(SYS_write, fd, reinterpret_cast<long>(text), static_cast<long>(length));
    constexpr long kInterrupted = -4;
    if (n == kInterrupted) continue;
    if (n <= 0) return;
    text += n;
    length -= static_cast<size_t>(n);
  }
}

void BlockSignal(int signal) {
  const uint64_t set = uint64_t{1} << (signal - 1);
  constexpr int kBlock = 0;
  arch::Syscall(SYS_rt_sigprocmask, kBlock, reinterpret_cast<long>(&set), 0, sizeof set);
}

namespace {
bool Identify(int fd, KeptFd& out) {
  struct stat s;
  if (arch::Syscall(SYS_fstat, fd, reinterpret_cast<long>(&s)) != 0) return false;
  out = {fd, s.st_dev, s.st_ino};
  return true;
}
}  // namespace

KeptFd KeepFd(int fd) {
  constexpr long kDuplicate = 1030;  // F_DUPFD_CLOEXEC
  constexpr long kAtLeast = 100;
  KeptFd kept;
  const long copy = arch::Syscall(SYS_fcntl, fd, kDuplicate, kAtLeast);
  if (copy >= 0) Identify(static_cast<int>(copy), kept);
  return kept;
}

bool StillOpen(const KeptFd& kept) {
  KeptFd now;
  return kept.fd >= 0 && Identify(kept.fd, now) && now.device == kept.device && now.inode == kept.inode;
}

#if XALLOC_GLIBC
// pthread_atfork is a piece of code that would be linked behind all of ours, on a page that nothing else needs.
extern "C" int __register_atfork(void (*)(), void (*)(), void (*)(), void*);
extern "C" [[gnu::visibility("hidden")]] void* __dso_handle;
void RegisterForkHandlers(void (*prepare)(), void (*parent)(), void (*child)()) { __register_atfork(prepare, parent, child, __dso_handle); }
#else
extern "C" int pthread_atfork(void (*)(), void (*)(), void (*)());
void RegisterForkHandlers(void (*prepare)(), void (*parent)(), void (*child)()) { pthread_atfork(prepare, parent, child); }
#endif

uint64_t ProcessId() { return static_cast<uint64_t>(arch::Syscall(SYS_getpid)); }

void* MapPublished(const char* name, size_t bytes, KeptFd& kept) {
  constexpr long kCloseOnExec = 1, kAllowSealing = 2;      // MFD_...
  constexpr long kAddSeals = 1033;                         // F_ADD_SEALS
  constexpr long kSeals = 0x1 | 0x2 | 0x4 | 0x10;          // seal, shrink, grow, future write
  constexpr long kReadWrite = 3, kShared = 1;
  const long fd = arch::Syscall(SYS_memfd_create, reinterpret_cast<long>(name), kCloseOnExec | kAllowSealing);
  if (fd < 0) return nullptr;
  long at = -1;
  if (arch::Syscall(SYS_ftruncate, fd, static_cast<long>(bytes)) == 0) at = arch::Syscall(SYS_mmap, 0, static_cast<long>(bytes), kReadWrite, kShared, fd, 0);
  const bool mapped = at > 0 || at < -4095;
  // A kernel without the last seal lets the program's own user write: no harm to the program either.
  if (mapped) {
    arch::Syscall(SYS_fcntl, fd, kAddSeals, kSeals);
    kept = KeepFd(static_cast<int>(fd));
  }
  arch::Syscall(SYS_close, fd);
  return mapped ? reinterpret_cast<void*>(at) : nullptr;
}

void ForgetPublished(void* at, size_t bytes, const KeptFd& fd) {
  arch::Syscall(SYS_munmap, reinterpret_cast<long>(at), static_cast<long>(bytes));
  if (StillOpen(fd)) arch::Syscall(SYS_close, fd.fd);
}

bool MemoryBarrierAllThreads() {
  constexpr long kPrivate = 1 << 3;   // MEMBARRIER_CMD_PRIVATE_EXPEDITED
  constexpr long kRegister = 1 << 4;  // MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
  constexpr long kNotRegistered = -1;  // EPERM
  const long first = arch::Syscall(SYS_membarrier, kPrivate);
  if (first != kNotRegistered) return first == 0;
  return arch::Syscall(SYS_membarrier, kRegister) == 0 && arch::Syscall(SYS_membarrier, kPrivate) == 0;
}

}  // namespace xalloc::os
