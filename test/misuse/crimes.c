/* SPDX-License-Identifier: MIT */
/* crimes <crime> <size>: commits one and, if nothing stops it, says so and exits 0. check_crimes.py knows what must happen. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *free_it(void *p) {
  free(p);
  return NULL;
}

int main(int argc, char **argv) {
  static long in_static_memory[8];
  long on_stack[8];
  const char *crime = argv[1];
  size_t n = (size_t)atol(argv[2]);
  char *volatile p = malloc(n), *volatile q = malloc(n), *volatile r = malloc(n);
  if (p == NULL || q == NULL || r == NULL) return 3;
  if (!strcmp(crime, "double")) {
    free(p);
    free(p);
  } else if (!strcmp(crime, "interleaved")) {
    free(p);
    free(q);
    free(p);
  } else if (!strcmp(crime, "delayed")) {
    free(p);
    for (int i = 0; i < 10000; ++i) free(malloc(n));
    for (int i = 0; i < 1000; ++i) free(malloc(n + 1000));
    free(q);
    free(p);
  } else if (!strcmp(crime, "cross-thread")) {
    pthread_t t;
    pthread_create(&t, NULL, free_it, p);
    pthread_join(t, NULL);
    pthread_create(&t, NULL, free_it, p);
    pthread_join(t, NULL);
  } else if (!strcmp(crime, "trim")) {
    free(p);
    malloc_trim(0);
    free(p);
  } else if (!strcmp(crime, "stack")) {
    free(&on_stack[2]);
  } else if (!strcmp(crime, "static")) {
    free(&in_static_memory[2]);
  } else if (!strcmp(crime, "function")) {
    free((void *)&main);
  } else if (!strcmp(crime, "wild")) {
    free((void *)0x123456789ab0);
  } else if (!strcmp(crime, "interior16")) {
    free(p + 16);
  } else if (!strcmp(crime, "interior-half")) {
    free(p + (n / 2 & ~(size_t)15));
  } else if (!strcmp(crime, "odd")) {
    free(p + 1);
  } else if (!strcmp(crime, "realloc-freed")) {
    free(p);
    malloc_trim(0);
    p = realloc(p, n * 4);
  } else if (!strcmp(crime, "realloc-stack")) {
    p = realloc(&on_stack[2], 10);
  } else if (!strcmp(crime, "usable-stack")) {
    return malloc_usable_size(&on_stack[2]) > 8 ? 1 : 0;
  } else {
    return 4;
  }
  /* Not by stdio: its buffer would be the next block handed out. */
  if (write(1, "survived\n", 9) != 9) return 5;
  return 0;
}
