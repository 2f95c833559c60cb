/* SPDX-License-Identifier: MIT */
/* What a live thread costs that has touched 40 sizes (about 19 KiB live): resident KiB per thread, mean over 200 threads.
 * With any argument: a thread that allocates nothing, for comparison. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kThreads = 200, kSizes = 40 };
static pthread_barrier_t ready, done;

static long resident_kib(void) {
  long pages = 0, ignored = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f == NULL || fscanf(f, "%ld %ld", &ignored, &pages) != 2) exit(1);
  fclose(f);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static size_t live;

static void *work(void *arg) {
  char *p[kSizes] = {NULL};
  for (int i = 0; i < kSizes && arg != NULL; ++i) {
    size_t n = 16 + (size_t)i * 24;
    p[i] = malloc(n);
    memset(p[i], 1, n);
    void *q = malloc(n);
    free(q);
  }
  pthread_barrier_wait(&ready);
  pthread_barrier_wait(&done);
  for (int i = 0; i < kSizes; ++i) free(p[i]);
  return arg;
}

static double per_thread(void *arg) {
  pthread_t t[kThreads];
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 64 * 1024);
  pthread_barrier_init(&ready, NULL, kThreads + 1);
  pthread_barrier_init(&done, NULL, kThreads + 1);
  long before = resident_kib();
  for (int i = 0; i < kThreads; ++i) pthread_create(&t[i], &attr, work, arg);
  pthread_barrier_wait(&ready);
  long after = resident_kib();
  pthread_barrier_wait(&done);
  for (int i = 0; i < kThreads; ++i) pthread_join(t[i], NULL);
  return (double)(after - before) / kThreads;
}

int main(int argc, char **argv) {
  /* Each kind in a process of its own: stacks are reused. */
  (void)argv;
  for (size_t i = 0; i < kSizes; ++i) live += 16 + i * 24;
  printf("%.1f KiB per thread, %.1f KiB of it live\n", per_thread(argc > 1 ? NULL : &live), argc > 1 ? 0.0 : (double)live / 1024);
  return 0;
}
