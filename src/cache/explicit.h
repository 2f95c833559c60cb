// SPDX-License-Identifier: MIT
// explicit.h: caches that a program makes (tcache.create) and names in the flags of the extended API.
//
//   Owns     per size class a short stack of pointers, of whatever arena; the program serialises the use of one, and if it does not, a lock
//            inside keeps our own state whole
//   Used by  api/ (XMALLOCX_TCACHE), the mallctl tree, the destruction of arenas
//   Never    holds large blocks; calls an arena with its lock held
//
// An id is 0 .. kMostCaches - 1 and is used again after its cache is destroyed. What is no id of a live cache: no cache.
// Thread safety: all functions, any thread that holds no lock.
#pragma once

#include "cache/manual_path.h"

namespace xalloc {

constexpr unsigned kMostCaches = 4094;

// False: no memory, or too many.
bool CreateExplicitCache(unsigned* id);
// False: no such id. All it holds goes to the arenas.
bool FlushExplicitCache(unsigned id);
bool DestroyExplicitCache(unsigned id);
void FlushExplicitCaches();

// One object of `cls`: from the cache, or, with some more for it, from the arena. No such cache: one straight from the arena.
void* AllocateCached(unsigned id, unsigned cls, const ArenaRef& from);
// Any block. What is none is reported, here or when it reaches its slab.
void FreeCached(unsigned id, void* p);

// Bytes that lie in them.
size_t ExplicitCachedBytes();
// Each lock was free since the fork gate closed.
void AwaitExplicitLocks();

// ---- thread.arena: which arena the calling thread allocates from (bind.cc) ---------------------------------------------------

// An automatic arena: refills and flushes use it. A manual one: the thread works without a cache, and all it allocates comes from there.
// False: no such arena.
bool BindThread(unsigned arena_index);
// It is bound to none any more.
void UnbindThread();
// The index that the calling thread uses now.
unsigned BoundArena();

}  // namespace xalloc
