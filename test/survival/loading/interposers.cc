// SPDX-License-Identifier: MIT
// A library, preloaded before or after ours, whose mmap, munmap, open, dlsym, clock_gettime and getenv allocate, as tracers' do. Its
// constructor and its fork handlers allocate, too.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char** environ;
extern "C" int interposed_calls;
int interposed_calls = 0;

namespace {
thread_local int t_depth [[gnu::tls_model("initial-exec")]] = 0;

// Allocates small, middle and large, unless we come from there.
void Allocate() {
  __atomic_add_fetch(&interposed_calls, 1, __ATOMIC_RELAXED);
  if (t_depth != 0) return;
  ++t_depth;
  constexpr size_t kSizes[] = {24, 3000, 70000, 3000000};
  for (size_t size : kSizes) {
    char* p = static_cast<char*>(malloc(size));
    if (p == nullptr) abort();
    p[0] = p[size - 1] = 1;
    free(p);
  }
  --t_depth;
}
}  // namespace

extern "C" {
void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  Allocate();
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, size, protection, flags, fd, offset));
}
int munmap(void* at, size_t size) noexcept {
  Allocate();
  return static_cast<int>(syscall(SYS_munmap, at, size));
}
int madvise(void* at, size_t size, int advice) noexcept {
  Allocate();
  return static_cast<int>(syscall(SYS_madvise, at, size, advice));
}
int open(const char* path, int flags, ...) {
  Allocate();
  va_list list;
  va_start(list, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(list, int) : 0;
  va_end(list);
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
int clock_gettime(clockid_t clock, struct timespec* out) noexcept {
  Allocate();
  return static_cast<int>(syscall(SYS_clock_gettime, clock, out));
}
char* getenv(const char* name) noexcept {
  Allocate();
  const size_t length = strlen(name);
  for (char** e = environ; e != nullptr && *e != nullptr; ++e) {
    if (strncmp(*e, name, length) == 0 && (*e)[length] == '=') return *e + length + 1;
  }
  return nullptr;
}
void* dlsym(void* library, const char* name) noexcept {
  Allocate();
  using Real = void* (*)(void*, const char*);
  static Real real = nullptr;
  if (real == nullptr) real = reinterpret_cast<Real>(dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34"));
  if (real == nullptr) real = reinterpret_cast<Real>(dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5"));
  if (real == nullptr) real = reinterpret_cast<Real>(dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.17"));
  return real(library, name);
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  Allocate();
  using Real = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "pthread_create"));
  return real(thread, attributes, run, argument);
}
}

[[gnu::constructor]] static void Load() {
  Allocate();
  pthread_atfork(Allocate, Allocate, Allocate);
}
