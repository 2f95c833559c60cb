/* SPDX-License-Identifier: MIT */
/* meets <what>: the purger meets what a process does besides allocating: changes its user, becomes a daemon, leaves its namespace, forbids
 * threads, ends; rests while much is in use; and a program shorter than a decay period never sees it at work. */
#define _GNU_SOURCE
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "../survival.h"
#include "purgers.h"

static pthread_barrier_t filled, end;

static void Burst(size_t bytes) {
  const size_t n = bytes / 3000;
  char **block = malloc(n * sizeof *block);
  for (size_t i = 0; i < n; ++i) memset(block[i] = malloc(3000), 1, 3000);
  for (size_t i = 0; i < n; ++i) free(block[i]);
  free(block);
}

static void *Stay(void *arg) {
  Burst(20 << 20);
  pthread_barrier_wait(&filled);
  pthread_barrier_wait(&end);
  return arg;
}

static void *Idle(void *arg) {
  pthread_barrier_wait(&end);
  return arg;
}

static pthread_t other;
static void WithAThread(void) {
  pthread_barrier_init(&filled, NULL, 2);
  pthread_barrier_init(&end, NULL, 2);
  CHECK(pthread_create(&other, NULL, Stay, NULL) == 0);
  pthread_barrier_wait(&filled);
}
static void WithoutIt(void) {
  pthread_barrier_wait(&end);
  CHECK(pthread_join(other, NULL) == 0);
}

static void AwaitPurgers(int n) {
  const double begin = NowUs();
  while (Purgers() != n && NowUs() - begin < 10e6) usleep(10000);
  CHECK(Purgers() == n);
}

static void Ticks(void) {
  for (int i = 0; i < 200; ++i) {
    void *volatile p = malloc(100000);
    free(p);
  }
}

/* libc makes every thread change its user, by a signal that must not be blocked. */
static void Setuid(void) {
  WithAThread();
  AwaitPurgers(1);
  CHECK(setuid(getuid()) == 0 && setgid(getgid()) == 0);
  WithoutIt();
}

static void Daemon(void) {
  WithAThread();
  WithoutIt();
  int pipes[2];
  CHECK(pipe(pipes) == 0);
  const pid_t child = fork();
  if (child == 0) {
    CHECK(daemon(1, 1) == 0);
    WithAThread();
    AwaitPurgers(1);
    Ticks();
    WithoutIt();
    AwaitPurgers(0);
    CHECK(write(pipes[1], "y", 1) == 1);
    _exit(0);
  }
  CHECK(EndOf(child) == 0);
  close(pipes[1]);
  char answer = 0;
  CHECK(read(pipes[0], &answer, 1) == 1 && answer == 'y');
}

/* The first thread leaves, then the other: the process ends at that, not when the purger next looks, and as usual. */
static void CanBeStopped(void) {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  if (sigismember(&mask, SIGTERM)) _exit(9);
}
static void *EndsLater(void *arg) {
  Burst(20 << 20);
  usleep(50000);
  return arg;
}
static void Leaves(void) {
  for (int i = 0; i < 5; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      pthread_t t;
      atexit(CanBeStopped);
      CHECK(pthread_create(&t, NULL, EndsLater, NULL) == 0);
      CHECK(pthread_detach(t) == 0);
      pthread_exit(NULL);
    }
    const double begin = NowUs();
    CHECK(EndOf(child) == 0);
    CHECK(NowUs() - begin < 8e6); /* the purger's next step is ten seconds away */
  }
}

/* A process with threads cannot: once its own are gone, ours goes too. */
static void Unshare(void) {
  WithAThread();
  AwaitPurgers(1);
  WithoutIt();
  AwaitPurgers(0);
  CHECK(unshare(CLONE_NEWUSER) == 0 || errno == EPERM || errno == ENOSPC || errno == ENOSYS);
}

/* No thread can be had: memory goes back all the same, and nobody hears of it. With background_thread:true, which is refused, not asked. */
static void Sandbox(void) {
#ifdef __x86_64__
  enum { kArch = AUDIT_ARCH_X86_64 };
#else
  enum { kArch = AUDIT_ARCH_AARCH64 };
#endif
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
  };
  const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) exit(kSkipped);
  const long start = ResidentKiB();
  errno = 0;
  Burst(60 << 20);
  CHECK(errno == 0);
  CHECK(Purgers() == 0);
  const double begin = NowUs();
  while (ResidentKiB() > start + 12000 && NowUs() - begin < 10e6) {
    Ticks();
    usleep(10000);
  }
  CHECK(Purgers() == 0);
  CHECK(ResidentKiB() <= start + 12000);
  CHECK(pthread_create(&other, NULL, Stay, NULL) == EPERM);
}

