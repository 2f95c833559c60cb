/* SPDX-License-Identifier: MIT */
/* fork/handlers.c and the library in one static program. Ours must be registered before those of any constructor: they hold a lock
 * under which threads allocate, which would be a deadlock inside ours. Those of a preinit function do run inside ours; they only
 * allocate. */
#include "handlers.c"

#include "../survival.h"

static void Inside(void) {
  Work();
  Churn(1, 300);
}
static void Preinit(void) { pthread_atfork(Inside, Inside, Inside); }
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = Preinit;

#ifdef __GLIBC__
enum { kCalls = 4 };
#else
enum { kCalls = 2 }; /* musl runs no preinit functions */
#endif
static int stop;

static void *Allocates(void *unused) {
  for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); ++i) {
    Churn(i, 200);
    if (i % 8 != 0) continue;
    pthread_mutex_lock(&handler_mutex);
    Churn(i, 30);
    free(handler_block);
    handler_block = malloc(i % 100 * 100);
    pthread_mutex_unlock(&handler_mutex);
  }
  return unused;
}

int main(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; ++i) CHECK(pthread_create(&threads[i], NULL, Allocates, NULL) == 0);
  for (int i = 0; i < 40; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      Churn(1, 300);
      _exit(handler_calls == kCalls * (i + 1) ? 0 : 1);
    }
    CHECK(EndOf(child) == 0);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  return 0;
}
