/* SPDX-License-Identifier: MIT */
/* filters kill|refuse|exhausted|kept|counted: what a program's own seccomp filter does to its heap.
 *   kill       one call at a time ends the process: a small program with threads lives on without it (its threads do not end: libc
 *              itself uses madvise and rt_sigprocmask there). The filter comes once the purger, which opens a file when it starts, sleeps
 *   refuse     one call at a time answers EPERM, then all answer EPERM, or ENOSYS: everything works, at any size, trimming included
 *   exhausted  mmap, mprotect and mremap answer ENOMEM from now on: null with ENOMEM, and what is freed is there again
 *   kept       madvise "succeeds" and does nothing: calloc zeroes all the same
 *   counted    madvise answers EINVAL and is counted: nothing is lost, and it is not asked for ever */
#include "limits.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <ucontext.h>

#include "../survival/purging/purgers.h"

struct call {
  const char *name;
  long number;
};
static const struct call kCalls[] = {
    {"madvise", SYS_madvise},       {"process_madvise", 440},     {"openat", SYS_openat},
    {"readlinkat", SYS_readlinkat}, {"membarrier", SYS_membarrier}, {"sched_getaffinity", SYS_sched_getaffinity},
    {"clone", SYS_clone},           {"clone3", 435},              {"prlimit64", SYS_prlimit64},
    {"getcpu", SYS_getcpu},         {"clock_gettime", SYS_clock_gettime}, {"mremap", SYS_mremap},
    {"gettid", SYS_gettid},         {"getrandom", SYS_getrandom},
#ifdef SYS_open
    {"open", SYS_open},             {"readlink", SYS_readlink},
#endif
};
enum { kNumCalls = sizeof kCalls / sizeof *kCalls, kThreads = 3, kMaxBlocks = 40000 };

static pthread_barrier_t barrier;

/* Blocks of all kinds up to `total` bytes, checked, moved and freed, some rounds of it. */
static void churn(size_t total, int rounds, unsigned char **block) {
  for (int round = 0; round < rounds; ++round) {
    int n = 0;
    for (size_t bytes = 0; bytes < total && n < kMaxBlocks; ++n) {
      const size_t size = n % 300 == 299 ? total / 8 : n % 20 == 19 ? 20000 : (size_t)(n * 37 % 2000) + 1;
      block[n] = n % 3 == 0 ? calloc(1, size) : malloc(size);
      REQUIRE(block[n] != NULL);
      if (n % 3 == 0) REQUIRE(block[n][0] == 0 && block[n][size / 2] == 0 && block[n][size - 1] == 0);
      memset(block[n], n | 1, size);
      bytes += size;
    }
    for (int i = 0; i < n; i += 5) {
      REQUIRE((block[i] = realloc(block[i], i % 50 == 0 ? total / 16 : 3000)) != NULL);
    }
    for (int i = 0; i < n; ++i) {
      REQUIRE(block[i][0] == (unsigned char)(i | 1));
      free(block[i]);
    }
  }
}

struct work {
  size_t total;
  int rounds;
  int trim;
  int settled; /* the filter waits for the purger */
};

/* Starts before the filter, works after it, and stays (with what it has in its cache) until the others are through. */
static void *in_thread(void *arg) {
  const struct work *work = arg;
  static unsigned char *lists[kThreads][kMaxBlocks];
  static int next;
  unsigned char **block = lists[__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)];
  free(malloc(100));
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier); /* the filter is in place */
  churn(work->total, work->rounds, block);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier); /* trimmed */
  return NULL;
}

/* docs/design/purging.md says what the purger needs at its start, and what from then on. A static program has none. */
static void await_sleeping_purger(void) {
  int id = 0;
  const int is_static = getauxval(AT_BASE) == 0;
  for (int i = 0; i < 10000 && !is_static; ++i) {
    if (PurgerThreads(&id) == 1 && Naps(id) >= 1) return;
    usleep(1000);
  }
}

static void under_filter(const long *calls, int n, uint32_t action, struct work work) {
  static unsigned char *list[kMaxBlocks];
  pthread_t thread[kThreads];
  pthread_barrier_init(&barrier, NULL, kThreads + 1);
  for (int i = 0; i < kThreads; ++i) REQUIRE(pthread_create(&thread[i], NULL, in_thread, &work) == 0);
  pthread_barrier_wait(&barrier);
  if (work.settled) await_sleeping_purger();
  if (!filter_calls(calls, n, action)) _exit(kSkipped);
  pthread_barrier_wait(&barrier);
  churn(work.total, work.rounds, list);
  pthread_barrier_wait(&barrier);
  if (work.trim) malloc_trim(0);
  churn(work.total, 1, list);
  if (!work.trim) return; /* the others wait: nothing of libc's own thread ends gets in between */
  malloc_trim(0);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < kThreads; ++i) pthread_join(thread[i], NULL);
}

static void killed(const void *call) {
  const struct work small = {500000, 20, 0, 1}; /* four threads: 3 MB at a time, 4 once a part has grown; from 6 on memory is populated */
  under_filter(&((const struct call *)call)->number, 1, SECCOMP_RET_KILL_PROCESS, small);
}

