// SPDX-License-Identifier: MIT
// lifecycle.cc: what runs when the library is loaded, at fork and at exit.
//
// Fork: prepare closes a gate and waits until every lock was seen free (os/lock.h), so that the child gets consistent structures;
// parent and child open it again. The cost does not grow with the heap, and the forking thread may allocate in between. A process
// that is surely single-threaded does nothing at all.
#include <pthread.h>

#include "cache/explicit.h"
#include "cache/fast_path.h"
#include "diag/message.h"
#include "os/sanitizer.h"
#include "os/system.h"
#include "purge/purge.h"
#include "stats/snapshot.h"
#include "stats/page.h"
#include "stats/print.h"

namespace xalloc {

extern const char g_lifecycle;
constinit const char g_lifecycle = 0;  // what malloc.cc refers to, so that an archive's user gets this file

namespace {

// In rank order: who holds a lock may go on to take one of a higher rank, never of a lower.
void AwaitEachLock() {
  StartLock().AwaitFree();
  SnapshotLock().AwaitFree();
  CacheRegistryLock().AwaitFree();
  g_extents.grow_lock().AwaitFree();
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    for (os::Lock& lock : g_arena_locks[i].of_bin) lock.AwaitFree();
  }
  AwaitExplicitLocks();
  AwaitManualLocks();
  g_extents.lock().AwaitFree();
  g_meta.lock().AwaitFree();
}

void BeforeFork() {
  // A SIGABRT handler that forks: its thread takes no lock any more, neither here nor in the child.
  if (os::SingleThreaded() || Reporting()) return;
  PinOwnCache(true);
  // Serialises forks, where libc does not.
  CacheRegistryLock().Acquire(os::Rank::kCacheList);
  os::g_fork_gate.Close();
  CacheRegistryLock().Release(os::Rank::kCacheList);
  AwaitEachLock();
}

void AfterForkInParent() {
  if (!os::g_fork_gate.IsMine()) return;
  os::g_fork_gate.Open();
  PinOwnCache(false);
}

void TakeOverInChild() {
  os::g_fork_gate.OpenInChild();
  ForgetOtherCaches();
  PinOwnCache(false);
  ForgetPurging();
  ForgetManualFlights();
}

void AfterForkInChild() {
  if (os::g_fork_gate.IsMine()) TakeOverInChild();
  ReopenStatsPage();
}

// The first constructor and the last destructor of all, in a static program, too (for the .so, -z initfirst sees to it): handlers of
// others then run outside of ours, and a lock that they take cannot be held by a thread that waits at the gate.
void OnLoad() {
  os::RegisterForkHandlers(BeforeFork, AfterForkInParent, AfterForkInChild);
  // The options are read at the first allocation; who gave some can bear it now.
  if (os::Environment(kMallocConf) != nullptr || os::Environment(kXallocConf) != nullptr || ProgramHasConf()) OwnCache();
  if (g_options.stats_print != 0) KeepStderr();
  if (g_options.stats_page != 0) OpenStatsPage();
  if (!os::SanitizerPresent()) return;
  constexpr char kText[] = "xalloc: a sanitizer is in charge of memory here, stepping aside\n";
  os::WriteAll(2, kText, sizeof kText - 1);
}

// Last of all destructors (we are initialised first): what the main thread freed is checked once more, then the numbers.
void OnExit() {
  FlushOwnCache(true);
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    Arena* arena = g_arenas.At(i);
    if (arena == nullptr) continue;
    const FlushResult bad = arena->DrainDepots();
    if (bad.misuse != Misuse::kNone) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
  }
  if (g_options.stats_print != 0) PrintStats(g_options.stats_print_opts.text);
}

[[gnu::section(".init_array.00001"), gnu::used]] void (*const g_on_load)() = OnLoad;
[[gnu::section(".fini_array.00001"), gnu::used]] void (*const g_on_exit)() = OnExit;

}  // namespace
}  // namespace xalloc
