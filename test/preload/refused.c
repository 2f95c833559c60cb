/* SPDX-License-Identifier: MIT */
/* Allocates until it has seen refusals or is through; a refusal is null with ENOMEM, and what it has stays whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kBlocks = 2000 };
static unsigned char *block[kBlocks];
static size_t size[kBlocks];

int main(void) {
  int refusals = 0;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kBlocks; ++i) {
      size[i] = i % 100 == 0 ? 3000000 : i % 10 == 0 ? 50000 : (size_t)i % 3000 + 1;
      errno = 0;
      block[i] = malloc(size[i]);
      if (block[i] == NULL) {
        if (errno != ENOMEM) return 3;
        ++refusals;
        continue;
      }
      memset(block[i], i & 255, size[i] < 100 ? size[i] : 100);
    }
    for (int i = 0; i < kBlocks; ++i) {
      if (block[i] == NULL) continue;
      if (block[i][0] != (i & 255)) return 4;
      unsigned char *moved = realloc(block[i], size[i] * 2);
      if (moved == NULL) {
        if (errno != ENOMEM) return 5;
        ++refusals;
        moved = block[i];
      }
      if (moved[0] != (i & 255)) return 6;
      free(moved);
    }
  }
  fprintf(stderr, "%d refusals\n", refusals);
  return 0;
}
