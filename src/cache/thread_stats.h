// SPDX-License-Identifier: MIT
// thread_stats.h: how many bytes the calling thread has allocated and freed, though no hit counts anything.
//
// Two words advance where slow paths move objects: allocated by refills (and by each large block), deallocated by flushes. What lies in the
// cache in between is in nobody's hands: a synchronisation counts it as given back, and what of it the thread has taken meanwhile as
// allocated again, so that
//
//   allocated - deallocated == bytes in the hands of the program, of what this thread moved         exact, after each synchronisation
//
// and neither word ever falls. With thread_stats:exact there is no cache, and each operation moves them.
// Thread safety: each thread its own; the words may be read by anybody whom the thread has given their addresses.
#pragma once

#include "cache/thread_cache.h"

namespace xalloc {

// A block of the calling thread's has another size now.
inline void NoteResized(size_t before, size_t after) {
  t_local.allocated += after > before ? after - before : 0;
  t_local.deallocated += before > after ? before - after : 0;
}

// A thread takes this cache over.
void BeginThreadStats(ThreadCache* cache);
// The calling thread's share of what lies in its cache; the caller holds cache->lock.
void SettleThreadStats(ThreadCache* cache);
// Counts what lies in the calling thread's cache, and its peak. No lock held.
void SyncThreadStats();
// The addresses of the calling thread's words, and a promise: its next allocation of a byte moves the first. Some programs take an
// allocator for one of this kind if it does.
uint64_t* AllocatedWord();
uint64_t* DeallocatedWord();
// The most that allocated - deallocated has risen since the reset, as synchronisations saw it: at reads, and every 64 slow events.
uint64_t PeakOfThread();
void ResetPeakOfThread();

}  // namespace xalloc
