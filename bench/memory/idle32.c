/* SPDX-License-Identifier: MIT */
/* 500 MB of mixed small blocks over 32 threads, freed, all threads asleep: resident MB at the start, full, freed, after the seconds
 * of argv[1], and after malloc_trim. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kThreads = 32 };
static pthread_barrier_t full, freed, done;

static double resident_mb(void) {
  long pages = 0, ignored = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f == NULL || fscanf(f, "%ld %ld", &ignored, &pages) != 2) exit(1);
  fclose(f);
  return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static void *work(void *arg) {
  const size_t budget = 500000000 / kThreads;
  size_t n = 0, bytes = 0, room = 200000;
  unsigned seed = (unsigned)(size_t)arg;
  char **p = malloc(room * sizeof *p);
  while (bytes < budget && n < room) {
    seed = seed * 1664525u + 1013904223u;
    size_t size = 16 + (seed >> 10) % 2000;
    memset(p[n++] = malloc(size), 1, size);
    bytes += size;
  }
  pthread_barrier_wait(&full);
  while (n > 0) free(p[--n]);
  free(p);
  pthread_barrier_wait(&freed);
  pthread_barrier_wait(&done);
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t t[kThreads];
  pthread_barrier_init(&full, NULL, kThreads + 1);
  pthread_barrier_init(&freed, NULL, kThreads + 1);
  pthread_barrier_init(&done, NULL, kThreads + 1);
  double start = resident_mb();
  for (size_t i = 0; i < kThreads; ++i) pthread_create(&t[i], NULL, work, (void *)(i + 1));
  pthread_barrier_wait(&full);
  double at_full = resident_mb();
  pthread_barrier_wait(&freed);
  double at_freed = resident_mb();
  sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 0);
  double later = resident_mb();
  int trimmed = malloc_trim(0);
  printf("start %.1f full %.1f freed %.1f later %.1f trim(%d) %.1f MB\n", start, at_full, at_freed, later, trimmed, resident_mb());
  pthread_barrier_wait(&done);
  for (int i = 0; i < kThreads; ++i) pthread_join(t[i], NULL);
  return 0;
}
