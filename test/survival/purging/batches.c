/* SPDX-License-Identifier: MIT */
/* Batches: a kernel that gives back many ranges in one call, or does not know the call, or stops in the middle of it: played by a thread to
 * which a filter hands each process_madvise of the purger. What went back is counted, and reads as zero. A call that the filter does not
 * hand over, as it is an ordinary thread's, ends the process. */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../survival.h"
#include "purgers.h"

enum { kProcessMadvise = 440, kDontNeed = 4, kThisProcess = -10000 };
enum Kernel { kKnows, kShort, kInside, kAgain, kUnknown };
static volatile int kernel, calls, listener, of_others;

static long Play(const struct seccomp_data *call, int *error) {
  const struct iovec *v = (const struct iovec *)(uintptr_t)call->args[1];
  const long n = (long)call->args[2];
  long done = 0;
  *error = (int)call->args[0] != kThisProcess || call->args[3] != kDontNeed ? -EBADF : kernel == kUnknown ? -ENOSYS : kernel == kAgain ? -EAGAIN : 0;
  if (*error != 0) return 0;
  for (long i = 0; i < n; ++i) {
    size_t size = v[i].iov_len;
    if (kernel == kShort && i == n / 2) break;
    if (kernel == kInside && i == n / 2) size /= 2;
    madvise(v[i].iov_base, size, MADV_DONTNEED);
    done += (long)size;
    if (size != v[i].iov_len) break;
  }
  return done;
}

static void *Kernel(void *arg) {
  for (;;) {
    struct seccomp_notif asked = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) continue;
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%u/comm", asked.pid);
    const int file = open(path, O_RDONLY);
    if (read(file, name, sizeof name - 1) < 0 || strcmp(name, "xalloc_purger\n") != 0) of_others = 1;
    close(file);
    struct seccomp_notif_resp answer = {.id = asked.id};
    ++calls; /* before it is played: the program sees what goes back at once */
    answer.val = Play(&asked.data, &answer.error);
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  return arg;
}

static void Round(int which) {
  kernel = which;
  /* 32 MB in blocks of several pages; what lies in whole pages goes back. */
  enum { kMost = 400 };
  static char *block[kMost];
  const int kSize = PageSize() > 16384 ? 200000 : 80000, kBlocks = 32000000 / kSize;
  const long whole = PageSize() > 16384 ? kSize - kSize % PageSize() - PageSize() : kSize;
  const long wanted = kBlocks / 2 * (whole / 1024) / 10 * 9;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kBlocks; ++i) memset(block[i] = malloc(kSize), 0x77, kSize);
    const long before = ResidentKiB();
    calls = 0;
    for (int i = 0; i < kBlocks; i += 2) free(block[i]);
    for (int i = 0; i < 10; ++i) free(malloc(100000)); /* ticks: the purger may be at rest */
    const double begin = NowUs();
    while (ResidentKiB() > before - wanted && NowUs() - begin < 20e6) {
      usleep(10000);
      for (int i = 0; i < 100; ++i) free(malloc(100000));
    }
    CHECK(ResidentKiB() < before - wanted);
    if (which == kUnknown) CHECK(calls == (round == 0));
    if (which != kUnknown) CHECK(calls >= 1);
    CHECK(!of_others);
    for (int i = 0; i < kBlocks; i += 2) {
      block[i] = calloc(1, kSize);
      for (int k = 0; k < kSize; ++k) CHECK(block[i][k] == 0);
    }
    for (int i = 1; i < kBlocks; i += 2) CHECK(block[i][0] == 0x77 && block[i][kSize - 1] == 0x77);
    for (int i = 0; i < kBlocks; ++i) free(block[i]);
    malloc_trim(0);
  }
}

int main(void) {
  alarm(110);
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kProcessMadvise, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return kSkipped;
  listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0) return kSkipped;
  pthread_t t;
  CHECK(pthread_create(&t, NULL, Kernel, NULL) == 0);
  for (int which = kKnows; which <= kUnknown; ++which) Round(which);
  return 0;
}
