// SPDX-License-Identifier: MIT
// whole.h: included by every file of api/ but the two it names: who links the archive and names only `operator new`, or only xmallocx, gets malloc
// and the fork handlers with it, never one half from here and the other from libc.
#pragma once

namespace xalloc {
extern const char g_lifecycle;   // lifecycle.cc
extern const char g_malloc_set;  // malloc.cc
[[gnu::used]] static constinit const char* const g_whole[] = {&g_lifecycle, &g_malloc_set};
}  // namespace xalloc
