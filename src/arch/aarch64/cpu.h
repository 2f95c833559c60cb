// SPDX-License-Identifier: MIT
// cpu.h: AArch64 (see arch.h).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc::arch {

constexpr size_t kSharedLine = 128;  // Apple's line; Neoverse prefetches pairs

// isb, not yield: yield is a near no-op on cores without SMT, isb waits some tens of cycles.
inline void SpinHint() { asm volatile("isb" ::: "memory"); }

// The top byte: Linux has it ignored in every process.
template <class T>
inline T* WithoutTag(T* p) {
  return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(p) & ~uintptr_t{0} >> 8);
}

inline uint64_t Ticks() {
  uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
}

inline uintptr_t ThreadPointer() {
  uintptr_t tp;
  asm("mrs %0, tpidr_el0" : "=r"(tp));
  return tp;
}

inline long Syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory", "cc");
  return x0;
}

}  // namespace xalloc::arch
