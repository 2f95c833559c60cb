// SPDX-License-Identifier: MIT
// manual.h: arenas that a program creates. Their memory comes from extent hooks: the program's, or ours.
//
//   hooks --chunk--> runs of granules --slab--> slots        no depot, no thread cache, one lock an arena
//
//   Owns     the chunks; nothing in them is ever in the page map, so a plain free takes its slow path and comes here
//   Used by  cache/ (malloc and free of such blocks), purge/, the mallctl tree
//   Never    calls a hook with a lock held; hands a hook less or more than it gave: split and merge are never called
//
// Hooks: a chunk is 2 MiB, or what a block needs; where `alloc` refuses, half of that, down to what is needed. It goes back with `dalloc`
// exactly as it came, when all of it is free and the arena is purged, or destroyed. No `dalloc`, or it refuses: the chunk stays, and goes to
// `destroy` in the end. `commit` is called if `alloc` says that the memory is not. `purge_forced`, else `purge_lazy`, for runs that are free and
// dirty; with a muzzy decay time first `purge_lazy`, and `purge_forced` when that time is over. Thread safety: all functions, any thread that
// holds no lock. Who destroys or resets an arena sees to it that nobody uses its blocks.
#pragma once

#include "arena/address_map.h"
#include "arena/directory.h"
#include "diag/report.h"
#include "extent/large_counts.h"

struct extent_hooks_s;
typedef struct extent_hooks_s extent_hooks_t;

namespace xalloc {

// What arenas without hooks of their own use; a program may call these from its own.
const extent_hooks_t* DefaultExtentHooks();

// ---- life -------------------------------------------------------------------------------------------------------------------

// False: no memory, or too many arenas. `hooks` null: the default ones.
bool CreateArena(extent_hooks_t* hooks, unsigned* index);
enum class ArenaDone { kDone, kNoSuch, kNotManual };
// All blocks vanish; their memory goes back, or stays with the arena.
ArenaDone DestroyArena(unsigned index);
ArenaDone ResetArena(unsigned index);
// Every object of this arena leaves the caches that programs make. Lies above, in cache/explicit.cc.
void DropFromExplicitCaches(ManualArena* arena);

unsigned IndexOf(const ManualArena* arena);
// Changes when an index is used again.
uint16_t BirthOf(const ManualArena* arena);
extent_hooks_t* HooksOf(ManualArena* arena);
void SetHooks(ManualArena* arena, extent_hooks_t* hooks);
// -1: never, 0: at once.
int64_t DirtyDecayMsOf(ManualArena* arena);
void SetDirtyDecayMs(ManualArena* arena, int64_t ms);
int64_t MuzzyDecayMsOf(ManualArena* arena);
void SetMuzzyDecayMs(ManualArena* arena, int64_t ms);
// The calling thread is bound to it from now on (+1), or no more (-1).
void CountBound(ManualArena* arena, int change);
void NameOf(ManualArena* arena, char (&out)[32]);
void SetName(ManualArena* arena, const char* name);

// ---- giving back ------------------------------------------------------------------------------------------------------------

// All that is free. Returns bytes given back.
size_t PurgeArena(ManualArena* arena);
// If the arena has not changed for its decay time, as seen by the calls of this function: its dirty memory; and all that is muzzy, a muzzy decay
// time after the first of it was offered.
size_t DecayArena(ManualArena* arena, uint64_t now_ms);
// `any`: those with hooks of the program's too. A thread of the program may have come to allocate in such a hook, with a lock of the program's in
// hand; so arenas with such hooks decay when they are used, and in a thread of our own.
size_t DecayManualArenas(uint64_t now_ms, bool any);
size_t PurgeManualArenas();
// Bytes that hooks have given, all arenas.
size_t ManualBytes();

// ---- blocks -----------------------------------------------------------------------------------------------------------------

extern AddressMap g_chunks;  // address -> Chunk
// One load: whether any other question about a block is worth asking.
XALLOC_INLINE bool AnyManual() { return XALLOC_UNLIKELY(!g_chunks.empty()); }

// Whose p is, when it is not the shared heap's.
ManualArena* ManualOwnerOf(const void* p);

struct ManualBlock {
  ManualArena* arena;  // null: in none
  unsigned cls;        // 0: a large block, or none
  size_t usable;
  Misuse misuse;  // kNone: p is a block, as far as the arena knows
};
ManualBlock LookAtManual(const void* p);

// Up to `n` objects of `cls` to out[0..). 0: no memory.
unsigned ManualRefill(ManualArena* arena, unsigned cls, void** out, unsigned n);
void* ManualAllocateLarge(ManualArena* arena, size_t size, size_t alignment, bool zero);
// *owned false: p lies in no manual arena, and nothing happened.
FlushResult ManualFree(void* p, bool* owned);
// A large block, in place: `size` bytes. False: nothing changed.
bool ManualResize(void* p, size_t size);

// ---- looking ----------------------------------------------------------------------------------------------------------------

struct PurgeCounts {
  uint64_t rounds, calls, bytes;  // calls of hooks
};
struct ManualStats {
  size_t mapped, active, dirty, muzzy, small_allocated, large_allocated;  // bytes now
  uint32_t threads;                                                       // bound to it
  uint64_t nmalloc_small, ndalloc_small;
  PurgeCounts of_dirty, of_muzzy;  // what left the stage
};
ManualStats StatsOf(ManualArena* arena);
BinStats BinStatsOf(ManualArena* arena, unsigned cls);
const LargeCounts& LargeCountsOf(const ManualArena* arena);
void ValidateManual(ManualArena* arena);

// ---- fork -------------------------------------------------------------------------------------------------------------------

// Each lock of these arenas was free since the gate closed.
void AwaitManualLocks();
// In the child: what other threads were at is over.
void ForgetManualFlights();

}  // namespace xalloc
