// SPDX-License-Identifier: MIT
// mallctl.cc: stand-ins: there is no name yet.
#include <errno.h>
#include <stddef.h>

#include "api/whole.h"
#include "base/attributes.h"

XALLOC_EXPORT int xmallctl(const char*, void*, size_t*, void*, size_t) { return ENOENT; }
XALLOC_EXPORT int xmallctlnametomib(const char*, size_t*, size_t*) { return ENOENT; }
XALLOC_EXPORT int xmallctlbymib(const size_t*, size_t, void*, size_t*, void*, size_t) { return ENOENT; }
XALLOC_EXPORT void xmalloc_stats_print(void (*)(void*, const char*), void*, const char*) {}