/* Threads first, then a filter that kills, in every thread that there is, whoever starts another. The purger is there by then, and rests. */
static void Locked(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  pthread_barrier_init(&end, NULL, 2);
  pthread_t idle;
  CHECK(pthread_create(&idle, NULL, Idle, NULL) == 0);
  AwaitPurgers(1);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) exit(kSkipped);
  const long start = ResidentKiB();
  Burst(12 << 20);
  Ticks();
  const double begin = NowUs();
  while (ResidentKiB() > start + 8000 && NowUs() - begin < 10e6) usleep(10000);
  CHECK(ResidentKiB() <= start + 8000);
  AwaitPurgers(1);
  pthread_barrier_wait(&end);
  CHECK(pthread_join(idle, NULL) == 0);
  AwaitPurgers(0);
}

/* Much in use, and then freed by threads that allocate nothing any more: the purger, which had gone to rest, wakes. */
static char *held[20000];
static pthread_barrier_t step;
static void *HoldAndFree(void *arg) {
  for (int i = 0; i < 20000; ++i) memset(held[i] = malloc(3000), 1, 3000);
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  for (int i = 0; i < 20000; ++i) free(held[i]);
  pthread_barrier_wait(&step);
  pause();
  return arg;
}
static void Rest(void) {
  pthread_t holder;
  const long start = ResidentKiB();
  pthread_barrier_init(&step, NULL, 2);
  CHECK(pthread_create(&holder, NULL, HoldAndFree, NULL) == 0);
  pthread_barrier_wait(&step);
  AwaitPurgers(1);
  CHECK(PurgerRests());
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  const double begin = NowUs();
  while (ResidentKiB() > start + 12000 && NowUs() - begin < 10e6) usleep(10000);
  CHECK(ResidentKiB() <= start + 12000);
}

/* libc frees what belonged to ended threads under a lock that starting a thread takes: stacks that its cache has no room for. */
static void *Large(void *arg) {
  for (int i = 0; i < 50; ++i) free(malloc(100 + (size_t)i * 50));
  return arg;
}
static void Stacks(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16 << 20);
  char *volatile big = memset(malloc(20 << 20), 1, 20 << 20);
  for (int round = 0; round < 60; ++round) {
    pthread_t t[16];
    for (int i = 0; i < 16; ++i) CHECK(pthread_create(&t[i], &attributes, Large, NULL) == 0);
    for (int i = 0; i < 16; ++i) CHECK(pthread_join(t[i], NULL) == 0);
    if (round % 10 == 9) AwaitPurgers(0); /* it has to start again */
  }
  free(big);
}

/* The process ends while the purger is at work: twelve processes at a time, each later than the one before. */
static void Exit(void) {
  enum { kTogether = 12 };
  for (int round = 0; round < 5; ++round) {
    pid_t children[kTogether];
    for (int i = 0; i < kTogether; ++i) {
      children[i] = fork();
      if (children[i] != 0) continue;
      WithAThread();
      usleep((useconds_t)i * 50000);
      exit(7);
    }
    for (int i = 0; i < kTogether; ++i) CHECK(EndOf(children[i]) == 7);
  }
}

/* Shorter than a decay period: no call that gives memory back. The kernel kills who makes one. */
static void Short(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 440 /* process_madvise */, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4 /* MADV_DONTNEED */, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  const double begin = NowUs();
  const pid_t child = fork();
  if (child == 0) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) _exit(kSkipped);
    for (int i = 0; i < 3; ++i) Burst(7 << 20); /* less than what makes the bound on peaks act */
    _exit(NowUs() - begin > 4.5e6 ? kSkipped : 0); /* a machine too slow for the question */
  }
  const int ended = EndOf(child);
  if (ended == kSkipped) exit(kSkipped);
  CHECK(ended == 0);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  alarm(60);
  if (strcmp(what, "setuid") == 0) Setuid();
  if (strcmp(what, "daemon") == 0) Daemon();
  if (strcmp(what, "unshare") == 0) Unshare();
  if (strcmp(what, "sandbox") == 0) Sandbox();
  if (strcmp(what, "leaves") == 0) Leaves();
  if (strcmp(what, "locked") == 0) Locked();
  if (strcmp(what, "exit") == 0) Exit();
  if (strcmp(what, "rest") == 0) Rest();
  if (strcmp(what, "stacks") == 0) Stacks();
  if (strcmp(what, "short") == 0) {
    unsetenv("MALLOC_CONF");
    if (argc == 2) {
      execl("/proc/self/exe", argv[0], what, "with the decay time that everybody has", (char *)NULL);
      return 2;
    }
    Short();
  }
  return 0;
}
