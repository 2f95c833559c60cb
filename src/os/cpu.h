// SPDX-License-Identifier: MIT
// cpu.h: which of the concurrently running threads this is: the index of the arena to use.
#pragma once

#include <stdint.h>

namespace xalloc::os {

// A small dense number, below the number of threads that ever ran at the same time where the kernel tells it (mm_cid:
// one thread stays at 0); else a dense renumbering of the CPU; else a hash of the thread. Costs a few loads, no system call.
// Only a hint: the thread may move at any time. Never index by a raw CPU number.
uint32_t ConcurrencyId();

// The same number for all calls of one thread, spread over threads.
uint32_t ThreadHash();

}  // namespace xalloc::os
