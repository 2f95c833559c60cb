/* SPDX-License-Identifier: MIT
 * A kernel that does not say how large its rseq area is (before Linux 6.3): libc's getauxval sets errno for what is not there, and the
 * first malloc of a program, which asks, must not. It does not number the threads either, only the CPUs: one thread that hops between them keeps
 * its arena. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/auxv.h>

#include "../arenas.h"

static volatile int asked; /* malloc is declared to call nothing of ours */

/* In place of libc's, for the library, too. */
unsigned long getauxval(unsigned long type) {
  enum { kAtRseqFeatureSize = 27 };
  if (type == AT_PAGESZ) return (unsigned long)sysconf(_SC_PAGESIZE);
  if (type == AT_SECURE) return 0;
  asked += type == kAtRseqFeatureSize;
  errno = ENOENT;
  return 0;
}

int main(void) {
  CHECK(asked == 0);
  errno = 0;
  void *p = malloc(3000);
  CHECK(p != NULL && errno == 0);
  if (asked == 0) exit(kSkipped); /* no rseq at all: nothing to ask for */
  cpu_set_t all;
  CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (!CPU_ISSET(cpu, &all)) continue;
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    Churn(1, 20000);
  }
  CHECK(Arenas() == 1);
  free(p);
  return 0;
}
