/* SPDX-License-Identifier: MIT */
/* The first thread leaves, then the other: the process ends at that, in the ordinary way, and not when the purger next looks, ten seconds
 * later. Not in a fork child: there musl 1.2.3 by itself waits for ever, without the library, too. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ended;

static void AtExit(void) {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  _exit(!ended || sigismember(&mask, SIGTERM) ? 9 : 0);
}
static void *EndsLater(void *arg) {
  char *volatile block = malloc(20 << 20);
  free(memset(block, 1, 20 << 20));
  usleep(200000);
  ended = 1;
  return arg;
}

int main(void) {
  pthread_t t;
  alarm(8);
  atexit(AtExit);
  if (pthread_create(&t, NULL, EndsLater, NULL) != 0 || pthread_detach(t) != 0) return 1;
  pthread_exit(NULL);
}
