/* SPDX-License-Identifier: MIT */
/* A program with options compiled in and a function of its own for the library's lines. The function allocates. */
#include <malloc.h>

#include "../survival.h"
#include "xalloc/xalloc.h"

static char heard[10000];

static void Hear(void *opaque, const char *line) {
  CHECK(opaque == NULL);
  char *copy = malloc(strlen(line) + 1);
  strcat(heard, strcpy(copy, line));
  free(copy);
  Churn(2, 200);
}

const char *xmalloc_conf = "no_such_option:1,tcache_max:16K";
#ifdef DEFINED
void (*xmalloc_message)(void *, const char *) = Hear;
#endif

int main(void) {
  free(malloc(1));
#ifdef DEFINED
  CHECK(strstr(heard, "no_such_option:1 is unknown") != NULL);
#else
  xmalloc_message = Hear;
#endif
  malloc_stats();
  CHECK(strstr(heard, "xalloc: served this program") != NULL && heard[strlen(heard) - 1] == '\n');
  /* A report goes to both. */
  int out[2];
  CHECK(pipe(out) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(out[1], 2);
    heard[0] = 0;
    int local = 0;
    void *volatile wrong = &local;
    free(wrong);
    _exit(3);
  }
  close(out[1]);
  char text[500] = "";
  CHECK(read(out[0], text, sizeof text - 1) > 0 && strstr(text, "not from xalloc") != NULL);
  CHECK(EndOf(child) == -6);
  return 0;
}
