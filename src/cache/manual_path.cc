// SPDX-License-Identifier: MIT
#include "cache/manual_path.h"

#include <string.h>

#include "cache/fast_path.h"
#include "cache/fill.h"
#include "cache/thread_stats.h"

namespace xalloc {
namespace {
bool Tolerated() { return g_options.harden == static_cast<int64_t>(Harden::kOff); }
}  // namespace

// Neither: the thread is bound to none, or to one that was destroyed since, whoever has its index now.
ArenaRef BoundTo() {
  if (t_bound == 0) return {nullptr, nullptr};
  const ArenaRef bound = ArenaOf(t_bound - 1u);
  return bound.manual != nullptr && BirthOf(bound.manual) != t_bound_birth ? ArenaRef{nullptr, nullptr} : bound;
}

ArenaRef HomeArena() {
  if (XALLOC_UNLIKELY(t_bound != 0)) {
    const ArenaRef bound = BoundTo();
    if (bound.exists()) return bound;
  }
  return {g_arenas.Current(), nullptr};
}

XALLOC_NOINLINE void* AllocateManual(ManualArena* arena, size_t size, size_t alignment, bool zero) {
  void* p = nullptr;
  size_t usable = 0;
  if (const unsigned cls = AlignedSizeToClass(size, alignment); cls != 0) {
    usable = ClassSize(cls);
    if (ManualRefill(arena, cls, &p, 1) == 1 && zero) memset(p, 0, size);
  } else {
    size = Max(size, size_t{1});
    p = ManualAllocateLarge(arena, size, alignment, zero);
    if (p != nullptr) usable = GoodSize(size, alignment);
  }
  t_local.allocated += p != nullptr ? usable : 0;
  CountBytes(usable);
  NoteUncachedEvent();
  return zero || p == nullptr ? p : Filled(p, 0, usable);
}

XALLOC_NOINLINE bool FreeManual(void* p) {
  if (const ManualBlock block = LookAtManual(p); block.arena != nullptr && block.misuse == Misuse::kNone) {
    t_local.deallocated += block.usable;
    FillFreed(p, block.usable);
  }
  bool owned = false;
  const FlushResult bad = ManualFree(p, &owned);
  if (!owned) return false;
  if (bad.misuse != Misuse::kNone && !Tolerated()) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
  NoteUncachedEvent();
  return true;
}

ManualBlock CheckManual(const void* p, Act act) {
  const ManualBlock block = LookAtManual(p);
  if (block.arena != nullptr && block.misuse != Misuse::kNone) ReportMisuse(block.misuse, act, p, block.usable);
  return block;
}

XALLOC_NOINLINE void* ReallocManual(ManualArena* owner, void* p, size_t size) {
  const ManualBlock block = CheckManual(p, Act::kRealloc);
  if (block.arena != owner) ReportMisuse(Misuse::kForeign, Act::kRealloc, p, 0);  // its arena has just been destroyed
  const size_t old_size = block.usable;
  // As elsewhere: a block stays where it is while at least half of it is wanted, and a large one where it can.
  if (block.cls == 0 && size > kMaxSmall && ManualResize(p, size)) {
    const size_t new_size = LookAtManual(p).usable;
    NoteResized(old_size, new_size);
    return Filled(p, old_size, new_size);
  }
  if (size <= old_size && size > old_size / 2) return p;
  void* moved = AllocateManual(owner, size, 1, false);
  if (moved == nullptr) return nullptr;
  memcpy(moved, p, Min(old_size, size));
  FreeManual(p);
  return moved;
}

size_t ResizeManual(void* p, size_t least, size_t most, bool zero) {
  const ManualBlock block = CheckManual(p, Act::kRealloc);
  if (block.cls != 0 || most <= kMaxSmall) return block.usable;
  if (!ManualResize(p, most) && (least <= block.usable || !ManualResize(p, least))) return block.usable;
  const size_t new_size = LookAtManual(p).usable;
  NoteResized(block.usable, new_size);
  if (zero && new_size > block.usable) {
    memset(static_cast<char*>(p) + block.usable, 0, new_size - block.usable);
  } else {
    Filled(p, block.usable, new_size);
  }
  return new_size;
}

}  // namespace xalloc
