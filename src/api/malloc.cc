// SPDX-License-Identifier: MIT
// malloc.cc: the C set (C17 7.22.3, C23, POSIX) and the names that libc's own code uses. errno is set here and nowhere below.
#include <errno.h>
#include <string.h>

#include "cache/fast_path.h"
#include "os/libc.h"
#include "os/system.h"

namespace xalloc {
namespace {

XALLOC_COLD void* OutOfMemory(size_t size) {
  if (g_options.xmalloc != 0) ReportOutOfMemory(size);
  errno = ENOMEM;
  return nullptr;
}

XALLOC_NOINLINE void* MallocSlowSettingErrno(size_t size) {
  void* p = MallocSlow(size);
  return XALLOC_LIKELY(p != nullptr) ? p : OutOfMemory(size);
}

void* Aligned(size_t alignment, size_t size) {
  void* p = MallocAligned(size, alignment, false);
  return XALLOC_LIKELY(p != nullptr) ? p : OutOfMemory(size);
}

XALLOC_COLD void* ReallocToZero(void* p) {
  g_zero_reallocs.AddRelaxed(1);
  switch (static_cast<ZeroRealloc>(g_options.zero_realloc)) {
    case ZeroRealloc::kFree:
      Free(p);
      return nullptr;
    case ZeroRealloc::kAlloc: {
      void* moved = Realloc(p, 1);
      return moved != nullptr ? moved : OutOfMemory(1);
    }
    case ZeroRealloc::kAbort:
      break;
  }
  Panic("realloc to size 0, and zero_realloc:abort is set, see docs/errors.md#zero-realloc");
}

}  // namespace

// Nothing else refers to lifecycle.o: without this a static program would be linked without its fork handlers.
extern const char g_lifecycle, g_malloc_set;
constinit const char g_malloc_set = 0;  // what whole.h refers to
[[gnu::used]] constinit const char* const g_with_lifecycle = &g_lifecycle;

}  // namespace xalloc

using namespace xalloc;

// Read by cache/registry.cc.
extern "C" [[gnu::visibility("hidden")]] const char xalloc_replaces_malloc;
constinit const char xalloc_replaces_malloc = 0;

XALLOC_EXPORT XALLOC_HOT void* malloc(size_t size) { return AllocateOr<MallocSlowSettingErrno>(size); }

XALLOC_EXPORT XALLOC_HOT void free(void* p) { Free(p); }

XALLOC_EXPORT void cfree(void* p) { Free(p); }

XALLOC_EXPORT void free_sized(void* p, size_t size) { FreeSized(p, size); }

XALLOC_EXPORT void free_aligned_sized(void* p, size_t, size_t) { Free(p); }

XALLOC_EXPORT void* calloc(size_t count, size_t size) {
  size_t bytes = 0;
  if (XALLOC_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) return OutOfMemory(SIZE_MAX);
  void* p = Calloc(bytes);
  return XALLOC_LIKELY(p != nullptr) ? p : OutOfMemory(bytes);
}

XALLOC_EXPORT void* realloc(void* p, size_t size) {
  if (p == nullptr) return malloc(size);
  if (XALLOC_UNLIKELY(size == 0)) return ReallocToZero(p);
  void* moved = Realloc(p, size);
  return XALLOC_LIKELY(moved != nullptr) ? moved : OutOfMemory(size);
}

XALLOC_EXPORT void* reallocarray(void* p, size_t count, size_t size) {
  size_t bytes = 0;
  if (XALLOC_UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) return OutOfMemory(SIZE_MAX);
  return realloc(p, bytes);
}

XALLOC_EXPORT void* aligned_alloc(size_t alignment, size_t size) {
  if (XALLOC_UNLIKELY(!IsPowerOfTwo(alignment))) {
    errno = EINVAL;
    return nullptr;
  }
  return Aligned(alignment, size);
}

XALLOC_EXPORT int posix_memalign(void** out, size_t alignment, size_t size) {
  if (XALLOC_UNLIKELY(!IsPowerOfTwo(alignment) || alignment % sizeof(void*) != 0)) return EINVAL;
  void* p = MallocAligned(size, alignment, false);
  if (XALLOC_UNLIKELY(p == nullptr)) {
    if (g_options.xmalloc != 0) ReportOutOfMemory(size);
    return ENOMEM;
  }
  *out = p;
  return 0;
}

// glibc: an alignment that is not a power of two is rounded up, 0 is allowed.
XALLOC_EXPORT void* memalign(size_t alignment, size_t size) {
  if (XALLOC_UNLIKELY(alignment > PTRDIFF_MAX)) {
    errno = EINVAL;
    return nullptr;
  }
  return Aligned(CeilPowerOfTwo(alignment), size);
}

XALLOC_EXPORT void* valloc(size_t size) { return Aligned(os::PageSize(), size); }

XALLOC_EXPORT void* pvalloc(size_t size) {
  const size_t page = os::PageSize();
  if (XALLOC_UNLIKELY(size > PTRDIFF_MAX)) return OutOfMemory(size);
  return Aligned(page, Max(AlignUp(size, page), page));
}

XALLOC_EXPORT size_t malloc_usable_size(void* p) { return p == nullptr ? 0 : UsableSize(p, Act::kUsableSize); }

// What libc calls under its own names, and what old programs link. (musl has such names, too, for what it allocates with its own locks held:
// those stay with its own allocator.)
#if XALLOC_GLIBC
#define XALLOC_ALIAS(name, target) [[gnu::alias(#target), gnu::visibility("default")]]
extern "C" {
XALLOC_ALIAS(__libc_malloc, malloc) XALLOC_HOT void* __libc_malloc(size_t) noexcept;
XALLOC_ALIAS(__libc_free, free) XALLOC_HOT void __libc_free(void*) noexcept;
XALLOC_ALIAS(__libc_calloc, calloc) void* __libc_calloc(size_t, size_t) noexcept;
XALLOC_ALIAS(__libc_realloc, realloc) void* __libc_realloc(void*, size_t) noexcept;
XALLOC_ALIAS(__libc_memalign, memalign) void* __libc_memalign(size_t, size_t) noexcept;
XALLOC_ALIAS(__libc_valloc, valloc) void* __libc_valloc(size_t) noexcept;
XALLOC_ALIAS(__libc_pvalloc, pvalloc) void* __libc_pvalloc(size_t) noexcept;
XALLOC_ALIAS(__posix_memalign, posix_memalign) int __posix_memalign(void**, size_t, size_t) noexcept;
}
#endif
