/* SPDX-License-Identifier: MIT */
/* effects <what>: shows what an option does; check_effects.py runs it under MALLOC_CONF and knows what must come out. */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../survival/purging/purgers.h"

void free_sized(void *, size_t) __attribute__((weak)); /* C23: only the preloaded library has it */

static void pairs(size_t size) {
  for (int i = 0; i < 10000; ++i) {
    void *volatile p = malloc(size);
    free(p);
  }
}

/* One slot of each kind comes and goes, `n` at a time: how deep the cache of a thread is shows in the refills. */
static void stacks(size_t size) {
  static void *held[64];
  for (int round = 0; round < 500; ++round) {
    for (int i = 0; i < 64; ++i) held[i] = malloc(size);
    for (int i = 0; i < 64; ++i) free(held[i]);
  }
}

static int all_are(const unsigned char *p, size_t n, int value) {
  for (size_t i = 0; i < n; ++i) {
    if (p[i] != value) return 0;
  }
  return 1;
}

/* The first bytes of fresh and of reused blocks: the value that all of them have, or "mixed". */
static void fill(void) {
  static const size_t sizes[] = {40, 3000, 100000, 3000000};
  for (int i = 0; i < 4; ++i) {
    for (int round = 0; round < 2; ++round) {
      unsigned char *p = malloc(sizes[i]);
      printf("%s ", all_are(p, sizes[i], 0) ? "zero" : all_are(p, sizes[i], 0xa5) ? "a5" : "mixed");
      memset(p, 7, sizes[i]);
      free(p);
    }
  }
  unsigned char *grown = malloc(100000);
  memset(grown, 7, 100000);
  grown = realloc(grown, 300000);
  printf("grown %s\n", all_are(grown + 102400, 190000, 0) ? "zero" : all_are(grown + 102400, 190000, 0xa5) ? "a5" : "mixed");
  free(grown);
}

static void freed(void) {
  unsigned char *volatile p = malloc(64);
  memset(p, 7, 64);
  free(p);
  printf("%s\n", all_are(p, 64, 0x5a) ? "5a" : "other");
}

static pthread_barrier_t together;
static void *touch(void *arg) {
  pthread_barrier_wait(&together);
  for (int i = 0; i < 200; ++i) free(malloc(16 + (size_t)i * 8));
  pthread_barrier_wait(&together);
  return arg;
}
static void arenas(void) {
  enum { kThreads = 24 };
  pthread_t t[kThreads];
  pthread_barrier_init(&together, NULL, kThreads);
  for (int i = 0; i < kThreads; ++i) pthread_create(&t[i], NULL, touch, NULL);
  for (int i = 0; i < kThreads; ++i) pthread_join(t[i], NULL);
  malloc_info(0, stdout);
}

/* 64 MiB in blocks of 100 KB, every other one freed; then 64 MiB in blocks that fit into no hole. */
static void strand(void) {
  enum { kSmall = 640, kLarge = 64 };
  static char *small[kSmall], *large[kLarge];
  /* Not filled: what counts is what could have memory behind it. */
  for (int i = 0; i < kSmall; ++i) *(small[i] = malloc(100000)) = 1;
  for (int i = 0; i < kSmall; i += 2) free(small[i]);
  for (int i = 0; i < kLarge; ++i) *(large[i] = malloc(1000000)) = 1;
}

static void burst(void) {
  static char *block[4000];
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4000; ++i) memset(block[i] = malloc(10000), 1, 10000);
    for (int i = 0; i < 4000; ++i) free(block[i]);
  }
}

/* After 40 MB came and went, in a second thread too if `threaded`: the names of all threads but this one. */
static void *come_and_go(void *stay) {
  burst();
  if (stay != NULL) pthread_barrier_wait(&together);
  if (stay != NULL) pthread_barrier_wait(&together);
  return NULL;
}
static void threads(int threaded) {
  pthread_t t;
  pthread_barrier_init(&together, NULL, 2);
  if (threaded) pthread_create(&t, NULL, come_and_go, &t);
  if (threaded) pthread_barrier_wait(&together);
  if (!threaded) come_and_go(NULL);
  printf("%d\n", Purgers());
  if (threaded) pthread_barrier_wait(&together);
  if (threaded) pthread_join(t, NULL);
}

