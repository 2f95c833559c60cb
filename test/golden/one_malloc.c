/* SPDX-License-Identifier: MIT */
/* The smallest program that allocates: startup.py counts its system calls and its memory. */
#include <stdlib.h>
int main(void) {
  char *volatile p = malloc(10);
  p[0] = 1;
  return 0;
}
