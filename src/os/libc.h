// SPDX-License-Identifier: MIT
// libc.h: which libc this is built for. XALLOC_GLIBC: glibc, or one that says it is; 0: musl.
#pragma once

#include <features.h>

#ifdef __GLIBC__
#define XALLOC_GLIBC 1
#else
#define XALLOC_GLIBC 0
#endif
