/* SPDX-License-Identifier: MIT */
/* Threads whose affinity changes under them: they hop from CPU to CPU, are narrowed to the last one and widened again, while blocks go from
 * thread to thread. Whichever numbers the CPUs have, every block is served and comes back. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>

#include "../survival.h"

enum { kThreads = 6, kShared = 512 };
static void *shared[kShared];
static long rounds;

static void NarrowTo(const cpu_set_t *all, int nth) {
  cpu_set_t one;
  CPU_ZERO(&one);
  nth %= CPU_COUNT(all);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, all) && nth-- == 0) CPU_SET(cpu, &one);
  }
  CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
}

static void *Hop(void *number) {
  unsigned seed = (unsigned)(size_t)number * 7919 + 1;
  cpu_set_t all;
  CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
  for (long i = 0; i < rounds; ++i) {
    NarrowTo(&all, (int)(seed >> 16));
    for (int k = 0; k < 400; ++k) {
      seed = seed * 1664525u + 1013904223u;
      const size_t size = (seed >> 12) % 3000 + 8;
      unsigned char *mine = malloc(size);
      CHECK(mine != NULL);
      memcpy(mine, &size, sizeof size);
      if (size > sizeof size) mine[size - 1] = (unsigned char)size;
      unsigned char *other = __atomic_exchange_n(&shared[(seed >> 8) % kShared], mine, __ATOMIC_ACQ_REL);
      if (other == NULL) continue;
      size_t its;
      memcpy(&its, other, sizeof its);
      CHECK(its >= 8 && its < 3008 && (its == 8 || other[its - 1] == (unsigned char)its));
      free(other);
    }
    CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
  }
  return NULL;
}

int main(int argc, char **argv) {
  rounds = Scale(argc, argv, 200);
  cpu_set_t all;
  CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
  NarrowTo(&all, CPU_COUNT(&all) - 1); /* as under taskset -c <last> */
  Churn(1, 20000);
  CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
  pthread_t thread[kThreads];
  for (size_t i = 0; i < kThreads; ++i) CHECK(pthread_create(&thread[i], NULL, Hop, (void *)i) == 0);
  for (int i = 0; i < kThreads; ++i) CHECK(pthread_join(thread[i], NULL) == 0);
  for (int i = 0; i < kShared; ++i) free(shared[i]);
  return 0;
}
