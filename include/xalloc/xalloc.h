/* SPDX-License-Identifier: MIT */
/* xalloc.h: the extended API of xalloc, for C and C++. Semantics after jemalloc(3); the flags are binary-equal to its MALLOCX_*.
 *
 * Every function may be called by any thread at any time. None sets errno. Sizes are bytes. */
#ifndef XALLOC_XALLOC_H_
#define XALLOC_XALLOC_H_

#include <stddef.h>

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

/* Options that the program compiles in, "key:value,key:value"; define it to use it. MALLOC_CONF overrides it key by key. */
extern const char *xmalloc_conf;

/* Set or define it: warnings, summaries and reports come here, one line a call, newline included, instead of to stderr; the first
 * argument is NULL. Reports of misuse go to stderr all the same. The function may allocate, but must not wait for other threads. */
extern void (*xmalloc_message)(void *, const char *);

#ifdef __cplusplus
}
#endif

#endif /* XALLOC_XALLOC_H_ */
