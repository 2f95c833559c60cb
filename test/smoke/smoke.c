/* SPDX-License-Identifier: MIT */
/* Allocates by every standard function, from threads and after fork, and checks contents and alignment. argv[1]: the page size
 * that valloc must show (by default the debug knob's, or the kernel's). Ends with "smoke ok". */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(c) ((c) ? (void)0 : (fprintf(stderr, "smoke: line %d: %s\n", __LINE__, #c), exit(1)))

static void *shared[256];

static void fill(unsigned char *p, size_t n, unsigned seed) {
  for (size_t i = 0; i < n; i += 61) p[i] = (unsigned char)(seed + i);
  p[n - 1] = (unsigned char)seed;
}
static int holds(const unsigned char *p, size_t n, unsigned seed) {
  if (p[n - 1] != (unsigned char)seed) return 0;
  for (size_t i = 0; i + 1 < n; i += 61)
    if (p[i] != (unsigned char)(seed + i)) return 0;
  return 1;
}

static void one_round(unsigned seed) {
  enum { kBlocks = 300 };
  unsigned char *p[kBlocks];
  size_t n[kBlocks];
  for (unsigned i = 0; i < kBlocks; ++i) {
    seed = seed * 1664525u + 1013904223u;
    n[i] = 1 + (seed >> 8) % (i % 50 == 0 ? 600000 : 3000);
    if (i % 3 == 0) {
      p[i] = calloc(1, n[i]);
      CHECK(p[i] != NULL);
      for (size_t k = 0; k < n[i]; ++k) CHECK(p[i][k] == 0);
    } else {
      p[i] = i % 3 == 1 ? malloc(n[i]) : aligned_alloc(256, n[i]);
      CHECK(p[i] != NULL && (uintptr_t)p[i] % (i % 3 == 1 ? 8 : 256) == 0);
    }
    CHECK(malloc_usable_size(p[i]) >= n[i]);
    fill(p[i], n[i], i);
  }
  for (unsigned i = 0; i < kBlocks; i += 2) {
    size_t more = n[i] * 3;
    p[i] = realloc(p[i], more);
    CHECK(p[i] != NULL && holds(p[i], n[i], i));
    fill(p[i], more, i);
    n[i] = more;
  }
  for (unsigned i = 0; i < kBlocks; ++i) {
    CHECK(holds(p[i], n[i], i));
    free(p[i]);
  }
}

static void *thread(void *arg) {
  unsigned seed = (unsigned)(uintptr_t)arg;
  for (unsigned i = 0; i < 8; ++i) one_round(seed + i);
  for (unsigned i = 0; i < 256; ++i) free(__atomic_exchange_n(&shared[i], malloc(100 + i), __ATOMIC_ACQ_REL));
  return NULL;
}

/* The CPU ignores the top byte of an address: a block may be given back with something in it, which nobody gets to see. */
static void tags(void) {
#ifdef __aarch64__
  static const size_t sizes[] = {1, 64, 1000, 20000, 100000, 5000000};
  static unsigned char *p[200];
  for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
    const unsigned n = sizes[s] > 100000 ? 4 : 200;
    for (int round = 0; round < 3; ++round) {
      for (unsigned i = 0; i < n; ++i) {
        p[i] = malloc(sizes[s]);
        CHECK(p[i] != NULL && (uintptr_t)p[i] >> 56 == 0);
        fill(p[i], sizes[s], i);
        p[i] = (unsigned char *)((uintptr_t)p[i] | (uintptr_t)(i % 255 + 1) << 56);
      }
      for (unsigned i = 0; i < n; ++i) {
        CHECK(malloc_usable_size(p[i]) >= sizes[s]);
        if (i % 3 == 0) p[i] = realloc(p[i], sizes[s] * (i % 2 + 1));
        CHECK(p[i] != NULL && (i % 3 != 0 || (uintptr_t)p[i] >> 56 == 0) && holds(p[i], sizes[s], i));
      }
      for (unsigned i = 0; i < n; ++i) free(p[i]);
    }
  }
#endif
}

int main(int argc, char **argv) {
  const char *knob = getenv("XALLOC_DEBUG_PAGE_SIZE");
  const size_t page = argc > 1 ? (size_t)atol(argv[1]) : knob != NULL ? (size_t)atol(knob) : (size_t)sysconf(_SC_PAGESIZE);
  CHECK(malloc_usable_size(NULL) == 0);
  errno = 7;
  free(NULL);
  CHECK(errno == 7);
  volatile size_t too_much = SIZE_MAX; /* volatile: the compiler would warn */
  CHECK(malloc(too_much) == NULL && errno == ENOMEM);
  CHECK((uintptr_t)valloc(1) % page == 0);
  void *big = aligned_alloc(8u << 20, 40u << 20);
  CHECK(big != NULL && (uintptr_t)big % (8u << 20) == 0);
  free(big);
  one_round(1);
  tags();

  pthread_t threads[4];
  for (uintptr_t i = 0; i < 4; ++i) CHECK(pthread_create(&threads[i], NULL, thread, (void *)(i + 1)) == 0);
  for (int i = 0; i < 10; ++i) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      one_round(77);
      _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
  }
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  for (int i = 0; i < 256; ++i) free(shared[i]);

  /* Growth by realloc over all sizes, then everything back. */
  unsigned char *grow = NULL;
  for (size_t n = 1; n < (64u << 20); n = n * 2 + 5) {
    grow = realloc(grow, n);
    CHECK(grow != NULL);
    grow[n - 1] = (unsigned char)n;
    grow[0] = 9;
  }
  CHECK(grow[0] == 9);
  free(grow);
  malloc_trim(0);
  one_round(5);
  puts("smoke ok");
  return 0;
}
