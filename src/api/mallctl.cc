// SPDX-License-Identifier: MIT
// mallctl.cc: xmallctl, by name and by MIB, and xmalloc_stats_print; semantics after jemalloc(3). errno is not touched.
#include <xalloc/xalloc.h>

#include "api/whole.h"
#include "base/attributes.h"
#include "ctl/ctl.h"
#include "stats/print.h"

using namespace xalloc;

XALLOC_EXPORT int xmallctl(const char* name, void* oldp, size_t* oldlenp, void* newp, size_t newlen) noexcept {
  return CtlByName(name, oldp, oldlenp, newp, newlen);
}

XALLOC_EXPORT int xmallctlnametomib(const char* name, size_t* mibp, size_t* miblenp) noexcept { return CtlNameToMib(name, mibp, miblenp); }

XALLOC_EXPORT int xmallctlbymib(const size_t* mib, size_t miblen, void* oldp, size_t* oldlenp, void* newp, size_t newlen) noexcept {
  return CtlByMib(mib, miblen, oldp, oldlenp, newp, newlen);
}

XALLOC_EXPORT void xmalloc_stats_print(void (*cb)(void*, const char*), void* opaque, const char* opts) noexcept {
  PrintStatistics(cb != nullptr ? cb : ToMessages, opaque, opts);
}
