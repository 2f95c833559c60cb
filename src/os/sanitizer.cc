// SPDX-License-Identifier: MIT
#include "os/sanitizer.h"

// What every run-time exports beside its malloc, so that it can be reached past an interposer; absent anywhere else.
extern "C" {
[[gnu::weak]] void* __interceptor_malloc(size_t);
[[gnu::weak]] void* __interceptor_memalign(size_t, size_t);
[[gnu::weak]] void __interceptor_free(void*);
[[gnu::weak]] size_t __interceptor_malloc_usable_size(void*);
}

namespace xalloc::os {

bool SanitizerPresent() {
  return &__interceptor_malloc != nullptr && &__interceptor_memalign != nullptr && &__interceptor_free != nullptr &&
         &__interceptor_malloc_usable_size != nullptr;
}

void* SanitizerAllocate(size_t size, size_t alignment) {
  return alignment <= 16 ? __interceptor_malloc(size) : __interceptor_memalign(alignment, size);
}

void SanitizerFree(void* p) { __interceptor_free(p); }

size_t SanitizerUsableSize(const void* p) { return __interceptor_malloc_usable_size(const_cast<void*>(p)); }

}  // namespace xalloc::os
