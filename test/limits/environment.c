/* SPDX-License-Identifier: MIT */
/* environment <how>: a little work, wherever it runs; exit code 0 and no word when all went well.
 *   work     only that
 *   closed   all descriptors are closed first
 *   bare     starts itself again with no environment and no arguments */
#include "limits.h"

#include <malloc.h>

static void work(void) {
  static char *block[3000];
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 3000; ++i) {
      REQUIRE((block[i] = malloc((size_t)(i * 37 % 50000) + 1)) != NULL);
      block[i][0] = (char)i;
    }
    for (int i = 0; i < 3000; ++i) {
      REQUIRE(block[i][0] == (char)i);
      free(block[i]);
    }
    malloc_trim(0);
  }
  const pid_t child = fork();
  if (child == 0) {
    free(malloc(100));
    _exit(0);
  }
  int status = 1;
  REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "work";
  if (strcmp(how, "bare") == 0) {
    char *nothing[] = {NULL};
    execve("/proc/self/exe", nothing, nothing);
    return 1;
  }
  if (strcmp(how, "closed") == 0) {
    for (int fd = 0; fd < 64; ++fd) close(fd);
  }
  work();
  return 0;
}
