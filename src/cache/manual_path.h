// SPDX-License-Identifier: MIT
// manual_path.h: malloc, free and realloc of blocks in arenas that a program has created, and which arena a thread allocates from.
//
//   Used by  the slow paths, explicit caches, the extended API
//   Never    puts such a block into a thread cache: it would dangle there when its arena is destroyed
// Thread safety: any thread that holds no lock.
#pragma once

#include "arena/manual.h"

namespace xalloc {

// Where the calling thread allocates: the arena it is bound to, else that of its CPU.
ArenaRef BoundTo();
ArenaRef HomeArena();

// A block of the arena, past all caches. Null: no memory.
void* AllocateManual(ManualArena* arena, size_t size, size_t alignment, bool zero);
// False: p lies in no manual arena, and nothing happened. What is no block is reported.
bool FreeManual(void* p);
// May move, within the arena. Null: no memory, and p is as it was. `owner`: what ManualOwnerOf(p) said.
void* ReallocManual(ManualArena* owner, void* p, size_t size);
// As ResizeInPlace.
size_t ResizeManual(void* p, size_t least, size_t most, bool zero);
// The block at p; reports what is none. arena null: p lies in no manual arena.
ManualBlock CheckManual(const void* p, Act act);

}  // namespace xalloc
