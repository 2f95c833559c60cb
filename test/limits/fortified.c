/* SPDX-License-Identifier: MIT */
/* Built with _FORTIFY_SOURCE=3, which trusts the size that malloc was asked for. A program that wants the rest of its block says so
 * with a realloc to the usable size: that stays in place, grants all of it, and does not change the usable size. */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  (void)argv;
  for (size_t size = 1; size < 40000000; size += size / 3 + (size_t)argc) {
    char *p = malloc(size);
    if (p == NULL) return 2;
    const size_t usable = malloc_usable_size(p);
    if (usable < size) return 3;
    const uintptr_t was = (uintptr_t)p;
    char *q = realloc(p, usable);
    if ((uintptr_t)q != was || malloc_usable_size(q) != usable) return 4;
    memset(q, 1, usable);
    snprintf(q, usable, "%zu", usable);
    free(q);
  }
  puts("fortified: no complaint");
  return 0;
}
