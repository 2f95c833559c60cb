/* SPDX-License-Identifier: MIT */
/* sparse: of 64 MiB of small blocks one in 500 stays, and 64 MiB of larger blocks follow. What stays pins a third of the first; the peak is well
 * below both together, for slabs that are nearly empty give back their free pages when the heap grows. What stayed is as it was. */
#include "../survival.h"

enum { kBytes = 64 << 20, kSmall = 64, kLarge = 1000, kKept = 500 };
static char *small_block[kBytes / kSmall], *large_block[kBytes / kLarge];

static long PeakKiB(void) {
  FILE *f = fopen("/proc/self/status", "r");
  char line[200];
  long kib = 0;
  CHECK(f != NULL);
  while (fgets(line, sizeof line, f) != NULL) {
    if (strncmp(line, "VmHWM:", 6) == 0) kib = atol(line + 6);
  }
  fclose(f);
  CHECK(kib > 0);
  return kib;
}

int main(void) {
  const size_t small = kBytes / kSmall, large = kBytes / kLarge;
  unsigned seed = 1;
  size_t kept = 0;
  for (size_t i = 0; i < small; ++i) memset(small_block[i] = malloc(kSmall), 1 + (int)(i % 100), kSmall);
  const long full = PeakKiB();
  for (size_t i = 0; i < small; ++i) {
    seed = seed * 1664525u + 1013904223u;
    if ((seed >> 8) % kKept == 0) {
      ++kept;
    } else {
      free(small_block[i]);
      small_block[i] = NULL;
    }
  }
  const long pinned = (long)(kept * 16);
  for (size_t i = 0; i < large; ++i) memset(large_block[i] = malloc(kLarge), 1, kLarge);
  const long grown = PeakKiB() - full;
  printf("%zu blocks stay, at most %ld KiB pinned; the peak grew by %ld KiB\n", kept, pinned, grown);
  fflush(stdout);
  /* A slab of 16 KiB has no whole page of 16 KiB to give back. */
  CHECK(grown < (PageSize() > 4096 ? pinned : pinned / 2));
  for (size_t i = 0; i < small; ++i) {
    for (size_t k = 0; small_block[i] != NULL && k < kSmall; ++k) CHECK(small_block[i][k] == 1 + (int)(i % 100));
    free(small_block[i]);
  }
  return 0;
}
