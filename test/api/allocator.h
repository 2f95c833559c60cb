// SPDX-License-Identifier: MIT
// allocator.h: which allocator this process runs on, and functions that a libc may lack.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>

template <class Fn>
Fn Symbol(const char* name) {
  return reinterpret_cast<Fn>(dlsym(RTLD_DEFAULT, name));
}
inline bool OnXalloc() { return dlsym(RTLD_DEFAULT, "xmallocx") != nullptr; }
inline bool IsAligned(const void* p, size_t alignment) { return reinterpret_cast<uintptr_t>(p) % alignment == 0; }
// A size that the compiler does not see through.
inline size_t Hidden(size_t n) {
  volatile size_t v = n;
  return v;
}
