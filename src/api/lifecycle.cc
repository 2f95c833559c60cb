// SPDX-License-Identifier: MIT
// lifecycle.cc: what runs when the library is loaded, at fork and at exit.
//
// Fork: prepare takes every lock in rank order, so that the child gets consistent structures; the parent releases them; the
// child, whose other threads are gone, sets them free. A process that is surely single-threaded does nothing at all.
#include <pthread.h>

#include "cache/fast_path.h"
#include "os/sanitizer.h"
#include "os/system.h"
#include "stats/stats.h"

namespace xalloc {

extern const char g_lifecycle;
constinit const char g_lifecycle = 0;  // what malloc.cc refers to, so that an archive's user gets this file

namespace {

constinit bool g_fork_locked = false;  // by prepare, for parent and child; forks are serialised by libc

template <class Fn>
void ForEachBinLock(Fn fn) {
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    Arena* arena = g_arenas.At(i);
    if (arena == nullptr) continue;
    for (unsigned cls = 1; cls <= kNumClasses; ++cls) fn(arena->lock(cls));
  }
}

void BeforeFork() {
  // A SIGABRT handler that forks: its thread takes no lock any more, neither here nor in the child.
  g_fork_locked = !os::SingleThreaded() && !Reporting();
  if (!g_fork_locked) return;
  CacheRegistryLock().Acquire(os::Rank::kCacheList);
  g_extents.grow_lock().Acquire(os::Rank::kGrow);
  ForEachBinLock([](os::Lock& lock) { lock.AcquireAmongEquals(os::Rank::kBin); });
  g_extents.lock().Acquire(os::Rank::kExtents);
  g_meta.lock().Acquire(os::Rank::kMeta);
}

void AfterForkInParent() {
  if (!g_fork_locked) return;
  g_meta.lock().Release(os::Rank::kMeta);
  g_extents.lock().Release(os::Rank::kExtents);
  ForEachBinLock([](os::Lock& lock) { lock.Release(os::Rank::kBin); });
  g_extents.grow_lock().Release(os::Rank::kGrow);
  CacheRegistryLock().Release(os::Rank::kCacheList);
}

void AfterForkInChild() {
  if (!g_fork_locked) return;
  os::DebugForgetLocks();
  g_meta.lock().Reset();
  g_extents.lock().Reset();
  g_extents.grow_lock().Reset();
  ForEachBinLock([](os::Lock& lock) { lock.Reset(); });
  ForgetOtherCaches();
}

[[gnu::constructor]] void OnLoad() {
  pthread_atfork(BeforeFork, AfterForkInParent, AfterForkInChild);
  if (!os::SanitizerPresent()) return;
  constexpr char kText[] = "xalloc: a sanitizer is in charge of memory here, stepping aside\n";
  os::WriteAll(2, kText, sizeof kText - 1);
}

// Last of all destructors (we are initialised first): what the main thread freed is checked once more, then the numbers.
[[gnu::destructor]] void OnExit() {
  FlushOwnCache(true);
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    Arena* arena = g_arenas.At(i);
    if (arena == nullptr) continue;
    const FlushResult bad = arena->DrainDepots();
    if (bad.misuse != Misuse::kNone) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
  }
  if (g_options.stats_print != 0) PrintSummary();
}

}  // namespace
}  // namespace xalloc
