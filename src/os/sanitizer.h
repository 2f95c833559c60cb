// SPDX-License-Identifier: MIT
// sanitizer.h: the allocator of a sanitizer's run-time in the same process, if there is one: then memory is its business.
//
// Where its malloc comes first in symbol order (linked into the program, or preloaded before us), ours is never called. Where ours
// comes first, as in a plain LD_PRELOAD over a program that links its run-time as a library, the slow paths hand everything over.
// Thread safety: any thread, any time.
#pragma once

#include <stddef.h>

namespace xalloc::os {

// True in a process with ASan, TSan, MSan or LSan in it.
bool SanitizerPresent();

// Only where one is present.
void* SanitizerAllocate(size_t size, size_t alignment);
void SanitizerFree(void* p);
size_t SanitizerUsableSize(const void* p);

}  // namespace xalloc::os
