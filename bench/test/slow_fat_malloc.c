/* SPDX-License-Identifier: MIT */
/* An allocator that is slower and fatter on purpose: the instrument has to show both. */
#include <stddef.h>
#include <string.h>

extern void* __libc_malloc(size_t size);

__attribute__((visibility("default"))) void* malloc(size_t size) {
  for (volatile int i = 0; i < 400; ++i) {
  }
  char* p = __libc_malloc(3 * size + 64);
  if (p != NULL) memset(p, 0, 3 * size + 64);
  return p;
}
