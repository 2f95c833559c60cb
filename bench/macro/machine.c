/* SPDX-License-Identifier: MIT */
/* machine warm <MiB>: touches that much memory in huge pages and gives it back by ending. Whoever runs next finds the same state,
 *   whether or not the one before used huge pages: in a fixed order the follower of a user of huge pages inherits warm ones.
 * machine fault <MiB>: nanoseconds that the first touch of a fresh small page costs, the median of the 4 MiB pieces of that much
 *   memory, and their quartiles. Huge pages are refused for it.
 * machine pace <MiB>: nanoseconds of one step of arithmetic, of one dependent load within that much memory, and of the way of a word from the first
 *   CPU that we may use to the second and back, for some milliseconds: how fast the machine is right now. In a virtual machine neighbours
 *   slow it down without a trace in any counter, and its CPUs lie now near each other, now far. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static char* map(size_t bytes, int advice) {
  const size_t huge = 2u << 20;
  char* p = mmap(NULL, bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) exit(1);
  p += -(size_t)p & (huge - 1);
  madvise(p, bytes, advice); /* a kernel without huge pages refuses, and then there is nothing to inherit either */
  return p;
}

static int warm(size_t mib) {
  char* p = map(mib << 20, MADV_HUGEPAGE);
  for (size_t i = 0; i < mib << 20; i += 4096) p[i] = 1;
  return 0;
}

static int by_size(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static int fault(size_t mib) {
  enum { kPiece = 4, kMost = 1024 };
  static double cost[kMost];
  size_t pieces = mib / kPiece < kMost ? mib / kPiece : kMost;
  if (pieces == 0) return 2;
  const long pages = (kPiece << 20) / sysconf(_SC_PAGESIZE);
  for (size_t k = 0; k < pieces; ++k) {
    char* p = map(kPiece << 20, MADV_NOHUGEPAGE);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double begin = now_ns();
    for (size_t i = 0; i < kPiece << 20; i += 4096) p[i] = 1;
    double end = now_ns();
    getrusage(RUSAGE_SELF, &after);
    long faults = after.ru_minflt - before.ru_minflt;
    if (faults < pages / 2) {
      fprintf(stderr, "%ld faults for %ld pages: the kernel gives larger ones all the same\n", faults, pages);
      return 1;
    }
    cost[k] = (end - begin) / (double)faults;
  }
  qsort(cost, pieces, sizeof cost[0], by_size);
  printf("median=%.1f low=%.1f high=%.1f\n", cost[pieces / 2], cost[pieces / 4], cost[pieces * 3 / 4]);
  return 0;
}

enum { kHandOvers = 10000, kOurs = 0, kTheirs = 1, kEnough = 2 };
static _Alignas(256) atomic_int whose;

static void move_to(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static void* hand_back(void* cpu) {
  move_to((int)(intptr_t)cpu);
  for (int turn; (turn = atomic_load(&whose)) != kEnough;) {
    if (turn == kTheirs) atomic_store(&whose, kOurs);
  }
  return NULL;
}

/* Nanoseconds there and back; 0 where there is but one CPU, or the two are one at times, or one of them is taken away for long. */
static double hand_over(void) {
  const double patience = 1e8;
  cpu_set_t allowed;
  int cpus[2], found = 0;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus[found++] = cpu;
  }
  pthread_t thread;
  if (found < 2 || pthread_create(&thread, NULL, hand_back, (void*)(intptr_t)cpus[1]) != 0) return 0;
  move_to(cpus[0]);
  double start = now_ns(), begin = start, end = start;
  int done = 0;
  for (; done < kHandOvers && end - start < patience; ++done) {
    if (done == kHandOvers / 10) begin = now_ns(); /* the other thread has arrived */
    atomic_store(&whose, kTheirs);
    while (atomic_load(&whose) != kOurs) {
    }
    if (done % 64 == 63) end = now_ns();
  }
  end = now_ns();
  atomic_store(&whose, kEnough);
  pthread_join(thread, NULL);
  return done < kHandOvers ? 0 : (end - begin) / (kHandOvers - kHandOvers / 10);
}

static int pace(size_t mib) {
  const size_t count = (mib << 20) / sizeof(uint32_t);
  enum { kSteps = 2000000, kLoads = 200000 };
  uint32_t* next = (uint32_t*)map(mib << 20, MADV_HUGEPAGE);
  if (count == 0) return 2;
  /* A walk over all of it: an odd multiplier with 1 mod 4 and an odd increment make one cycle of a power-of-two count. */
  for (size_t i = 0; i < count; ++i) next[i] = (uint32_t)((i * 1664525 + 1013904223) % count);
  double begin = now_ns();
  volatile uint64_t x = 1;
  for (int i = 0; i < kSteps; ++i) x = x * 3 + 1;
  double middle = now_ns();
  uint32_t at = 0;
  for (int i = 0; i < kLoads; ++i) at = next[at];
  double end = now_ns();
  x = at;
  printf("arithmetic=%.3f memory=%.3f", (middle - begin) / kSteps, (end - middle) / kLoads);
  double over = hand_over();
  if (over > 0) printf(" hand-over=%.1f", over);
  printf("\n");
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  size_t mib = strtoul(argv[2], NULL, 10);
  if (strcmp(argv[1], "warm") == 0) return warm(mib);
  if (strcmp(argv[1], "fault") == 0) return fault(mib);
  if (strcmp(argv[1], "pace") == 0) return pace(mib);
  return 2;
}
