// SPDX-License-Identifier: MIT
// extended.cc: xmallocx and its family; semantics after jemalloc(3). errno is not touched.
//
// Flags: bits 0-5 log2 of the alignment, 0x40 zero, bits 8-19 thread cache + 2, bits 20-31 arena + 1.
#include <string.h>

#include "api/whole.h"
#include "cache/fast_path.h"

namespace xalloc {
namespace {

constexpr int kZero = 0x40;
constexpr int kCacheShift = 8, kCacheMask = 0xfff;
constexpr int kCacheNone = 1;  // XMALLOCX_TCACHE_NONE: -1 + 2

size_t AlignmentOf(int flags) { return size_t{1} << (flags & 63); }
bool WithoutCache(int flags) { return (flags >> kCacheShift & kCacheMask) == kCacheNone; }

void* Allocate(size_t size, int flags) {
  const size_t alignment = AlignmentOf(flags);
  const bool zero = (flags & kZero) != 0;
  if (size > PTRDIFF_MAX) return nullptr;
  if (XALLOC_UNLIKELY(WithoutCache(flags))) {
    const unsigned cls = AlignedSizeToClass(size, alignment);
    if (cls != 0) {
      void* p = AllocateUncached(size, cls);
      return p != nullptr && zero ? memset(p, 0, size) : p;
    }
  }
  if (alignment <= 8) return zero ? Calloc(size) : Malloc(size);
  return MallocAligned(size, alignment, zero);
}

void Deallocate(void* p, int flags) {
  const unsigned code = XALLOC_UNLIKELY(WithoutCache(flags)) ? SlabCodeOf(p) : 0;
  if (XALLOC_LIKELY(code == 0)) return Free(p);
  UsableSize(p, Act::kFree);  // reports what is no block at all
  FreeUncached(code / 2, p);
}

void* Move(void* p, size_t old_size, size_t size, int flags) {
  void* moved = Allocate(size, flags & ~kZero);
  if (moved == nullptr) return nullptr;
  memcpy(moved, p, Min(old_size, size));
  Deallocate(p, flags);
  return moved;
}

}  // namespace
}  // namespace xalloc

using namespace xalloc;

XALLOC_EXPORT void* xmallocx(size_t size, int flags) { return XALLOC_LIKELY(flags == 0) ? Malloc(size) : Allocate(size, flags); }

XALLOC_EXPORT void* xrallocx(void* p, size_t size, int flags) {
  if (size > PTRDIFF_MAX) return nullptr;
  const size_t alignment = AlignmentOf(flags);
  const size_t old_size = UsableSize(p, Act::kRealloc);
  void* moved;
  if (alignment <= 8 && !WithoutCache(flags)) {
    moved = Realloc(p, Max(size, size_t{1}));
  } else if (IsAligned(p, alignment) && size <= old_size && size > old_size / 2) {
    moved = p;
  } else {
    moved = Move(p, old_size, size, flags);
  }
  if (moved != nullptr && (flags & kZero) != 0) {
    const size_t new_size = UsableSize(moved, Act::kRealloc);
    if (new_size > old_size) memset(static_cast<char*>(moved) + old_size, 0, new_size - old_size);
  }
  return moved;
}

XALLOC_EXPORT size_t xxallocx(void* p, size_t size, size_t extra, int flags) {
  const size_t most = size > PTRDIFF_MAX - Min(extra, size_t{PTRDIFF_MAX}) ? size_t{PTRDIFF_MAX} : size + extra;
  return ResizeInPlace(p, size, most, (flags & kZero) != 0);
}

XALLOC_EXPORT size_t xsallocx(const void* p, int) { return UsableSize(p, Act::kUsableSize); }

XALLOC_EXPORT void xdallocx(void* p, int flags) { Deallocate(p, flags); }

XALLOC_EXPORT void xsdallocx(void* p, size_t size, int flags) {
  if (XALLOC_LIKELY(flags == 0)) return FreeSized(p, size);
  Deallocate(p, flags);
}

XALLOC_EXPORT size_t xnallocx(size_t size, int flags) { return GoodSize(size, AlignmentOf(flags)); }
