/* SPDX-License-Identifier: MIT */
/* Forks in a threaded program while a library's fork handlers allocate (fork/handlers.c); argv[1]: that library, to be opened late. */
#include <dlfcn.h>
#include <pthread.h>

#include "../survival.h"

static int *calls;
static pthread_mutex_t *mutex;
static void **block;
static int stop;

static void *Allocates(void *unused) {
  (void)unused;
  for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); ++i) {
    Churn(i, 200);
    if (i % 8 != 0) continue;
    pthread_mutex_lock(mutex);
    Churn(i, 30);
    free(*block);
    *block = malloc(i % 100 * 100);
    pthread_mutex_unlock(mutex);
  }
  return NULL;
}

int main(int argc, char **argv) {
  void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : RTLD_DEFAULT;
  CHECK(argc == 1 || library != NULL);
  calls = dlsym(library, "handler_calls");
  mutex = dlsym(library, "handler_mutex");
  block = dlsym(library, "handler_block");
  CHECK(calls != NULL && mutex != NULL && block != NULL);
  pthread_t threads[3];
  for (int i = 0; i < 3; ++i) CHECK(pthread_create(&threads[i], NULL, Allocates, NULL) == 0);
  for (int i = 0; i < 40; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      Churn(1, 300);
      _exit(*calls == 2 * i + 2 ? 0 : 1);
    }
    CHECK(EndOf(child) == 0);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  return 0;
}
