/* SPDX-License-Identifier: MIT */
/* limits.h: what the programs of this folder share: a check that ends the program with its line, resident memory, seccomp filters,
 * and children that are judged by how they end. Nothing here allocates. */
#ifndef XALLOC_TEST_LIMITS_LIMITS_H_
#define XALLOC_TEST_LIMITS_LIMITS_H_

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kSkipped = 77 };

static inline void failed_at(const char *file, int line, const char *what) {
  char text[300];
  const int saved = errno;
  const int n = snprintf(text, sizeof text, "%s:%d: does not hold: %s (errno %d)\n", file, line, what, saved);
  if (write(2, text, (size_t)(n < (int)sizeof text ? n : (int)sizeof text - 1)) < 0) _exit(2);
  _exit(1);
}
#define REQUIRE(condition) ((condition) ? (void)0 : failed_at(__FILE__, __LINE__, #condition))

/* A field of /proc/self/status in KiB, read without a buffer on the heap. -1: no /proc. */
static inline long status_kib(const char *field) {
  char text[4096];
  const int fd = open("/proc/self/status", O_RDONLY);
  if (fd < 0) return -1;
  const ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return -1;
  text[n] = '\0';
  const char *at = strstr(text, field);
  return at == NULL ? -1 : strtol(at + strlen(field) + 1, NULL, 10);
}

/* From now on `calls`, in every thread, end in `action`. False: no seccomp here. */
static inline int filter_calls(const long *calls, int n, uint32_t action) {
  struct sock_filter filter[64] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
  int at = 1;
  for (int i = 0; i < n; ++i) {
    filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
  }
  filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {(unsigned short)at, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 0;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

/* Runs body(context) in a child; 1 if it ended with exit code 0. Says how it ended otherwise. A skip ends the parent too. */
static inline int survives(const char *name, void (*body)(const void *), const void *context) {
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    body(context);
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipped) {
    puts("skipped: no seccomp here");
    exit(kSkipped);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 1;
  const int killed = WIFSIGNALED(status);
  fprintf(stderr, "%s: %s %d\n", name, killed ? "signal" : "exit", killed ? WTERMSIG(status) : WEXITSTATUS(status));
  return 0;
}

#endif
