/* SPDX-License-Identifier: MIT */
/* xalloc.h: the extended API of xalloc, for C and C++. Semantics after jemalloc(3); the flags are binary-equal to its MALLOCX_*.
 *
 * Every function may be called by any thread at any time. None sets errno. Sizes are bytes. */
#ifndef XALLOC_XALLOC_H_
#define XALLOC_XALLOC_H_

#include <stddef.h>
#ifdef __cplusplus
#define XALLOC_BOOL bool
#else
#include <stdbool.h>
#define XALLOC_BOOL _Bool
#endif

#ifdef __cplusplus
extern "C" {
#define XALLOC_NOEXCEPT noexcept
#else
#define XALLOC_NOEXCEPT
#endif

/* Flags, combined with |. */
#define XMALLOCX_LG_ALIGN(la) ((int)(la))                      /* alignment 2^la */
#define XMALLOCX_ALIGN(a) ((int)__builtin_ctzll((size_t)(a))) /* alignment a, a power of two */
#define XMALLOCX_ZERO ((int)0x40)                              /* the bytes read as zero */
#define XMALLOCX_TCACHE(tc) ((int)(((tc) + 2) << 8))
#define XMALLOCX_TCACHE_NONE XMALLOCX_TCACHE(-1) /* past the thread cache */
#define XMALLOCX_ARENA(a) ((int)((((unsigned)(a)) + 1u) << 20)) /* from that arena, past the thread cache unless one is named */

/* Indices for xmallctl: arena.<i> and stats.arenas.<i>. */
#define XMALLCTL_ARENAS_ALL 4096       /* every arena, merged */
#define XMALLCTL_ARENAS_DESTROYED 4097 /* what destroyed arenas had counted */

/* Where an arena's memory comes from. Every bool: false is success. All but `alloc` may be NULL. Sizes and offsets are multiples of the
 * page. `alloc` with a new_addr returns exactly that or NULL; *zero and *commit in: wanted, out: so. Hooks are called by the thread that
 * needs memory of that arena or gives some back; they may allocate, but not from that arena. After jemalloc(3). */
typedef struct extent_hooks_s extent_hooks_t;
struct extent_hooks_s {
  void *(*alloc)(extent_hooks_t *hooks, void *new_addr, size_t size, size_t alignment, XALLOC_BOOL *zero, XALLOC_BOOL *commit, unsigned arena);
  XALLOC_BOOL (*dalloc)(extent_hooks_t *hooks, void *addr, size_t size, XALLOC_BOOL committed, unsigned arena);
  void (*destroy)(extent_hooks_t *hooks, void *addr, size_t size, XALLOC_BOOL committed, unsigned arena);
  XALLOC_BOOL (*commit)(extent_hooks_t *hooks, void *addr, size_t size, size_t offset, size_t length, unsigned arena);
  XALLOC_BOOL (*decommit)(extent_hooks_t *hooks, void *addr, size_t size, size_t offset, size_t length, unsigned arena);
  XALLOC_BOOL (*purge_lazy)(extent_hooks_t *hooks, void *addr, size_t size, size_t offset, size_t length, unsigned arena);
  XALLOC_BOOL (*purge_forced)(extent_hooks_t *hooks, void *addr, size_t size, size_t offset, size_t length, unsigned arena);
  XALLOC_BOOL (*split)(extent_hooks_t *hooks, void *addr, size_t size, size_t size_a, size_t size_b, XALLOC_BOOL committed, unsigned arena);
  XALLOC_BOOL (*merge)(extent_hooks_t *hooks, void *addr_a, size_t size_a, void *addr_b, size_t size_b, XALLOC_BOOL committed, unsigned arena);
};

/* A block of at least `size` bytes, size >= 1. NULL: no memory, or no such size. */
void *xmallocx(size_t size, int flags) XALLOC_NOEXCEPT __attribute__((warn_unused_result, malloc));

/* The block at `ptr` with `size` usable bytes at least; may move. NULL: no memory, and `ptr` is as it was.
 * XMALLOCX_ZERO: what lies past the old usable size reads as zero. */
void *xrallocx(void *ptr, size_t size, int flags) XALLOC_NOEXCEPT __attribute__((warn_unused_result));

/* In place only: tries for size + extra bytes (clamped), at least `size`. Returns the usable size afterwards: the old one where
 * nothing was possible. */
size_t xxallocx(void *ptr, size_t size, size_t extra, int flags) XALLOC_NOEXCEPT;

/* Usable bytes at `ptr`, a live block. */
size_t xsallocx(const void *ptr, int flags) XALLOC_NOEXCEPT __attribute__((warn_unused_result));

/* Frees `ptr`, a live block, not NULL. */
void xdallocx(void *ptr, int flags) XALLOC_NOEXCEPT;

/* The same; `size` is between the requested and the usable size. It is verified, never trusted: a wrong one is counted. */
void xsdallocx(void *ptr, size_t size, int flags) XALLOC_NOEXCEPT;

/* The usable size that xmallocx(size, flags) would give, without allocating; 0: impossible. */
size_t xnallocx(size_t size, int flags) XALLOC_NOEXCEPT __attribute__((warn_unused_result));

/* Reads and writes one value of the tree that docs/stats.md lists, by name ("stats.allocated", "arena.0.purge"). `oldp` with *oldlenp:
 * receives the value; `newp` with newlen: the new one; each may be NULL. 0, or
 *   EINVAL  wrong length (a read copies as much as fits and sets *oldlenp) or value
 *   ENOENT  no such name, an incomplete one, an index out of range, or a feature that is not built
 *   EPERM   write to what is read-only, read of what is write-only
 *   EAGAIN  nothing could be created
 *   EFAULT  the side effect failed
 * Totals are those of the last write to "epoch". */
int xmallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen) XALLOC_NOEXCEPT;

/* Translates a name into numbers once, for cheap use: *miblenp is the room in, the length out. A number in the name stands for itself and
 * may be replaced. A name that is not a leaf gives the numbers of its parts; where the room is short, those that fit. */
int xmallctlnametomib(const char *name, size_t *mibp, size_t *miblenp) XALLOC_NOEXCEPT;
int xmallctlbymib(const size_t *mib, size_t miblen, void *oldp, size_t *oldlenp, void *newp, size_t newlen) XALLOC_NOEXCEPT;

/* Writes statistics through `cb`, some text a call (NULL: through xmalloc_message, or to stderr). `opts`, letters: J JSON, p OpenMetrics;
 * each of these leaves a part out: g general, m merged, d destroyed, a each arena, b bins, l large, x mutexes, e extents, h huge pages. */
void xmalloc_stats_print(void (*cb)(void *, const char *), void *opaque, const char *opts) XALLOC_NOEXCEPT;

/* Options that the program compiles in, "key:value,key:value"; define it to use it. MALLOC_CONF overrides it key by key. */
extern const char *xmalloc_conf;

/* Set or define it: warnings, summaries and reports come here, one line a call, newline included, instead of to stderr; the first
 * argument is NULL. Reports of misuse go to stderr all the same. The function may allocate, but must not wait for other threads. */
extern void (*xmalloc_message)(void *, const char *);

#ifdef __cplusplus
}
#endif

#endif /* XALLOC_XALLOC_H_ */