static uint32_t refusal;
static void refused(const void *call) {
  const struct work any = {4000000, 1, 1, 0};
  under_filter(&((const struct call *)call)->number, 1, SECCOMP_RET_ERRNO | refusal, any);
}
static void refused_all(const void *unused) {
  (void)unused;
  const struct work any = {50000000, 1, 1, 0};
  long all[kNumCalls];
  for (int i = 0; i < kNumCalls; ++i) all[i] = kCalls[i].number;
  under_filter(all, kNumCalls, SECCOMP_RET_ERRNO | refusal, any);
}

static void exhausted(const void *unused) {
  (void)unused;
  static unsigned char *block[kMaxBlocks];
  free(malloc(1));
  static const long kGrowth[] = {SYS_mmap, SYS_mprotect, SYS_mremap, SYS_brk};
  if (!filter_calls(kGrowth, 4, SECCOMP_RET_ERRNO | ENOMEM)) _exit(kSkipped);
  for (int round = 0; round < 3; ++round) {
    int n = 0, refusals = 0;
    for (; refusals < 100 && n < kMaxBlocks; ++n) {
      errno = 0;
      const size_t size = (size_t)(n * 61 % 3000) + 1;
      block[n] = n % 2 == 0 ? malloc(size) : calloc(1, size);
      if (block[n] == NULL) {
        REQUIRE(errno == ENOMEM);
        ++refusals;
      }
    }
    REQUIRE(refusals == 100);
    errno = 0;
    REQUIRE(malloc(50000000) == NULL && errno == ENOMEM);
    REQUIRE(realloc(block[0], 50000000) == NULL);
    for (int i = 0; i < n; ++i) free(block[i]);
    void *p = malloc(1000);
    REQUIRE(p != NULL);
    free(p);
  }
}

static const size_t kKeptSizes[] = {16, 500, 1024, 8000, 32768, 32769, 100000, 1000000, 3000000, 20000000, 40000000};
enum { kKeptNumSizes = sizeof kKeptSizes / sizeof *kKeptSizes };

static void all_zero_after_purge(void) {
  static unsigned char *block[4000];
  for (int round = 0; round < 3; ++round) {
    for (int s = 0; s < kKeptNumSizes; ++s) {
      const size_t size = kKeptSizes[s];
      const int n = size > 60000000 / 4000 ? (int)(60000000 / size) : 4000;
      for (int i = 0; i < n; ++i) {
        REQUIRE((block[i] = calloc(1, size)) != NULL);
        for (size_t at = 0; at < size; at += size > 4096 ? 509 : 1) REQUIRE(block[i][at] == 0);
        REQUIRE(block[i][size - 1] == 0);
        memset(block[i], 0xEE, size);
      }
      for (int i = 0; i < n; ++i) free(block[i]);
      malloc_trim(0);
    }
  }
}

static void kept(const void *unused) {
  (void)unused;
  static const long kMadvise = SYS_madvise;
  if (!filter_calls(&kMadvise, 1, SECCOMP_RET_ERRNO | 0)) _exit(kSkipped);
  all_zero_after_purge();
}

static int asked;
static void on_sigsys(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  ucontext_t *at = context;
  __atomic_fetch_add(&asked, 1, __ATOMIC_RELAXED);
#ifdef __x86_64__
  at->uc_mcontext.gregs[REG_RAX] = -EINVAL;
#else
  at->uc_mcontext.regs[0] = (uint64_t)-EINVAL;
#endif
}

static void counted(const void *unused) {
  (void)unused;
  struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &action, NULL);
  static const long kMadvise = SYS_madvise;
  if (!filter_calls(&kMadvise, 1, SECCOMP_RET_TRAP)) _exit(kSkipped);
  all_zero_after_purge();
  static unsigned char *list[kMaxBlocks];
  churn(50000000, 3, list);
  printf("madvise asked %d times, EINVAL each time\n", asked);
  fflush(stdout);
  /* At least once: else this test sees nothing (it runs on libxalloc only). */
  REQUIRE(asked >= 1 && asked <= 32);
}

static int each_call(const char *mode, void (*body)(const void *)) {
  int bad = 0;
  for (int i = 0; i < kNumCalls; ++i) {
    char name[64];
    snprintf(name, sizeof name, "%s %s", mode, kCalls[i].name);
    bad += !survives(name, body, &kCalls[i]);
  }
  return bad;
}

int main(int argc, char **argv) {
  const char *mode = argc == 2 ? argv[1] : "";
  int bad = 0;
  if (strcmp(mode, "kill") == 0) {
    bad = each_call(mode, killed);
  } else if (strcmp(mode, "refuse") == 0) {
    static const uint32_t kRefusals[] = {EPERM, ENOSYS};
    for (int i = 0; i < 2; ++i) {
      refusal = kRefusals[i];
      if (i == 0) bad += each_call("EPERM for", refused);
      bad += !survives(i == 0 ? "EPERM for all" : "ENOSYS for all", refused_all, NULL);
    }
  } else {
    void (*const body)(const void *) = strcmp(mode, "exhausted") == 0 ? exhausted
                                       : strcmp(mode, "kept") == 0    ? kept
                                       : strcmp(mode, "counted") == 0 ? counted
                                                                      : NULL;
    REQUIRE(body != NULL);
    bad = !survives(mode, body, NULL);
  }
  if (bad == 0) printf("%s: lived\n", mode);
  return bad != 0;
}
