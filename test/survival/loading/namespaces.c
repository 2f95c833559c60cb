/* SPDX-License-Identifier: MIT */
/* argv[1]: the library. A second copy in a namespace of its own, with a libc of its own, beside the one that is preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>

#include "../survival.h"

static void *(*take)(size_t);
static void (*give)(void *);

static void *Both(void *unused) {
  (void)unused;
  void *theirs[300], *ours[300];
  for (int i = 0; i < 300; ++i) {
    theirs[i] = take((size_t)i * 10);
    ours[i] = malloc((size_t)i * 10);
    CHECK(theirs[i] != NULL && ours[i] != NULL && theirs[i] != ours[i]);
    memset(theirs[i], 1, (size_t)i * 10);
    memset(ours[i], 2, (size_t)i * 10);
  }
  for (int i = 0; i < 300; ++i) {
    if (i > 0) CHECK(((char *)theirs[i])[i * 10 - 1] == 1 && ((char *)ours[i])[0] == 2);
    give(theirs[i]);
    free(ours[i]);
  }
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  void *library = dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  take = (void *(*)(size_t))dlsym(library, "malloc");
  give = (void (*)(void *))dlsym(library, "free");
  CHECK(take != NULL && take != malloc);
  for (int round = 0; round < 10; ++round) {
    pthread_t threads[4];
    for (int i = 0; i < 4; ++i) CHECK(pthread_create(&threads[i], NULL, Both, NULL) == 0);
    for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
    const pid_t child = fork();
    if (child == 0) {
      Both(NULL);
      _exit(0);
    }
    CHECK(EndOf(child) == 0);
  }
  CHECK(dlclose(library) == 0);
  Churn(1, 1000);
  return 0;
}
