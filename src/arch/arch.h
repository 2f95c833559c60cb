// SPDX-License-Identifier: MIT
// arch.h: what differs by CPU. The only folder that names one.
//
// Each architecture provides, in <arch>/cpu.h:
//   SpinHint()               one pause in a spin loop
//   Syscall(n, a..f)         a raw system call; returns -errno on failure, touches no libc state
//   Ticks()                  a counter that runs at a constant rate on all cores
//   ThreadPointer()          the address of this thread's control block
//   WithoutTag(p)            p without the bits that the CPU ignores in an address
//   kSharedLine              bytes that two cores may fight over as one (pairs of lines on both)
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include "arch/x86_64/cpu.h"
#elif defined(__aarch64__)
#include "arch/aarch64/cpu.h"
#else
#error "xalloc runs on x86-64 and AArch64"
#endif

namespace xalloc::arch {

constexpr size_t kCacheLine = 64;

}  // namespace xalloc::arch
