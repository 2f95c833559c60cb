/* SPDX-License-Identifier: MIT */
/* subject <what>: the program that tools look at. good: runs clean. The rest are mistakes that each tool must still find. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int counter;
static void *count(void *unused) {
  (void)unused;
  for (int i = 0; i < 1000; ++i) ++counter;
  return NULL;
}

__attribute__((noinline)) void *leaky_function(size_t n) {
  char *volatile p = malloc(n);
  p[0] = 1;
  return p;
}

/* So that no register or dead stack slot still holds the leaked pointers. */
__attribute__((noinline)) static void wipe(int depth) {
  volatile char space[256];
  memset((char *)space, depth, sizeof space);
  if (depth > 0) wipe(depth - 1);
}

static int work(void) {
  size_t sum = 0;
  for (size_t n = 1; n < 200000; n += n / 3 + 1) {
    char *p = malloc(n), *q = calloc(n, 2), *r = NULL;
    if (p == NULL || q == NULL || q[n] != 0 || posix_memalign((void **)&r, 256, n) != 0 || (size_t)r % 256 != 0) return 1;
    memset(p, 7, n);
    p = realloc(p, 2 * n);
    if (p == NULL || p[n - 1] != 7) return 1;
    sum += n;
    free(p);
    free(q);
    free(r);
  }
  printf("worked %zu\n", sum);
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "good";
  if (work() != 0) return 1;
  char *volatile p = malloc(100);
  memset(p, 1, 100);
  if (strcmp(what, "use-after-free") == 0) {
    free(p);
    return p[5];
  }
  if (strcmp(what, "overflow") == 0) p[100] = 1;
  if (strcmp(what, "double-free") == 0) free(p);
  free(p);
  if (strcmp(what, "leak") == 0) {
    for (int i = 0; i < 3; ++i) leaky_function(12345);
    wipe(20);
  }
  if (strcmp(what, "race") == 0) {
    pthread_t t[2];
    for (int i = 0; i < 2; ++i) pthread_create(&t[i], NULL, count, NULL);
    for (int i = 0; i < 2; ++i) pthread_join(t[i], NULL);
  }
  return 0;
}
