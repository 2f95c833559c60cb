// SPDX-License-Identifier: MIT
// extended.cc: xmallocx and its family; semantics after jemalloc(3). errno is not touched.
//
// Flags: bits 0-5 log2 of the alignment, 0x40 zero, bits 8-19 thread cache + 2, bits 20-31 arena + 1.
//
// A cache that does not exist is no cache; an arena that does not exist has no memory. Where a block may stay in place it does, whatever arena
// is named; a free needs no arena: the block knows.
#include <string.h>

#include "api/whole.h"
#include "cache/explicit.h"
#include "cache/fast_path.h"

namespace xalloc {
namespace {

constexpr int kZero = 0x40;
constexpr int kCacheShift = 8, kArenaShift = 20;
constexpr unsigned kCacheMask = 0xfff;
constexpr unsigned kFirstCache = 2;  // the id 0; below: 0 no cache was named, 1 XMALLOCX_TCACHE_NONE

size_t AlignmentOf(int flags) { return size_t{1} << (flags & 63); }
unsigned CacheBits(int flags) { return static_cast<unsigned>(flags) >> kCacheShift & kCacheMask; }
unsigned ArenaBits(int flags) { return static_cast<unsigned>(flags) >> kArenaShift; }
bool IsPlain(int flags) { return static_cast<unsigned>(flags) >> kCacheShift == 0; }
// What caches and arenas are nothing to: see ThreadState.
bool IsElsewhere() { return Reporting() || SteppedAside(); }

// From the named cache, or the named arena, or past the caches. `arena` neither: none was named.
void* AllocateFrom(const ArenaRef& arena, size_t size, int flags) {
  const size_t alignment = AlignmentOf(flags);
  const bool zero = (flags & kZero) != 0;
  OwnCache();
  if (CacheBits(flags) >= kFirstCache && !IsElsewhere()) {
    const unsigned cls = AlignedSizeToClass(size, alignment);
    void* p = cls == 0 ? nullptr : AllocateCached(CacheBits(flags) - kFirstCache, cls, arena.exists() ? arena : HomeArena());
    if (p != nullptr) return zero ? memset(p, 0, size) : p;
  }
  return arena.exists() ? AllocateIn(arena, size, alignment, zero) : AllocateUncached(size, alignment, zero);
}

XALLOC_NOINLINE void* AllocateNamed(size_t size, int flags) {
  if (ArenaBits(flags) == 0) return AllocateFrom({nullptr, nullptr}, size, flags);
  const ArenaRef arena = ArenaOf(ArenaBits(flags) - 1);
  return arena.exists() ? AllocateFrom(arena, size, flags) : nullptr;
}

void* Allocate(size_t size, int flags) {
  if (size > PTRDIFF_MAX) return nullptr;
  if (XALLOC_UNLIKELY(!IsPlain(flags))) return AllocateNamed(size, flags);
  const size_t alignment = AlignmentOf(flags);
  const bool zero = (flags & kZero) != 0;
  if (alignment <= 8) return zero ? Calloc(size) : Malloc(size);
  return MallocAligned(size, alignment, zero);
}

XALLOC_NOINLINE void DeallocateNamed(void* p, int flags) {
  OwnCache();
  if (IsElsewhere()) return Free(p);
  p = Untagged(p);
  if (CacheBits(flags) >= kFirstCache) return FreeCached(CacheBits(flags) - kFirstCache, p);
  bool live = false;
  const unsigned cls = ClassOfBlock(p, Act::kFree, &live);
  if (cls == 0) return Free(p);
  FreeUncached(cls, p);
}

void Deallocate(void* p, int flags) {
  if (XALLOC_LIKELY(CacheBits(flags) == 0)) return Free(p);
  DeallocateNamed(p, flags);
}

void* Move(void* p, size_t old_size, size_t size, int flags) {
  p = Untagged(p);
  bool live = false;
  ClassOfBlock(p, Act::kRealloc, &live);
  // A block of an arena that the program created stays in it, unless another is named.
  ManualArena* owner = ArenaBits(flags) == 0 && AnyManual() ? ManualOwnerOf(p) : nullptr;
  void* moved = owner != nullptr ? AllocateIn({nullptr, owner}, size, AlignmentOf(flags), false) : Allocate(size, flags & ~kZero);
  if (moved == nullptr) return nullptr;
  memcpy(moved, p, Min(old_size, size));
  Deallocate(p, flags);
  return moved;
}

void* Reallocate(void* p, size_t old_size, size_t size, int flags) {
  const size_t alignment = AlignmentOf(flags);
  if (ArenaBits(flags) != 0 && !ArenaOf(ArenaBits(flags) - 1).exists()) return nullptr;
  if (alignment <= 8 && IsPlain(flags)) return Realloc(p, Max(size, size_t{1}));
  if (IsAligned(p, alignment)) {
    if (size <= old_size && size > old_size / 2) return p;
    if (size > kMaxSmall && ResizeInPlace(p, size, size, false) >= size) return p;
  }
  return Move(p, old_size, size, flags);
}

}  // namespace
}  // namespace xalloc

