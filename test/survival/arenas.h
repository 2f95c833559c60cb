/* SPDX-License-Identifier: MIT
 * How many arenas there are; for C and C++, where libc has malloc_info. */
#ifndef XALLOC_TEST_ARENAS_H_
#define XALLOC_TEST_ARENAS_H_

#include <malloc.h>

#include "survival.h"

UNUSED unsigned Arenas(void) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  CHECK(malloc_info(0, stream) == 0);
  fclose(stream);
  const char *at = strstr(text, "<arenas count=\"");
  CHECK(at != NULL);
  const unsigned count = (unsigned)atoi(at + 15);
  free(text);
  return count;
}

#endif
