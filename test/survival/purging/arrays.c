/* SPDX-License-Identifier: MIT */
/* arrays: large blocks of which the start is used, replaced again and again beside a heap that is full. Memory is there for what is used
 * alone: a huge page behind any of them would be many times that. With an argument blocks that were filled come first, and huge pages with
 * them. */
#include <malloc.h>

#include "../survival.h"

enum { kArrays = 20, kArray = 4 << 20, kUsed = 64 << 10, kHeap = 16 << 20 };

static void Replace(char **place, size_t size, size_t used) {
  free(*place);
  *place = malloc(size);
  CHECK(*place != NULL);
  memset(*place, 1, used);
}

int main(int argc, char **argv) {
  static char *array[kArrays], *small[kHeap / 1024];
  (void)argv;
  unsigned seed = 1;
  for (size_t i = 0; i < kHeap / 1024; ++i) memset(small[i] = malloc(1024), 1, 1024);
  if (argc > 1) {
    for (int i = 0; i < 40; ++i) Replace(&array[i % 4], 6 << 20, 6 << 20);
    /* They are taken for what they are when some have come back, and are not what the buffers left. */
    for (int i = 0; i < 40; ++i) {
      Replace(&array[i % kArrays], kArray, kUsed);
      if (i % 20 != 19) continue;
      for (int k = 0; k < kArrays; ++k) free(array[k]), array[k] = NULL;
      malloc_trim(0);
    }
  }
  const long start = ResidentKiB();
  long most = start;
  for (int i = 0; i < 2000; ++i) {
    seed = seed * 1664525u + 1013904223u;
    Replace(&array[(seed >> 8) % kArrays], kArray, kUsed);
    if (i % 50 == 0 && ResidentKiB() > most) most = ResidentKiB();
  }
  printf("%d arrays of %d KiB of which %d are used: %ld KiB more than before\n", kArrays, kArray >> 10, kUsed >> 10, most - start);
  fflush(stdout);
  CHECK(most - start < kArrays * (kUsed >> 10) * 3 + 4096);
  return 0;
}
