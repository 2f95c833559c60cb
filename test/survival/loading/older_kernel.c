/* SPDX-License-Identifier: MIT
 * A kernel that does not say how large its rseq area is (before Linux 6.3): libc's getauxval sets errno for what is not there, and the
 * first malloc of a program, which asks, must not. */
#include <sys/auxv.h>

#include "../survival.h"

static volatile int asked; /* malloc is declared to call nothing of ours */

/* In place of libc's, for the library, too. */
unsigned long getauxval(unsigned long type) {
  enum { kAtRseqFeatureSize = 27 };
  if (type == AT_PAGESZ) return (unsigned long)sysconf(_SC_PAGESIZE);
  if (type == AT_SECURE) return 0;
  asked += type == kAtRseqFeatureSize;
  errno = ENOENT;
  return 0;
}

int main(void) {
  CHECK(asked == 0);
  errno = 0;
  void *p = malloc(3000);
  CHECK(p != NULL && errno == 0);
  if (asked == 0) exit(kSkipped); /* no rseq at all: nothing to ask for */
  Churn(1, 100000);
  free(p);
  return 0;
}
