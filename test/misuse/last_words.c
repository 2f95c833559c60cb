/* SPDX-License-Identifier: MIT */
/* last_words <what>: frees a block twice with a SIGABRT handler installed that uses the heap, as crash reporters do: all entry points,
 * blocks made before and blocks freed elsewhere, more than the first area holds, another thread, a fork. The handler says what went
 * wrong, or "handled", on stdout. <what>: handler | jump (leaves the handler by siglongjmp and goes on) | two (two threads at once). */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *volatile small_block, *volatile large_block, *volatile mapped_block;
static void *volatile from_handler;
static sigjmp_buf before;
static const char *what;

static void say(const char *text) {
  if (write(1, text, strlen(text)) < 0) _exit(9);
}
#define MUST(condition) \
  if (!(condition)) say("failed: " #condition "\n"), _exit(1)

static int is_zero(const char *p, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (p[i] != 0) return 0;
  }
  return 1;
}

static void *other_thread(void *unused) {
  (void)unused;
  /* An ordinary thread: no lock is held by the one that reports, and blocks of its handler may end here. */
  for (size_t n = 1; n < 3000000; n = n * 3 + 1) free(malloc(n));
  if (malloc_usable_size(from_handler) < 100) return NULL;
  char *grown = realloc(from_handler, 5000);
  if (grown == NULL || grown[99] != 7) return NULL;
  free(grown);
  return (void *)1;
}

static void use_the_heap(void) {
  static const size_t sizes[] = {0, 1, 24, 100, 1024, 5000, 32768, 40000, 100000, 3000000};
  char *blocks[10];
  for (int i = 0; i < 10; ++i) {
    MUST((blocks[i] = malloc(sizes[i])) != NULL);
    memset(blocks[i], i + 1, sizes[i]);
    MUST(malloc_usable_size(blocks[i]) >= sizes[i] && (uintptr_t)blocks[i] % 8 == 0);
  }
  for (int i = 1; i < 10; ++i) MUST(blocks[i][0] == i + 1 && blocks[i][sizes[i] - 1] == i + 1);
  for (int i = 0; i < 10; ++i) {
    MUST((blocks[i] = realloc(blocks[i], sizes[i] * 2 + 1)) != NULL);
    if (i > 0) MUST(blocks[i][0] == i + 1 && blocks[i][sizes[i] - 1] == i + 1);
    free(blocks[i]);
  }
  for (size_t n = 10; n < 200000; n *= 10) {
    char *zeroed = calloc(1, n);
    MUST(zeroed != NULL && is_zero(zeroed, n));
    free(zeroed);
  }
  for (size_t alignment = 16; alignment <= 1 << 20; alignment *= 4) {
    void *aligned = NULL;
    MUST(posix_memalign(&aligned, alignment, 300) == 0 && (uintptr_t)aligned % alignment == 0);
    free(aligned);
  }
  /* Blocks from before: grown, and their contents come along. */
  MUST((small_block = realloc(small_block, 5000)) != NULL && small_block[99] == 1);
  MUST((large_block = realloc(large_block, 300000)) != NULL && large_block[99999] == 2);
  MUST((mapped_block = realloc(mapped_block, 41 << 20)) != NULL && mapped_block[(40 << 20) - 1] == 3);
  free(small_block);
  free(large_block);
  /* More than there is: a plain refusal. */
  errno = 0;
  MUST(malloc((size_t)1 << 40) == NULL && errno == ENOMEM);
  int left = 0;
  while (left < 100 && malloc(1 << 20) != NULL) ++left;
  MUST(left < 100 && errno == ENOMEM);
}

static void on_abort(int signal) {
  MUST(signal == SIGABRT);
  from_handler = calloc(1, 100);
  MUST(from_handler != NULL);
  ((char *)from_handler)[99] = 7;
  pthread_t t;
  void *result = NULL;
  MUST(pthread_create(&t, NULL, other_thread, NULL) == 0 && pthread_join(t, &result) == 0 && result != NULL);
  const pid_t child = fork();
  MUST(child >= 0);
  if (child == 0) {
    char *p = malloc(100);
    memset(p, 1, 100);
    free(p);
    _exit(33);
  }
  int status = 0;
  MUST(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 33);
  use_the_heap();
  say("handled\n");
  if (strcmp(what, "jump") == 0) siglongjmp(before, 1);
}

static void *free_twice(void *p) {
  free(p);
  free(p);
  return NULL;
}

/* So that the process has threads, and the fork handlers have work. */
static void *idle(void *unused) {
  (void)unused;
  for (;;) pause();
}

int main(int argc, char **argv) {
  if (argc != 2) return 4;
  what = argv[1];
  small_block = malloc(100);
  large_block = malloc(100000);
  mapped_block = malloc(40 << 20);
  small_block[99] = 1;
  large_block[99999] = 2;
  mapped_block[(40 << 20) - 1] = 3;
  if (strcmp(what, "two") == 0) {
    pthread_t t[2];
    for (int i = 0; i < 2; ++i) pthread_create(&t[i], NULL, free_twice, malloc(64));
    for (int i = 0; i < 2; ++i) pthread_join(t[i], NULL);
    return 0;
  }
  pthread_t t;
  if (pthread_create(&t, NULL, idle, NULL) != 0) return 5;
  signal(SIGABRT, on_abort);
  if (sigsetjmp(before, 1) == 0) free_twice(malloc(64));
  /* Only after the jump. */
  char *p = malloc(10);
  MUST(p != NULL && malloc_usable_size(p) >= 10);
  free(p);
  say("went on\n");
  _exit(0);
}
