/* SPDX-License-Identifier: MIT */
/* The extended API from C99, linked dynamically and statically. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xalloc/xalloc.h>

const char *xmalloc_conf = "dirty_decay_ms:1000";

int main(void) {
  char *p = xmallocx(100, XMALLOCX_ZERO | XMALLOCX_ALIGN(64));
  if (p == NULL || (uintptr_t)p % 64 != 0 || p[99] != 0 || xsallocx(p, 0) < 100) return 1;
  p = xrallocx(p, 5000, 0);
  if (p == NULL || xsallocx(p, 0) != xnallocx(5000, 0)) return 2;
  xsdallocx(p, 5000, 0);
  char *q = malloc(10);
  if (q == NULL || xsallocx(q, 0) != 16) return 3; /* malloc is ours, too */
  free(q);
  puts("ok");
  return 0;
}