/* 256 MiB in two threads, freed at once; then nothing for a while. */
static void *hold(void *arg) {
  enum { kBlocks = 1280 };
  char **block = malloc(kBlocks * sizeof *block);
  for (int i = 0; i < kBlocks; ++i) memset(block[i] = malloc(100000), 1, 100000);
  pthread_barrier_wait(&together);
  for (int i = 0; i < kBlocks; ++i) free(block[i]);
  free(block);
  pthread_barrier_wait(&together);
  pthread_barrier_wait(&together);
  return arg;
}
static void release(void) {
  pthread_t t[2];
  pthread_barrier_init(&together, NULL, 3);
  for (int i = 0; i < 2; ++i) pthread_create(&t[i], NULL, hold, NULL);
  pthread_barrier_wait(&together);
  pthread_barrier_wait(&together);
  usleep(1600000);
  pthread_barrier_wait(&together);
  for (int i = 0; i < 2; ++i) pthread_join(t[i], NULL);
}

/* After 64 MiB in small blocks: which advice about huge pages the kernel has been given for any mapping of this process. */
static void advised(void) {
  for (int i = 0; i < 640000; ++i) {
    if (malloc(100) == NULL) return;
  }
  char line[4096];
  int wanted = 0, unwanted = 0;
  FILE *f = fopen("/proc/self/smaps", "r");
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    if (strncmp(line, "VmFlags:", 8) != 0) continue;
    wanted |= strstr(line, " hg") != NULL;
    unwanted |= strstr(line, " nh") != NULL;
  }
  printf("%s%s%s\n", wanted ? "hg" : "", wanted && unwanted ? " " : "", unwanted ? "nh" : "");
}

/* What the process has open. */
static void descriptors(void) {
  for (int fd = 0; fd < 1024; ++fd) {
    char path[40], link[200];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(path, link, sizeof link - 1);
    if (n > 0) printf("%.*s\n", (int)n, link);
  }
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "descriptors") == 0) descriptors();
  if (strcmp(what, "pairs") == 0) pairs(argc > 2 ? strtoul(argv[2], NULL, 10) : 64);
  if (strcmp(what, "stacks") == 0) stacks(argc > 2 ? strtoul(argv[2], NULL, 10) : 64);
  if (strcmp(what, "fill") == 0) fill();
  if (strcmp(what, "freed") == 0) freed();
  if (strcmp(what, "arenas") == 0) arenas();
  if (strcmp(what, "strand") == 0) strand();
  if (strcmp(what, "burst") == 0) burst();
  if (strcmp(what, "threads") == 0) threads(argc > 2);
  if (strcmp(what, "release") == 0) release();
  if (strcmp(what, "advised") == 0) advised();
  if (strcmp(what, "huge") == 0) printf("%s\n", malloc((size_t)1 << 60) == NULL ? "null" : "block");
  if (strcmp(what, "zero_realloc") == 0) printf("%s\n", realloc(malloc(10), 0) == NULL ? "null" : "block");
  if (strcmp(what, "mapped") == 0) {
    const size_t size = argc > 2 ? strtoul(argv[2], NULL, 10) : (size_t)3 << 20;
    void *volatile p = malloc(size);
    printf("%s\n", p != NULL && mallinfo2().hblkhd >= size ? "mapped" : "heap");
  }
  if (strcmp(what, "double") == 0) {
    void *volatile p = malloc(64), *volatile q = malloc(64);
    free(p);
    free(q);
    free(p);
    free(&what);
    free((char *)q + 3);
    pairs(64);
    printf("alive\n");
  }
  if (strcmp(what, "wrong_size") == 0) {
    void *volatile p = malloc(64);
    if (free_sized != NULL) free_sized(p, 640);
    printf("alive\n");
  }
  return 0;
}
