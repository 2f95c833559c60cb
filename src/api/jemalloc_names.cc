// SPDX-License-Identifier: MIT
// jemalloc_names.cc: the extended API under jemalloc's own names; in libxalloc_je.so and the libjemalloc.so.2 of the compat folder only.
//
// folly, RocksDB, MariaDB and others look for these names, and use all of them when they find some: they are all here or, in the plain
// library, all absent. Each is a jump to the x-prefixed function. The layers below learn of the two variables by weak references.
#include <xalloc/jemalloc.h>

#include "api/whole.h"
#include "base/attributes.h"

extern "C" {
// The program's: its own definition wins over these.
[[gnu::weak, gnu::visibility("default")]] const char* malloc_conf = nullptr;
[[gnu::weak, gnu::visibility("default")]] void (*malloc_message)(void*, const char*) = nullptr;

// What registry.cc and message.cc look for.
using MallocMessage = void (*)(void*, const char*);
[[gnu::visibility("hidden")]] extern const char** const xalloc_second_conf;
[[gnu::visibility("hidden")]] extern MallocMessage* const xalloc_second_message;
constinit const char** const xalloc_second_conf = &malloc_conf;
constinit MallocMessage* const xalloc_second_message = &malloc_message;
}

XALLOC_EXPORT XALLOC_HOT void* mallocx(size_t size, int flags) noexcept { return xmallocx(size, flags); }
XALLOC_EXPORT void* rallocx(void* p, size_t size, int flags) noexcept { return xrallocx(p, size, flags); }
XALLOC_EXPORT size_t xallocx(void* p, size_t size, size_t extra, int flags) noexcept { return xxallocx(p, size, extra, flags); }
XALLOC_EXPORT size_t sallocx(const void* p, int flags) noexcept { return xsallocx(p, flags); }
XALLOC_EXPORT void dallocx(void* p, int flags) noexcept { xdallocx(p, flags); }
XALLOC_EXPORT XALLOC_HOT void sdallocx(void* p, size_t size, int flags) noexcept { xsdallocx(p, size, flags); }
XALLOC_EXPORT size_t nallocx(size_t size, int flags) noexcept { return xnallocx(size, flags); }

XALLOC_EXPORT int mallctl(const char* name, void* oldp, size_t* oldlenp, void* newp, size_t newlen) noexcept {
  return xmallctl(name, oldp, oldlenp, newp, newlen);
}
XALLOC_EXPORT int mallctlnametomib(const char* name, size_t* mibp, size_t* miblenp) noexcept { return xmallctlnametomib(name, mibp, miblenp); }
XALLOC_EXPORT int mallctlbymib(const size_t* mib, size_t miblen, void* oldp, size_t* oldlenp, void* newp, size_t newlen) noexcept {
  return xmallctlbymib(mib, miblen, oldp, oldlenp, newp, newlen);
}
XALLOC_EXPORT void malloc_stats_print(void (*cb)(void*, const char*), void* opaque, const char* opts) noexcept {
  xmalloc_stats_print(cb, opaque, opts);
}
