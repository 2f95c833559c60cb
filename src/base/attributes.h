// SPDX-License-Identifier: MIT
// attributes.h: the few compiler attributes the library uses, under one name each.
// Used by everything; owns nothing.
#pragma once

#define XALLOC_LIKELY(x) __builtin_expect(!!(x), 1)
#define XALLOC_UNLIKELY(x) __builtin_expect(!!(x), 0)
// The hit path: kept together in .text.hot, so that one or two lines of the instruction cache serve it.
#define XALLOC_HOT [[gnu::hot]]
#define XALLOC_COLD [[gnu::cold, gnu::noinline]]
#define XALLOC_NOINLINE [[gnu::noinline]]
#define XALLOC_INLINE [[gnu::always_inline]] inline
// Before a return of a call with the same signature: a jump at any level of optimization, where the compiler knows the word.
#if defined(__has_cpp_attribute) && __has_cpp_attribute(clang::musttail)
#define XALLOC_TAIL_CALL [[clang::musttail]]
#else
#define XALLOC_TAIL_CALL
#endif
// Constants that every process reads lie next to what the loader has written to, so that the pages of those that few processes read stay
// out of memory: a kernel brings in 64 KiB around a touch.
#define XALLOC_ALWAYS_READ(name) [[gnu::section(".data.rel.ro." name)]]
#define XALLOC_EXPORT extern "C" [[gnu::visibility("default")]]

#ifndef XALLOC_DEBUG
#define XALLOC_DEBUG 0
#endif
