// SPDX-License-Identifier: MIT
#pragma once
#include "arena/arena.h"
namespace xalloc {
constexpr unsigned kMostArenas = 4094;
class ManualArena;
struct ArenaRef { Arena* automatic; ManualArena* manual; bool exists() const { return automatic != nullptr || manual != nullptr; } };
inline unsigned ArenaCount() { return g_arenas.count(); }
inline ArenaRef ArenaOf(unsigned index) { return {g_arenas.At(index), nullptr}; }
inline unsigned IndexOfSlot(unsigned slot) { return slot; }
inline bool LookupArena(const void* p, unsigned* index) { *index = 0; return g_extents.Contains(p); }
}  // namespace xalloc
