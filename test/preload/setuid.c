/* SPDX-License-Identifier: MIT */
/* Allocates a little. With an argument it prints its effective user. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  (void)argv;
  for (size_t n = 1; n < 1000000; n *= 3) {
    char *volatile p = malloc(n);
    if (p == NULL) return 1;
    memset(p, 1, n);
    free(p);
  }
  if (argc > 1) printf("%d\n", (int)geteuid());
  return 0;
}
