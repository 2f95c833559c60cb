/* SPDX-License-Identifier: MIT */
/* crimes <crime> <size>: commits one and, if nothing stops it, says so and exits 0. check_crimes.py knows what must happen. */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kLargest = 64 << 20 };
static char in_static_memory[kLargest];
__attribute__((weak)) void free_sized(void *, size_t); /* C23: the libc at hand may not have it */

/* The blocks of every crime; q and r are its neighbours. */
static size_t n;
static char *volatile p, *volatile q, *volatile r;

/* Threads are made before the first free: what pthread_create allocates must not come to lie where p was. */
static pthread_barrier_t start[2];
static void *free_when_told(void *turn) {
  pthread_barrier_wait(turn);
  free(p);
  return NULL;
}
static pthread_t thread_that_frees(int i) {
  pthread_t t;
  pthread_barrier_init(&start[i], NULL, 2);
  if (pthread_create(&t, NULL, free_when_told, &start[i]) != 0) abort();
  return t;
}
static void let_it_free(pthread_t t, int i) {
  pthread_barrier_wait(&start[i]);
  pthread_join(t, NULL);
}
static void churn(void) {
  for (int i = 0; i < 10000; ++i) free(malloc(n));
  for (int i = 0; i < 1000; ++i) free(malloc(n + 1000));
}
static size_t middle(void) { return n / 2 & ~(size_t)7; }

/* ---- freed twice ---- */
static void twice(void) {
  free(p);
  free(p);
}
static void interleaved(void) {
  free(p);
  free(q);
  free(p);
}
static void delayed(void) {
  free(p);
  churn();
  free(q);
  free(p);
}
static void reused(void) { /* the second free hits the block's next life, whose own free is then the double one */
  free(p);
  char *volatile next = malloc(n);
  free(p);
  churn();
  free(next);
}
static void cross_thread(void) {
  pthread_t one = thread_that_frees(0), two = thread_that_frees(1);
  let_it_free(one, 0);
  let_it_free(two, 1);
}
static void two_caches(void) { /* it lies in this thread's cache while another one frees it */
  pthread_t other = thread_that_frees(0);
  free(p);
  let_it_free(other, 0);
}
static void after_trim(void) {
  free(p);
  malloc_trim(0);
  free(p);
}
static void by_realloc(void) {
  free(p);
  malloc_trim(0);
  p = realloc(p, n * 4);
}
static void sized_twice(void) {
  free_sized(p, n);
  free_sized(p, n);
}

/* ---- not the start of a block ---- */
static void interior(void) { free(p + 8); }
static void interior_half(void) { free(p + middle()); }
static void odd(void) { free(p + 1); }
static void odd_half(void) { free(p + middle() + 3); }
static void realloc_interior(void) { p = realloc(p + middle(), 2 * n); }

/* ---- never from xalloc, or never handed out ---- */
static void stack(void) {
  const size_t size = n < 200000 ? n : 200000;
  volatile char block[size + 16];
  block[0] = 1;
  free((char *)(((uintptr_t)block + 15) & ~(uintptr_t)15));
}
static void in_static(void) { free(in_static_memory + middle()); }
static void function(void) { free((void *)&function); }
static void mapped(void) { free(mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); }
static void wild(void) { free((void *)(0x123456000000 + n)); }
static void wild_low(void) { free((void *)(n & ~(size_t)15)); }
static void wild_high(void) { free((void *)(0xdeadbeefdeadbee0 - n)); }
static void never(void) { free(r + ((malloc_usable_size(r) + 16) & ~(size_t)15)); }
static void never_slot(void) { free(r + malloc_usable_size(r)); }
static void never_page(void) { free((char *)((uintptr_t)p & ~(uintptr_t)0x3fffff) + (40 << 20)); }
static void realloc_stack(void) {
  long block[8];
  p = realloc(&block[2], n);
}
static void realloc_static(void) { p = realloc(in_static_memory + 16, n); }
static void usable_stack(void) {
  long block[8];
  if (malloc_usable_size(&block[2]) == n) abort();
}
static void sized_stack(void) {
  long block[8];
  free_sized(&block[2], n);
}

/* ---- harmless: a wrong size tells nothing about the block ---- */
static void wrong_size(void) {
  static const size_t wrong[] = {0, 1, 8, 100, 4000, 40000, 1 << 20, SIZE_MAX};
  for (int i = 0; i < 8; ++i) {
    char *volatile b = malloc(n);
    memset(b, i, n);
    free_sized(b, wrong[i]);
  }
  free_sized(p, n / 3);
  free_sized(q, n * 3);
  char *volatile a = malloc(n), *volatile b = malloc(n);
  memset(a, 1, n);
  memset(b, 2, n);
  if (a == b || a[n - 1] != 1 || b[0] != 2) abort();
  free(a);
  free(b);
}

static const struct {
  const char *name;
  void (*commit)(void);
} kCrimes[] = {
    {"double", twice},
    {"interleaved", interleaved},
    {"delayed", delayed},
    {"reused", reused},
    {"cross-thread", cross_thread},
    {"two-caches", two_caches},
    {"trim", after_trim},
    {"realloc-freed", by_realloc},
    {"sized-double", sized_twice},
    {"interior", interior},
    {"interior-half", interior_half},
    {"odd", odd},
    {"odd-half", odd_half},
    {"realloc-interior", realloc_interior},
    {"stack", stack},
    {"static", in_static},
    {"function", function},
    {"mapped", mapped},
    {"wild", wild},
    {"wild-low", wild_low},
    {"wild-high", wild_high},
    {"never", never},
    {"never-slot", never_slot},
    {"never-page", never_page},
    {"realloc-stack", realloc_stack},
    {"realloc-static", realloc_static},
    {"usable-stack", usable_stack},
    {"sized-stack", sized_stack},
    {"wrong-size", wrong_size},
};

int main(int argc, char **argv) {
  if (argc != 3) return 4;
  n = (size_t)atol(argv[2]);
  p = malloc(n);
  q = malloc(n);
  r = malloc(n);
  if (p == NULL || q == NULL || r == NULL) return 3;
  for (size_t i = 0; i < sizeof kCrimes / sizeof kCrimes[0]; ++i) {
    if (strcmp(argv[1], kCrimes[i].name) != 0) continue;
    kCrimes[i].commit();
    /* Not by stdio: its buffer would be the next block handed out. */
    return write(1, "survived\n", 9) == 9 ? 0 : 5;
  }
  return 4;
}
