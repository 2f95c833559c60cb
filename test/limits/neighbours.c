/* SPDX-License-Identifier: MIT */
/* neighbours: threads whose blocks grow, which moves their pages, beside threads that map, write, check and unmap memory of their own. A part
 * of each block is not to be in core files, so that the block is several mappings for the kernel and cannot be moved: where mremap is to put
 * it in a given place, Linux 6.1 has unmapped that place before it refuses. Another thread's memory is there at once, and who takes the place
 * for its own unmaps it. */
#include "limits.h"

#include <pthread.h>
#include <sys/mman.h>

enum { kThreads = 3, kTurns = 300 };
static int over;

static void *grow(void *arg) {
  unsigned seed = (unsigned)(size_t)arg;
  for (int turn = 0; turn < kTurns; ++turn) {
    const size_t size = 200000 + (seed = seed * 1664525 + 1013904223) % 1000000;
    char *p = malloc(size);
    REQUIRE(p != NULL);
    for (size_t i = 0; i < size; i += 4096) p[i] = (char)(i >> 12);
    char *const part = p + size / 2 - (uintptr_t)(p + size / 2) % 65536;
    if (turn % 3 != 0) madvise(part, 65536, MADV_DONTDUMP);
    char *q = realloc(p, size * 3);
    REQUIRE(q != NULL);
    for (size_t i = 0; i < size; i += 4096) REQUIRE(q[i] == (char)(i >> 12));
    free(q);
  }
  __atomic_add_fetch(&over, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static void *map(void *arg) {
  const size_t size = 1 << 20;
  (void)arg;
  while (__atomic_load_n(&over, __ATOMIC_SEQ_CST) < kThreads) {
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    for (size_t i = 0; i < size; i += 65536) p[i] = 1;
    for (size_t i = 0; i < size; i += 65536) REQUIRE(p[i] == 1);
    REQUIRE(munmap(p, size) == 0);
  }
  return NULL;
}

int main(void) {
  pthread_t grower[kThreads], mapper[kThreads];
  for (size_t i = 0; i < kThreads; ++i) {
    REQUIRE(pthread_create(&grower[i], NULL, grow, (void *)(i + 1)) == 0);
    REQUIRE(pthread_create(&mapper[i], NULL, map, NULL) == 0);
  }
  for (int i = 0; i < kThreads; ++i) REQUIRE(pthread_join(grower[i], NULL) == 0 && pthread_join(mapper[i], NULL) == 0);
  puts("neighbours: lived");
  return 0;
}
