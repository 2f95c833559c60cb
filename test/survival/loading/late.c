/* SPDX-License-Identifier: MIT */
/* argv: the library, then twenty others with TLS. It is opened after all of them, used beside libc's malloc, closed, opened again. */
#include <dlfcn.h>
#include <pthread.h>

#include "../survival.h"

static void *(*take)(size_t, int);
static void (*give)(void *, int);

static void *Use(void *unused) {
  (void)unused;
  void *all[500];
  for (int i = 0; i < 500; ++i) {
    all[i] = take((size_t)i * 97 + 1, 0);
    CHECK(all[i] != NULL);
    memset(all[i], i, (size_t)i * 97 + 1);
  }
  for (int i = 0; i < 500; ++i) give(all[i], 0);
  Churn(5, 500);
  return NULL;
}

static void *Waits(void *barrier) {
  pthread_barrier_wait((pthread_barrier_t *)barrier);
  return Use(NULL);
}

int main(int argc, char **argv) {
  /* A thread older than the library. */
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_t old;
  CHECK(pthread_create(&old, NULL, Waits, &barrier) == 0);
  for (int i = 2; i < argc; ++i) {
    if (dlopen(argv[i], RTLD_NOW) == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
  }
  CHECK(argc == 22);
  for (int round = 0; round < 3; ++round) {
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    take = (void *(*)(size_t, int))dlsym(library, "xmallocx");
    give = (void (*)(void *, int))dlsym(library, "xdallocx");
    CHECK(take != NULL && give != NULL);
    pthread_t young[4];
    for (int i = 0; i < 4; ++i) CHECK(pthread_create(&young[i], NULL, Use, NULL) == 0);
    for (int i = 0; i < 4; ++i) pthread_join(young[i], NULL);
    void *kept = take(1000, 0);
    CHECK(dlclose(library) == 0);
    /* It stays where it is: blocks and thread exits outlive the handle. */
    memset(kept, 1, 1000);
    give(kept, 0);
    Use(NULL);
    if (round == 0) pthread_barrier_wait(&barrier);
    const pid_t child = fork();
    if (child == 0) {
      Use(NULL);
      _exit(0);
    }
    CHECK(EndOf(child) == 0);
  }
  pthread_join(old, NULL);
  return 0;
}
