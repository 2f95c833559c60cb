/* SPDX-License-Identifier: MIT */
/* A change of phase: 24 MiB of 64-byte blocks freed, then 24 MiB of 1 KiB blocks, then realloc growth to 16 MiB, then calloc of
 * 4 MiB: milliseconds of each, and the peak resident size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(void) {
  enum { kSmall = 24 << 14, kMedium = 24 << 10 };
  static char *small[kSmall], *medium[kMedium];
  double t0 = ms();
  for (int i = 0; i < kSmall; ++i) memset(small[i] = malloc(64), 1, 64);
  double t1 = ms();
  for (int i = 0; i < kSmall; ++i) free(small[i]);
  for (int i = 0; i < kMedium; ++i) memset(medium[i] = malloc(1024), 1, 1024);
  for (int i = 0; i < kMedium; ++i) free(medium[i]);
  double t2 = ms();
  char *p = NULL;
  size_t old = 0;
  for (size_t n = 4096; n <= (16u << 20); n += n / 8) {
    p = realloc(p, n);
    memset(p + old, 1, n - old);
    old = n;
  }
  double t3 = ms();
  char *z = calloc(1, 4 << 20);
  memset(z, 1, 4 << 20);
  double t4 = ms();
  free(z);
  free(p);
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  printf("small %.1f medium %.1f realloc %.1f calloc %.1f ms, peak %ld KiB, %ld faults\n", t1 - t0, t2 - t1, t3 - t2, t4 - t3, r.ru_maxrss, r.ru_minflt);
  return 0;
}
