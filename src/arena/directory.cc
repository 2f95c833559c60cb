// SPDX-License-Identifier: MIT
#include "arena/directory.h"

#include "arena/manual.h"
#include "arena/manual_arena.h"

namespace xalloc {
namespace {

using DirectoryGuard = os::Guard<os::Rank::kBin>;

constinit os::Lock g_lock;  // guards all writing
// An entry: 0 none; an Arena; a ManualArena with the lowest bit set. Written under the lock (release), read without (acquire).
constinit Atomic<uintptr_t> g_entries[kMostArenas];
constinit Atomic<ManualArena*> g_manual[kMostArenas];    // who lives or lived at an index: never forgotten (release, acquire)
constinit Atomic<uint16_t> g_index_of_slot[kMaxArenas];  // one more than the index; 0: not entered. Release, acquire
constinit Atomic<unsigned> g_count{0};                   // release, acquire
constinit Atomic<unsigned> g_manual_end{0};              // one past the highest index that a manual arena has had; the same
constinit unsigned g_entered = 0;                        // automatic arenas; under the lock
constinit ManualArena* g_retired = nullptr;              // through ManualArena::next_retired; under the lock

constexpr uintptr_t kManualBit = 1;

// Under the lock.
void EnterNewAutomatic() {
  for (unsigned slot = 0; slot < g_arenas.count(); ++slot) {
    Arena* arena = g_arenas.At(slot);
    if (arena == nullptr || g_index_of_slot[slot].Relaxed() != 0) continue;
    const unsigned index = g_count.Relaxed();
    g_entries[index].SetRelease(reinterpret_cast<uintptr_t>(arena));
    g_index_of_slot[slot].SetRelease(static_cast<uint16_t>(index + 1));
    g_entered++;
    g_count.SetRelease(index + 1);
  }
}

void Refresh() {
  DirectoryGuard guard(g_lock);
  EnterNewAutomatic();
}

}  // namespace

unsigned ArenaCount() {
  Refresh();
  return g_count.Acquire();
}

ArenaRef ArenaOf(unsigned index) {
  if (index >= kMostArenas) return {nullptr, nullptr};
  uintptr_t entry = g_entries[index].Acquire();
  // Perhaps an automatic one that has not entered yet.
  if (XALLOC_UNLIKELY(entry == 0) && index >= g_count.Acquire()) {
    Refresh();
    entry = g_entries[index].Acquire();
  }
  if ((entry & kManualBit) == 0) return {reinterpret_cast<Arena*>(entry), nullptr};
  return {nullptr, reinterpret_cast<ManualArena*>(entry - kManualBit)};
}

unsigned IndexOfSlot(unsigned slot) {
  if (slot >= kMaxArenas) return kMostArenas;
  if (g_index_of_slot[slot].Acquire() == 0) Refresh();
  const unsigned index = g_index_of_slot[slot].Acquire();
  return index == 0 ? kMostArenas : index - 1;
}

bool LookupArena(const void* p, unsigned* index) {
  if (const ManualBlock block = LookAtManual(p); block.arena != nullptr) {
    *index = IndexOf(block.arena);
    return block.misuse == Misuse::kNone || block.misuse == Misuse::kInterior;
  }
  const Extent* extent = g_extents.Find(p);
  if (extent == nullptr) extent = g_extents.FindAround(p);
  if (extent == nullptr) return false;
  *index = extent->kind == Extent::Kind::kSlab ? IndexOfSlot(extent->arena) : 0;
  return true;
}

ManualArena* EnterManual(ManualArena* fresh, unsigned* index) {
  DirectoryGuard guard(g_lock);
  EnterNewAutomatic();
  if (ManualArena* again = g_retired; again != nullptr) {
    g_retired = again->next_retired;
    *index = again->index();
    return again;
  }
  // Every automatic arena that may still be made finds its place.
  const unsigned count = g_count.Relaxed();
  if (g_entered == 0 || count + (kMaxArenas - g_entered) >= kMostArenas) return nullptr;
  *index = count;
  fresh->SetIndex(count);
  g_manual[count].SetRelease(fresh);
  g_manual_end.SetRelease(count + 1);
  g_count.SetRelease(count + 1);
  return fresh;
}

void PublishManual(ManualArena* arena, unsigned index) { g_entries[index].SetRelease(reinterpret_cast<uintptr_t>(arena) | kManualBit); }
void HideManual(unsigned index) { g_entries[index].SetRelease(0); }

void RetireManual(ManualArena* arena, unsigned index) {
  HideManual(index);
  DirectoryGuard guard(g_lock);
  arena->next_retired = g_retired;
  g_retired = arena;
}

void ForEachManual(void (*fn)(ManualArena*, void*), void* context) {
  const unsigned end = g_manual_end.Acquire();
  for (unsigned i = 0; i < end; ++i) {
    if (ManualArena* arena = g_manual[i].Acquire(); arena != nullptr) fn(arena, context);
  }
}

os::Lock& DirectoryLock() { return g_lock; }

}  // namespace xalloc
