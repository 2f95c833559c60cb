// SPDX-License-Identifier: MIT
// thread.arena. A thread that is bound to a manual arena has no cache: what lies in one may come from any arena, and no block of a manual one
// may lie in it.
#include "cache/explicit.h"
#include "cache/fast_path.h"

namespace xalloc {

void UnbindThread() {
  if (XALLOC_LIKELY(t_bound == 0)) return;
  if (ManualArena* bound = BoundTo().manual; bound != nullptr) CountBound(bound, -1);
  t_bound = 0;
}

bool BindThread(unsigned arena_index) {
  const ArenaRef arena = ArenaOf(arena_index);
  if (!arena.exists()) return false;
  OwnCache();
  if (Reporting() || SteppedAside()) return true;
  UnbindThread();
  if (arena.manual != nullptr) {
    CountBound(arena.manual, 1);
    GiveUpOwnCache();
  } else if (t_local.state == ThreadState::kBound) {
    t_local.state = ThreadState::kNew;
  }
  t_bound = static_cast<uint16_t>(arena_index + 1);
  t_bound_birth = arena.manual != nullptr ? BirthOf(arena.manual) : uint16_t{0};
  return true;
}

unsigned BoundArena() {
  if (BoundTo().exists()) return t_bound - 1u;
  const Arena* arena = g_arenas.Current();
  return arena == nullptr ? 0 : IndexOfSlot(arena->slot());
}

}  // namespace xalloc
