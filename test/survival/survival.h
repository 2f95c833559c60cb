// SPDX-License-Identifier: MIT
// survival.h: what the survival tests share; for C and C++.
//
// A test is a program that works hard in the situation it is named after. It ends with 0; a failed CHECK ends it with 1 and a line on
// stderr; a hang is ended by ctest. 77: the machine does not allow the situation to be made.
#ifndef XALLOC_TEST_SURVIVAL_H_
#define XALLOC_TEST_SURVIVAL_H_

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kSkipped = 77 };

#define CHECK(condition)                                                                            \
  do {                                                                                              \
    if (!(condition)) {                                                                             \
      char line_[300];                                                                              \
      int length_ = snprintf(line_, sizeof line_, "%s:%d: %s (errno %d, pid %d)\n", __FILE__, __LINE__, \
                             #condition, errno, (int)getpid());                                     \
      if (write(2, line_, (size_t)length_) < 0) _exit(2);                                           \
      _exit(1);                                                                                     \
    }                                                                                               \
  } while (0)

#define UNUSED __attribute__((unused)) static

/* Allocates `blocks` blocks of sizes from 1 byte to 60 KiB (a few), fills, resizes, checks and frees them. */
UNUSED void Churn(unsigned seed, int blocks) {
  enum { kSlots = 64 };
  unsigned char *slot[kSlots] = {0};
  size_t size[kSlots] = {0};
  for (int i = 0; i < blocks; ++i) {
    seed = seed * 1664525u + 1013904223u;
    const unsigned at = (seed >> 10) % kSlots;
    if (slot[at] != NULL) {
      CHECK(slot[at][0] == (at & 255) && slot[at][size[at] - 1] == (at & 255));
      free(slot[at]);
    }
    size[at] = (seed >> 16) % 100 == 0 ? seed % 60000 + 1 : seed % 2000 + 1;
    slot[at] = (unsigned char *)((seed & 512) != 0 ? malloc(size[at]) : calloc(1, size[at]));
    CHECK(slot[at] != NULL);
    if ((seed & 512) == 0) CHECK(slot[at][0] == 0 && slot[at][size[at] - 1] == 0);
    if (i % 16 == 0) {
      slot[at] = (unsigned char *)realloc(slot[at], size[at] * 2);
      CHECK(slot[at] != NULL);
      size[at] *= 2;
    }
    slot[at][0] = slot[at][size[at] - 1] = (unsigned char)at;
  }
  for (int i = 0; i < kSlots; ++i) free(slot[i]);
}

/* What the library takes for the kernel's page: the debug knob raises it. */
UNUSED long PageSize(void) {
  const char *knob = getenv("XALLOC_DEBUG_PAGE_SIZE");
  return knob != NULL ? atol(knob) : sysconf(_SC_PAGESIZE);
}

/* What is resident. Not from statm, which counts pages of the kernel: an emulator's program does not know how large those are. Nor from
 * status: before Linux 6.2 each thread has up to 64 pages that are not in it yet, 4 MiB of the largest. */
UNUSED long ResidentKiB(void) {
  char text[4096];
  const int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
  const ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) close(fd);
  CHECK(n > 0);
  text[n] = 0;
  const char *at = strstr(text, "Rss:");
  CHECK(at != NULL);
  return strtol(at + 4, NULL, 10);
}

/* Waits for a child: its exit code, or minus the signal that ended it. */
UNUSED int EndOf(pid_t child) {
  int status = 0;
  CHECK(child > 0);
  while (waitpid(child, &status, 0) < 0) CHECK(errno == EINTR);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

UNUSED double NowUs(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The first argument as a number, or what a plain run uses. */
UNUSED long Scale(int argc, char **argv, long otherwise) { return argc > 1 ? atol(argv[1]) : otherwise; }

/* True if malloc is the library's: what only holds there is checked only there. */
#ifdef __cplusplus
extern "C" {
#endif
__attribute__((weak)) void *xmallocx(size_t, int);
#ifdef __cplusplus
}
#endif
UNUSED int OnXalloc(void) { return xmallocx != NULL; }

#endif
