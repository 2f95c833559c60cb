/* SPDX-License-Identifier: MIT */
/* probe.h: for programs that ask the tree what real programs ask. C and C++. */
#ifndef XALLOC_TEST_API_PROBE_H_
#define XALLOC_TEST_API_PROBE_H_

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xalloc/jemalloc.h>

/* Ends the program with the place and what mallctl answered. */
#define MUST(call)                                                                  \
  do {                                                                              \
    const int error_ = (call);                                                      \
    if (error_ == 0) break;                                                         \
    printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #call, strerror(error_));         \
    exit(1);                                                                        \
  } while (0)
#define HOLDS(condition)                                                            \
  do {                                                                              \
    if (condition) break;                                                           \
    printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                  \
    exit(1);                                                                        \
  } while (0)

static inline size_t ReadSize(const char *name) {
  size_t value = 0, length = sizeof value;
  const int error = mallctl(name, &value, &length, NULL, 0);
  if (error != 0 || length != sizeof value) {
    printf("%s: %s, %zu bytes\n", name, strerror(error), length);
    exit(1);
  }
  return value;
}
static inline unsigned ReadUnsigned(const char *name) {
  unsigned value = 0;
  size_t length = sizeof value;
  const int error = mallctl(name, &value, &length, NULL, 0);
  if (error != 0 || length != sizeof value) {
    printf("%s: %s, %zu bytes\n", name, strerror(error), length);
    exit(1);
  }
  return value;
}

#endif
