/* SPDX-License-Identifier: MIT */
/* How folly finds out that it runs on jemalloc: ten weak names, and a counter of the thread that moves when malloc is called. Linked to no
 * allocator; prints the answer. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define WEAK __attribute__((weak))
extern void *mallocx(size_t, int) WEAK;
extern void *rallocx(void *, size_t, int) WEAK;
extern size_t xallocx(void *, size_t, size_t, int) WEAK;
extern size_t sallocx(const void *, int) WEAK;
extern void dallocx(void *, int) WEAK;
extern void sdallocx(void *, size_t, int) WEAK;
extern size_t nallocx(size_t, int) WEAK;
extern int mallctl(const char *, void *, size_t *, void *, size_t) WEAK;
extern int mallctlnametomib(const char *, size_t *, size_t *) WEAK;
extern int mallctlbymib(const size_t *, size_t, void *, size_t *, void *, size_t) WEAK;

static bool AllNames(void) {
  return mallocx != NULL && rallocx != NULL && xallocx != NULL && sallocx != NULL && dallocx != NULL && sdallocx != NULL && nallocx != NULL &&
         mallctl != NULL && mallctlnametomib != NULL && mallctlbymib != NULL;
}

static bool CounterMoves(void) {
  volatile uint64_t *counter = NULL;
  size_t length = sizeof counter;
  if (mallctl("thread.allocatedp", (void *)&counter, &length, NULL, 0) != 0 || length != sizeof(uint64_t *)) return false;
  const uint64_t before = *counter;
  void *volatile p = malloc(1);
  free(p);
  return *counter != before;
}

int main(void) {
  const bool names = AllNames();
  puts(names && CounterMoves() ? "jemalloc" : names ? "the names only" : "another allocator");
  return 0;
}
