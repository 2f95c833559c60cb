/* SPDX-License-Identifier: MIT */
/* Threads that never allocate: they free, or only resize, or only ask for sizes, all blocks of another thread, and end. */
#include <malloc.h>
#include <pthread.h>

#include "../survival.h"

enum { kBlocks = 3000 };
static void *block[kBlocks];

static size_t SizeOf(int i) { return i % 500 == 0 ? 3000000 : i % 50 == 0 ? 40000 : (size_t)i % 1500 + 1; }

static void *Frees(void *unused) {
  (void)unused;
  for (int i = 0; i < kBlocks; ++i) free(block[i]);
  return NULL;
}
static void *Resizes(void *unused) {
  (void)unused;
  for (int i = 0; i < kBlocks; ++i) {
    block[i] = realloc(block[i], SizeOf(i) * 2);
    CHECK(block[i] != NULL && ((char *)block[i])[SizeOf(i) - 1] == 3);
    ((char *)block[i])[SizeOf(i) * 2 - 1] = 4;
  }
  return NULL;
}
static void *Looks(void *unused) {
  (void)unused;
  for (int i = 0; i < kBlocks; ++i) CHECK(malloc_usable_size(block[i]) >= SizeOf(i));
  return NULL;
}
static void *DoesNothing(void *unused) { return unused; }

static void Run(void *(*fn)(void *)) {
  pthread_t t;
  CHECK(pthread_create(&t, NULL, fn, NULL) == 0);
  pthread_join(t, NULL);
}

int main(void) {
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < kBlocks; ++i) {
      block[i] = malloc(SizeOf(i));
      memset(block[i], 3, SizeOf(i) < 5000 ? SizeOf(i) : 1);
      ((char *)block[i])[SizeOf(i) - 1] = 3;
    }
    Run(Looks);
    Run(DoesNothing);
    Run(Resizes);
    Run(Frees);
  }
  return 0;
}
