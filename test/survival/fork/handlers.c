/* SPDX-License-Identifier: MIT */
/* Linked into a program, preloaded before or after the library, or opened late: its three fork handlers allocate in every way, free
 * what other threads made, trim, and take a lock under which its own threads allocate. */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

int handler_calls = 0;
pthread_mutex_t handler_mutex = PTHREAD_MUTEX_INITIALIZER;
void *handler_block;

static void Work(void) {
  ++handler_calls;
  void *all[200];
  for (int i = 0; i < 200; ++i) {
    all[i] = malloc(i % 50 == 0 ? 500000 : (size_t)i * 40 + 1);
    if (all[i] == NULL) abort();
    memset(all[i], 1, 1);
  }
  for (int i = 0; i < 200; ++i) free(all[i]);
  malloc_trim(0);
}
static void Prepare(void) {
  pthread_mutex_lock(&handler_mutex);
  free(handler_block);
  handler_block = NULL;
  Work();
}
static void Parent(void) {
  Work();
  pthread_mutex_unlock(&handler_mutex);
}
static void Child(void) {
  Work();
  handler_mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

__attribute__((constructor(PRIORITY))) static void Load(void) { pthread_atfork(Prepare, Parent, Child); }
