/* SPDX-License-Identifier: MIT */
/* argv[1]: a library with TLS. Threads open, look up in and close it while others allocate and fork: the loader allocates under its
 * locks, we must not need them. */
#include <dlfcn.h>
#include <pthread.h>

#include "../survival.h"

static const char *path;
static int stop;

static void *Opens(void *unused) {
  (void)unused;
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    void *library = dlopen(path, RTLD_NOW);
    CHECK(library != NULL);
    CHECK(dlsym(library, "no_such_symbol") == NULL && dlerror() != NULL);
    dlclose(library);
  }
  return NULL;
}

static void *Allocates(void *unused) {
  (void)unused;
  for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); ++i) Churn(i, 500);
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  path = argv[1];
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) CHECK(pthread_create(&threads[i], NULL, i < 2 ? Opens : Allocates, NULL) == 0);
  for (int i = 0; i < 40; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      Churn(3, 500);
      _exit(0);
    }
    CHECK(EndOf(child) == 0);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  return 0;
}
