// SPDX-License-Identifier: MIT
// cpu.h: x86-64 (see arch.h).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc::arch {

constexpr size_t kSharedLine = 128;  // the adjacent-line prefetcher moves pairs

inline void SpinHint() { __builtin_ia32_pause(); }

// A process has to ask the kernel for tags here (LAM); without that such an address is none.
template <class T>
inline T* WithoutTag(T* p) {
  return p;
}

inline uint64_t Ticks() { return __builtin_ia32_rdtsc(); }

inline uintptr_t ThreadPointer() {
  uintptr_t tp;
  asm("mov %%fs:0, %0" : "=r"(tp));
  return tp;
}

inline long Syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

}  // namespace xalloc::arch
