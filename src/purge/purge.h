// SPDX-License-Identifier: MIT
// purge.h: when memory goes back to the system, and how much of it.
//
//   PurgeTick                     every 64 slow events of a thread
//     RelieveSparseSlabs          a heap that has grown: free pages of slabs that are nearly empty
//     LeftToPurger                a thread of our own sees to it (purger.h)
//     PurgeStep                   or this thread does, a little at a time
//       DrainIdleCaches           caches that nobody has used for half a decay period; inline with background_thread:false only
//       AgeDepots                 half of what nobody wanted
//       over the curve (decay.h)  dirty pages that are old; huge pages last
//   PurgeEverything               malloc_trim: all of it, now
//
// A heap below 8 MiB, and one younger than a decay period, gives nothing back by time: short programs make no such system call.
// Thread safety: any thread that holds no lock.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cache/hooks.h"
#include "extent/extent_heap.h"

namespace xalloc {

// Options that can be changed while the program runs; each applies to all memory that exists.
int64_t DirtyDecayMs();
void SetDirtyDecayMs(int64_t ms);  // -1: never, 0: at once
int64_t MuzzyDecayMs();
void SetMuzzyDecayMs(int64_t ms);

void PurgeTick(Event event);
// Below 8 MiB nothing goes back by time.
bool HeapIsSmall();

// How often idle caches are looked at in a decay period; a cache that half of these did not change is drained.
constexpr unsigned kLooks = 10;

// One look at what time has made superfluous, by the purger or in its place. Returns false if another thread is at it.
struct PurgeWork {
  size_t bytes = 0;      // moved or given back
  bool changed = false;  // a thread has used its cache, or large blocks, since the last look
  bool looked = false;   // it was time for a look at the caches
};
bool PurgeStep(size_t most, PurgeWork& work);

// Everything: all thread caches, all depots, free pages inside of slabs, all dirty pages. Returns bytes given back to the system.
size_t PurgeEverything();
// The same without the caches of threads that may be running: when nobody has done anything for a decay period.
size_t PurgeUnused(Manner manner);

// What the curves say may go now, whether or not it is anybody's turn to look.
void DecayNow();

// In a fork child: whoever was at it is gone.
void ForgetPurging();

}  // namespace xalloc
