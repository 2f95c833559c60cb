/* SPDX-License-Identifier: MIT */
/* Threads are counted from their creation to their end, however they end, so that the purger knows when it is the last: it stays as long as
 * one lives that has never allocated, and goes when none does. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>

#include "../survival.h"
#include "purgers.h"

static pthread_barrier_t end;

static void *Returns(void *arg) { return arg; }
static void *Exits(void *arg) {
  pthread_exit(arg);
}
static void *IsCancelled(void *arg) {
  pause();
  return arg;
}
static void *Waits(void *arg) {
  pthread_barrier_wait(&end);
  return arg;
}
static void *Allocates(void *arg) {
  Churn(3, 2000);
  return arg;
}

/* A key whose destructor allocates: the thread gets its cache when it is about to end. */
static pthread_key_t late;
static void Late(void *value) {
  free(value);
  free(malloc(100));
}
static void *AllocatesAtItsEnd(void *arg) {
  pthread_setspecific(late, malloc(10));
  return arg;
}

static void AwaitPurgers(int n) {
  const double begin = NowUs();
  while (Purgers() != n && NowUs() - begin < 10e6) usleep(10000);
  CHECK(Purgers() == n);
}

static void All(void) {
  pthread_attr_t detached, impossible;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_attr_init(&impossible);
  pthread_attr_setstacksize(&impossible, (size_t)1 << 46);
  void *(*const ways[])(void *) = {Returns, Exits, IsCancelled, Allocates, AllocatesAtItsEnd};
  for (int round = 0; round < 20; ++round) {
    for (size_t i = 0; i < sizeof ways / sizeof *ways; ++i) {
      pthread_t t;
      void *result = NULL;
      CHECK(pthread_create(&t, NULL, ways[i], &late) == 0);
      if (ways[i] == IsCancelled) CHECK(pthread_cancel(t) == 0);
      CHECK(pthread_join(t, &result) == 0);
      CHECK(result == (ways[i] == IsCancelled ? PTHREAD_CANCELED : (void *)&late));
      CHECK(pthread_create(&t, &detached, ways[i] == IsCancelled ? Returns : ways[i], NULL) == 0);
      CHECK(pthread_create(&t, &impossible, Returns, NULL) != 0);
    }
  }
}

/* As many threads as it takes: after a purger that had nothing to do, more have to come than the one. */
static void WithOneThatNeverAllocates(void) {
  pthread_barrier_init(&end, NULL, 2);
  pthread_t waiting;
  CHECK(pthread_create(&waiting, NULL, Waits, NULL) == 0);
  for (int i = 0; i < 64; ++i) {
    pthread_t t;
    CHECK(pthread_create(&t, NULL, Returns, NULL) == 0);
    CHECK(pthread_join(t, NULL) == 0);
  }
  AwaitPurgers(1);
  usleep(1000000); /* five decay periods */
  CHECK(Purgers() == 1);
  pthread_barrier_wait(&end);
  CHECK(pthread_join(waiting, NULL) == 0);
  AwaitPurgers(0);
}

static void *Forks(void *arg) {
  const pid_t child = fork();
  if (child == 0) {
    WithOneThatNeverAllocates();
    _exit(0);
  }
  CHECK(EndOf(child) == 0);
  return arg;
}

int main(void) {
  alarm(110);
  CHECK(pthread_key_create(&late, Late) == 0);
  All();
  AwaitPurgers(0);
  WithOneThatNeverAllocates();
  pthread_t t;
  CHECK(pthread_create(&t, NULL, Forks, NULL) == 0);
  CHECK(pthread_join(t, NULL) == 0);
  AwaitPurgers(0);
  return 0;
}
