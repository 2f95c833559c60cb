/* SPDX-License-Identifier: MIT */
/* jemalloc.h: jemalloc's own names, as libxalloc_je.so exports them, for C and C++; instead of <jemalloc/jemalloc.h>. Link with -lxalloc_je.
 *
 * Each function is the one of xalloc.h that has an x in front, where it is described; semantics after jemalloc(3). */
#ifndef XALLOC_JEMALLOC_H_
#define XALLOC_JEMALLOC_H_

#include <malloc.h> /* malloc_usable_size, which jemalloc's own header declares, too */
#include <stdlib.h>

#include <xalloc/xalloc.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The interface is that of 5.3.0. */
#define JEMALLOC_VERSION "5.3.0-0-g0-xalloc-0.1.0"
#define JEMALLOC_VERSION_MAJOR 5
#define JEMALLOC_VERSION_MINOR 3
#define JEMALLOC_VERSION_BUGFIX 0
#define JEMALLOC_VERSION_NREV 0
#define JEMALLOC_VERSION_GID "0"
#define JEMALLOC_VERSION_GID_IDENT 0

#define MALLOCX_LG_ALIGN(la) XMALLOCX_LG_ALIGN(la)
#define MALLOCX_ALIGN(a) XMALLOCX_ALIGN(a)
#define MALLOCX_ZERO XMALLOCX_ZERO
#define MALLOCX_TCACHE(tc) XMALLOCX_TCACHE(tc)
#define MALLOCX_TCACHE_NONE XMALLOCX_TCACHE_NONE
#define MALLOCX_ARENA(a) XMALLOCX_ARENA(a)

#define MALLCTL_ARENAS_ALL XMALLCTL_ARENAS_ALL
#define MALLCTL_ARENAS_DESTROYED XMALLCTL_ARENAS_DESTROYED

/* The types of the members of extent_hooks_t. */
typedef void *(extent_alloc_t)(extent_hooks_t *, void *, size_t, size_t, XALLOC_BOOL *, XALLOC_BOOL *, unsigned);
typedef XALLOC_BOOL(extent_dalloc_t)(extent_hooks_t *, void *, size_t, XALLOC_BOOL, unsigned);
typedef void(extent_destroy_t)(extent_hooks_t *, void *, size_t, XALLOC_BOOL, unsigned);
typedef XALLOC_BOOL(extent_commit_t)(extent_hooks_t *, void *, size_t, size_t, size_t, unsigned);
typedef XALLOC_BOOL(extent_decommit_t)(extent_hooks_t *, void *, size_t, size_t, size_t, unsigned);
typedef XALLOC_BOOL(extent_purge_t)(extent_hooks_t *, void *, size_t, size_t, size_t, unsigned);
typedef XALLOC_BOOL(extent_split_t)(extent_hooks_t *, void *, size_t, size_t, size_t, XALLOC_BOOL, unsigned);
typedef XALLOC_BOOL(extent_merge_t)(extent_hooks_t *, void *, size_t, void *, size_t, XALLOC_BOOL, unsigned);

void *mallocx(size_t size, int flags) XALLOC_NOEXCEPT __attribute__((warn_unused_result, malloc));
void *rallocx(void *ptr, size_t size, int flags) XALLOC_NOEXCEPT __attribute__((warn_unused_result));
size_t xallocx(void *ptr, size_t size, size_t extra, int flags) XALLOC_NOEXCEPT;
size_t sallocx(const void *ptr, int flags) XALLOC_NOEXCEPT __attribute__((warn_unused_result));
void dallocx(void *ptr, int flags) XALLOC_NOEXCEPT;
void sdallocx(void *ptr, size_t size, int flags) XALLOC_NOEXCEPT;
size_t nallocx(size_t size, int flags) XALLOC_NOEXCEPT __attribute__((warn_unused_result));

int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen) XALLOC_NOEXCEPT;
int mallctlnametomib(const char *name, size_t *mibp, size_t *miblenp) XALLOC_NOEXCEPT;
int mallctlbymib(const size_t *mib, size_t miblen, void *oldp, size_t *oldlenp, void *newp, size_t newlen) XALLOC_NOEXCEPT;
void malloc_stats_print(void (*cb)(void *, const char *), void *opaque, const char *opts) XALLOC_NOEXCEPT;

/* Beside xmalloc_conf and xmalloc_message: read after the former, and preferred to the latter. Define or assign them. */
extern const char *malloc_conf;
extern void (*malloc_message)(void *, const char *);

#ifdef __cplusplus
}
#endif

#endif /* XALLOC_JEMALLOC_H_ */
