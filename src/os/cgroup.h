// SPDX-License-Identifier: MIT
// cgroup.h: how much memory the control group of this process may use.
#pragma once

#include <stddef.h>

namespace xalloc::os {

// The lowest of memory.max and memory.high (v2) or memory.limit_in_bytes (v1) from the group of this process upwards, in bytes; 0: none,
// or unknown. `root` stands before every path ("" for the real ones). Opens files: late, and not often. One thread at a time; preserves errno.
size_t CgroupMemoryLimit(const char* root);

}  // namespace xalloc::os
