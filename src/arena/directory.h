// SPDX-License-Identifier: MIT
// directory.h: arenas by the index under which programs know them: arena.<i>, XMALLOCX_ARENA(i).
//
//   Owns     the table index -> arena; one past the highest index ever given out
//   Used by  cache/, api/, the mallctl tree
//   Never    forgets an automatic arena; the index of a destroyed manual arena goes to the next one that is created
//
// Index 0 is an automatic arena. Arenas that the process has made since anybody asked last enter when somebody asks: who never does pays nothing,
// not a page.
// Thread safety: all functions, any thread that holds no lock of rank kBin or above. Reading an index that is known takes no lock.
#pragma once

#include "arena/arena.h"

namespace xalloc {

constexpr unsigned kMostArenas = 4094;

class ManualArena;

struct ArenaRef {
  Arena* automatic;
  ManualArena* manual;
  bool exists() const { return automatic != nullptr || manual != nullptr; }
};

// One past the highest index ever given out.
unsigned ArenaCount();
// Neither: no such arena, or it was destroyed.
ArenaRef ArenaOf(unsigned index);
// Of an automatic arena, by its index in g_arenas; kMostArenas: there is none.
unsigned IndexOfSlot(unsigned slot);
// Whose p is. False: no block of ours. Large blocks of the shared heap are counted as those of index 0.
bool LookupArena(const void* p, unsigned* index);

// ---- for manual arenas alone ------------------------------------------------------------------------------------------------

// Gives an index to `fresh`, or to an arena that was destroyed before, which then takes its place. Null: there are too many.
// It is not to be seen yet: see PublishManual.
ManualArena* EnterManual(ManualArena* fresh, unsigned* index);
void PublishManual(ManualArena* arena, unsigned index);
// Nobody can see it any more; RetireManual: and the index is free again.
void HideManual(unsigned index);
void RetireManual(ManualArena* arena, unsigned index);
// Calls fn(arena) for every manual arena that was ever created, also those that are destroyed.
void ForEachManual(void (*fn)(ManualArena*, void*), void* context);
os::Lock& DirectoryLock();

}  // namespace xalloc
