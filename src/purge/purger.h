// SPDX-License-Identifier: MIT
// purger.h: the thread that gives memory back, so that no thread of the program has to.
//
//   Starts  when the program starts a thread (api/threads.cc): at that moment one more can do no harm, neither to a lock that libc holds
//           nor in a sandbox that kills who makes threads. With background_thread:true also at an allocation's tick
//   Does    a step of purging (purge.h) each time the decay curve falls; gives back pages inside of slabs that nobody touches; moves dense
//           hugepages into huge pages, one a step; when no thread has done anything for a decay period, gives back all
//   Helped  with background_thread:true by more of its kind when there is much to give back (max_background_threads)
//   Rests   in a small heap, and when there has been nothing to do for a while: until a tick wakes it, and nothing else does
//   Ends    when there is no other thread: a program with one thread has no second
//
// A fork child has none until it makes threads. Where there is none, ticks go on purging inline, with no system call but madvise.
#pragma once

#include <stdint.h>

#include "cache/hooks.h"
#include "extent/extent_heap.h"

namespace xalloc {

// True: the purger sees to it. Called from ticks, no lock held; may start the thread.
bool LeftToPurger(Event event);
// The program has started a thread.
void PurgerGainsCompany();
// A thread has ended: the purger may be the only other one now.
void PurgerLosesCompany(bool last);
// Options that can be changed while the program runs, outside of malloc. A purger that is not wanted any more ends at once; one that is,
// is started.
BackgroundThread BackgroundThreadWanted();
void SetBackgroundThread(BackgroundThread wanted);
int64_t MaxBackgroundThreads();
void SetMaxBackgroundThreads(int64_t most);
// Something it goes by has changed, outside of malloc: it looks again, or is started.
void WakePurger();
// Gives back dirty memory; much of it by several threads at once. Returns bytes given back by the calling one.
size_t PurgeTogether(size_t bytes, Manner manner);
// In a fork child.
void ForgetPurger();
// How often it was started, how many steps it made, how many helpers were started; nanoseconds from a step to the next, on average.
struct PurgerCounts {
  uint64_t starts, steps, helpers, interval_ns;
  bool running;
};
PurgerCounts CountsOfPurger();

}  // namespace xalloc
