/* SPDX-License-Identifier: MIT */
/* seccomp refuse|kill: after a little warm-up a filter forbids every system call but a few, as sandboxes do; then the heap grows far
 * beyond what it has, shrinks, trims. refuse: the rest answers EPERM, madvise and mremap included. kill: the list of a well-known
 * server's sandbox (what libc's malloc needs, clocks, input and output), everything else ends the process. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kBlocks = 8000 };
static unsigned char *block[kBlocks];

static size_t size_of(int i) { return i % 500 == 0 ? 2500000 : i % 20 == 0 ? 60000 : (size_t)(i * 37 % 3000) + 1; }

static void work(void) {
  for (int i = 0; i < kBlocks; ++i) {
    block[i] = malloc(size_of(i));
    if (block[i] == NULL) _exit(2);
    block[i][0] = block[i][size_of(i) - 1] = (unsigned char)i;
  }
  for (int i = 0; i < kBlocks; i += 2) {
    unsigned char *moved = realloc(block[i], size_of(i) * 3);
    if (moved == NULL || moved[0] != (unsigned char)i || moved[size_of(i) - 1] != (unsigned char)i) _exit(3);
    block[i] = moved;
  }
  for (int i = 0; i < kBlocks; ++i) {
    if (block[i][0] != (unsigned char)i) _exit(4);
    free(block[i]);
  }
  unsigned char *zeroed = calloc(1, 30000000);
  for (size_t i = 0; i < 30000000; i += 1000) {
    if (zeroed[i] != 0) _exit(5);
  }
  free(zeroed);
}

static void *in_thread(void *go) {
  pthread_barrier_wait(go);
  for (int round = 0; round < 300; ++round) {
    char *p[100];
    for (int i = 0; i < 100; ++i) p[i] = malloc((size_t)(i * round) % 5000 + 1);
    for (int i = 0; i < 100; ++i) free(p[i]);
  }
  return NULL;
}

static int install(const long *allowed, int n, uint32_t otherwise) {
  struct sock_filter filter[64] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
  int at = 1;
  for (int i = 0; i < n; ++i) {
    filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
  struct sock_fprog program = {(unsigned short)at, filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) | prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv) {
  if (argc != 2) return 9;
  const int kill_all = strcmp(argv[1], "kill") == 0;
  static const long kRefuse[] = {SYS_read, SYS_write, SYS_exit, SYS_exit_group, SYS_futex, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_brk};
  static const long kKill[] = {SYS_brk, SYS_clock_gettime, SYS_close, SYS_exit, SYS_exit_group, SYS_futex, SYS_getpid, SYS_getrandom, SYS_gettimeofday,
                               SYS_madvise, SYS_mmap, SYS_mprotect, SYS_mremap, SYS_munmap, SYS_read, SYS_rt_sigprocmask, SYS_write};
  pthread_barrier_t go;
  pthread_barrier_init(&go, NULL, 2);
  pthread_t t;
  if (pthread_create(&t, NULL, in_thread, &go) != 0) return 8;
  free(malloc(100));
  if ((kill_all ? install(kKill, sizeof kKill / sizeof *kKill, SECCOMP_RET_KILL_PROCESS) : install(kRefuse, sizeof kRefuse / sizeof *kRefuse, SECCOMP_RET_ERRNO | EPERM)) != 0) {
    puts("no seccomp here");
    return 77;
  }
  work();
  pthread_barrier_wait(&go);
  pthread_join(t, NULL);
  if (!kill_all) malloc_trim(0);
  work();
  static const char kText[] = "came through\n";
  return write(1, kText, sizeof kText - 1) > 0 ? 0 : 7;
}
