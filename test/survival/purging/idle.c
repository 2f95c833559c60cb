/* SPDX-License-Identifier: MIT */
/* idle <MiB> [ticking | trim]: threads fill that much with small blocks, free them in another order and sleep for ever. Within one and a half decay periods
 * (1 s, set by MALLOC_CONF) the process has shrunk, without anybody's doing; then its purger ends, and another burst finds a new one. A
 * fork child, where there is none, gets its own. ticking: there is no purger, and one thread goes on allocating. trim: malloc_trim does it. */
#include <malloc.h>
#include <pthread.h>

#include "../survival.h"
#include "purgers.h"

enum { kThreads = 32, kMs = 1000, kLargest = 700 };
static pthread_barrier_t go, filled, freed;
static size_t bytes_each;
static int rounds_left, ticking, trimming;

static void *Work(void *number) {
  unsigned seed = (unsigned)(size_t)number * 77 + 1;
  const size_t most = bytes_each / 300;
  for (int round = 0; round < rounds_left; ++round) {
    pthread_barrier_wait(&go);
    void **block = malloc(most * sizeof *block);
    size_t n = 0;
    for (size_t sum = 0; n < most && sum < bytes_each; ++n) {
      seed = seed * 1664525u + 1013904223u;
      const size_t size = 16 + (seed >> 12) % kLargest;
      block[n] = memset(malloc(size), 1, size);
      sum += size;
    }
    for (size_t i = 0; i < n; ++i) {
      seed = seed * 1664525u + 1013904223u;
      void *p = block[i];
      block[i] = block[seed % n];
      block[seed % n] = p;
    }
    pthread_barrier_wait(&filled);
    for (size_t i = 0; i < n; ++i) free(block[i]);
    free(block);
    pthread_barrier_wait(&freed);
  }
  for (;;) pause();
  return NULL;
}

static void Tick(void) {
  for (int i = 0; i < 64; ++i) {
    void *volatile p = malloc(40000 + (size_t)i * 1000);
    free(p);
  }
}

/* Waits until at most `allowed` KiB are resident; what was, in the end, and how many ms that took. */
static long AwaitResident(long allowed, double most_ms, double *ms) {
  const double begin = NowUs();
  long now;
  while ((now = ResidentKiB()) > allowed && NowUs() - begin < most_ms * 1e3) {
    if (ticking) Tick();
    usleep(20000);
  }
  *ms = (NowUs() - begin) / 1e3;
  return now;
}

static void Burst(long start, const char *who) {
  pthread_barrier_wait(&go);
  pthread_barrier_wait(&filled);
  const long full = ResidentKiB();
  pthread_barrier_wait(&freed);
  CHECK(full > start + 20000);
  /* An object a class stays with each thread, and pins its page; of larger pages, more. */
  const long page = PageSize();
  const long allowed = start + (full - start) / (page > 16384 ? 2 : page > 4096 ? 4 : 20) + 8192;
  double ms = 0;
  long now = 0;
  if (trimming) {
    usleep(100000); /* the threads reach their pause() */
    const double begin = NowUs();
    CHECK(malloc_trim(0) == 1);
    ms = (NowUs() - begin) / 1e3;
    now = ResidentKiB();
  } else {
    /* What the kernel takes to give the pages back depends on the machine: the check allows four times the one and a half periods. */
    now = AwaitResident(allowed, kMs * 6, &ms);
  }
  printf("%s: start %ld KiB, full %ld KiB, shrunk to %ld KiB after %.2f decay periods\n", who, start, full, now, ms / kMs);
  fflush(stdout);
  if (now > allowed) malloc_stats(); /* says where it is */
  CHECK(now <= allowed);
}

static void Program(const char *who) {
  const long start = ResidentKiB();
  rounds_left = 2;
  pthread_barrier_init(&go, NULL, kThreads + 1);
  pthread_barrier_init(&filled, NULL, kThreads + 1);
  pthread_barrier_init(&freed, NULL, kThreads + 1);
  for (size_t i = 0; i < kThreads; ++i) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, Work, (void *)i) == 0);
  }
  Burst(start, who);
  CHECK(Purgers() <= 4);
  if (Purgers() != 0) CHECK(PurgerRests()); /* nothing to do: nothing wakes up */
  Burst(start, who);
}

int main(int argc, char **argv) {
  bytes_each = (size_t)Scale(argc, argv, 64) * 1048576 / kThreads;
  ticking = argc > 2 && strcmp(argv[2], "ticking") == 0;
  trimming = argc > 2 && strcmp(argv[2], "trim") == 0;
  Program("parent");
  const pid_t child = fork();
  if (child == 0) {
    Program("child");
    _exit(0);
  }
  CHECK(EndOf(child) == 0);
  return 0;
}
