/* SPDX-License-Identifier: MIT */
/* Threads cancelled while they work: deferred, at cancellation points between allocations; asynchronously, in stretches of the code
 * that do not allocate (malloc is not async-cancel-safe in any libc). Their cleanup handlers free. */
#include <pthread.h>

#include "../survival.h"

struct work {
  void *blocks[40];
  int asynchronous;
};

static void Clean(void *argument) {
  struct work *w = argument;
  for (int i = 0; i < 40; ++i) free(w->blocks[i]);
  Churn(4, 50);
  free(w);
}

static void *Work(void *argument) {
  struct work *w = argument;
  pthread_cleanup_push(Clean, w);
  for (unsigned round = 0;; ++round) {
    for (int i = 0; i < 40; ++i) {
      void *old = w->blocks[i];
      w->blocks[i] = NULL;
      free(old);
      w->blocks[i] = malloc((round * 7919 + (unsigned)i * 131) % 5000 + 1);
    }
    if (w->asynchronous) {
      pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
      for (volatile int spin = 0; spin < 3000; ++spin) {
      }
      pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
    } else {
      pthread_testcancel();
    }
  }
  pthread_cleanup_pop(1);
  return NULL;
}

int main(int argc, char **argv) {
  const long rounds = Scale(argc, argv, 150);
  for (int i = 0; i < rounds; ++i) {
    pthread_t threads[4];
    for (int t = 0; t < 4; ++t) {
      struct work *w = calloc(1, sizeof *w);
      w->asynchronous = t % 2;
      CHECK(pthread_create(&threads[t], NULL, Work, w) == 0);
    }
    usleep((unsigned)i * 37 % 2000);
    for (int t = 0; t < 4; ++t) pthread_cancel(threads[t]);
    for (int t = 0; t < 4; ++t) {
      void *result = NULL;
      pthread_join(threads[t], &result);
      CHECK(result == PTHREAD_CANCELED);
    }
    Churn((unsigned)i, 100);
  }
  return 0;
}
