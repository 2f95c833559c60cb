/* SPDX-License-Identifier: MIT */
/* What the library exports and musl has not. A program that gets the library preloaded is linked without it. */
#ifndef XALLOC_TEST_MUSL_DECLARATIONS_H_
#define XALLOC_TEST_MUSL_DECLARATIONS_H_
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>

#ifdef PRELOADED
#define XALLOC_LATER __attribute__((weak))
#else
#define XALLOC_LATER
#endif
int malloc_trim(size_t) XALLOC_LATER;
void malloc_stats(void) XALLOC_LATER;

#endif
