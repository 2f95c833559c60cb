// SPDX-License-Identifier: MIT
// threads.cc: pthread_create, of the shared library only. It calls libc's, and then starts the purger if one is needed: this is the moment
// at which the program itself shows that a thread can be made, and at which no lock is held. It counts threads, so that the purger knows
// when it is the only one left. A static program has but one pthread_create: libc's.
#include <dlfcn.h>
#include <errno.h>

#include "api/whole.h"
#include "base/attributes.h"
#include "cache/thread_cache.h"
#include "os/system.h"
#include "os/thread.h"
#include "purge/purger.h"

// What the compiler's start files say of a shared object. Without them nothing of the first and the last page of its code runs at start and exit.
extern "C" [[gnu::visibility("hidden")]] void* __dso_handle;
void* __dso_handle = &__dso_handle;

namespace xalloc {
namespace {

using Main = void* (*)(void*);

constinit Atomic<os::CreateThread> g_next{nullptr};  // relaxed: set to one value only

XALLOC_ALWAYS_READ("names") constexpr char kName[] = "pthread_create", kLibc[] = "libc.so.6";

// The one behind ours, or null.
os::CreateThread Next() {
  if (g_next.Relaxed() != nullptr) return g_next.Relaxed();
  void* next = dlsym(RTLD_NEXT, kName);
  // A tracer's dlsym, which passes our question on as its own, gets us for an answer.
  if (next == reinterpret_cast<void*>(pthread_create)) {
    void* libc = dlopen(kLibc, RTLD_LAZY | RTLD_NOLOAD);
    next = libc != nullptr ? dlsym(libc, kName) : nullptr;
    if (next == reinterpret_cast<void*>(pthread_create)) next = nullptr;
  }
  g_next.SetRelaxed(reinterpret_cast<os::CreateThread>(next));
  os::SetCreateThread(g_next.Relaxed());
  return g_next.Relaxed();
}

// At the start, where no other thread can hold the loader's lock.
void OnLoad() {
  Next();
  // Not where it is loaded late, perhaps by a thread that ends before the first one does. (musl loads it at the start or not at all.)
  if (os::KnowsThreads() && !os::SingleThreaded()) return;
  CountThread(1);
  ThreadBegins(true);
}
[[gnu::section(".init_array.00001"), gnu::used]] void (*const g_on_load)() = OnLoad;

struct Birth {
  Main main;
  void* argument;
};

// The first function of a thread. The program's own takes its place: no frame of ours stays below.
void* Begin(void* p) {
  auto* allocated = static_cast<Birth*>(p);
  const Birth birth = *allocated;
  g_meta.Free(allocated, sizeof(Birth));
  ThreadBegins();
  return birth.main(birth.argument);
}

}  // namespace
}  // namespace xalloc

XALLOC_EXPORT int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, xalloc::Main main, void* argument) {
  using namespace xalloc;
  const os::CreateThread next = Next();
  if (next == nullptr) return EAGAIN;
  OwnCache();  // the options are read
  if (SteppedAside()) return next(thread, attributes, main, argument);
  auto* birth = static_cast<Birth*>(g_meta.Allocate(sizeof(Birth)));
  if (birth == nullptr) return next(thread, attributes, main, argument);
  *birth = {main, argument};
  CountThread(1);
  const int error = next(thread, attributes, Begin, birth);
  if (error != 0) {
    CountThread(-1);
    g_meta.Free(birth, sizeof(Birth));
    return error;
  }
  PurgerGainsCompany();
  return 0;
}