using namespace xalloc;

namespace {

// All that is usable, so that the block can grow with XMALLOCX_ZERO and reads as zero still.
void ZeroToTheEnd(void* p, size_t size) {
  const size_t usable = UsableSize(p, Act::kUsableSize);
  if (usable > size) memset(static_cast<char*>(p) + size, 0, usable - size);
}

void* Failed(size_t size) {
  if (XALLOC_UNLIKELY(g_options.xmalloc != 0)) ReportOutOfMemory(size);
  return nullptr;
}

XALLOC_NOINLINE void* AllocateOrFail(size_t size, int flags) {
  void* p = Allocate(size, flags);
  if (XALLOC_UNLIKELY(p == nullptr)) return Failed(size);
  if ((flags & kZero) != 0) ZeroToTheEnd(p, size);
  return p;
}

XALLOC_NOINLINE void* PlainSlow(size_t size) {
  void* p = MallocSlow(size);
  return XALLOC_LIKELY(p != nullptr) ? p : Failed(size);
}

}  // namespace

XALLOC_EXPORT void* xmallocx(size_t size, int flags) { return XALLOC_LIKELY(flags == 0) ? AllocateOr<PlainSlow>(size) : AllocateOrFail(size, flags); }

XALLOC_EXPORT void* xrallocx(void* p, size_t size, int flags) {
  if (size > PTRDIFF_MAX) return Failed(size);
  const size_t old_size = UsableSize(p, Act::kRealloc);
  void* moved = Reallocate(p, old_size, size, flags);
  if (XALLOC_UNLIKELY(moved == nullptr)) return Failed(size);
  if ((flags & kZero) != 0) {
    const size_t new_size = UsableSize(moved, Act::kRealloc);
    if (new_size > old_size) memset(static_cast<char*>(moved) + old_size, 0, new_size - old_size);
  }
  return moved;
}

XALLOC_EXPORT size_t xxallocx(void* p, size_t size, size_t extra, int flags) {
  if (!IsAligned(p, AlignmentOf(flags))) return UsableSize(p, Act::kRealloc);
  const size_t most = size > PTRDIFF_MAX - Min(extra, size_t{PTRDIFF_MAX}) ? size_t{PTRDIFF_MAX} : size + extra;
  return ResizeInPlace(p, size, most, (flags & kZero) != 0);
}

XALLOC_EXPORT size_t xsallocx(const void* p, int) { return UsableSize(p, Act::kUsableSize); }

XALLOC_EXPORT void xdallocx(void* p, int flags) { Deallocate(p, flags); }

XALLOC_EXPORT void xsdallocx(void* p, size_t size, int flags) {
  if (XALLOC_LIKELY(flags == 0)) return FreeSized(p, size);
  CheckSize(p, size, AlignmentOf(flags));
  Deallocate(p, flags);
}

XALLOC_EXPORT size_t xnallocx(size_t size, int flags) { return GoodSize(size, AlignmentOf(flags)); }
