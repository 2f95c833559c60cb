/* SPDX-License-Identifier: MIT */
/* fork's relatives, which run no handlers: vfork, posix_spawn, system, popen, clone with shared and with copied memory, _Fork, daemon.
 * With threads beside them a child may do what POSIX allows (async-signal-safe calls); without, it allocates. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../survival.h"

extern char **environ;
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
#define HAVE_FORK_WITHOUT_HANDLERS 1
#else
#define HAVE_FORK_WITHOUT_HANDLERS 0
#endif

static char *true_argv[] = {"true", NULL};

static void Spawn(void) {
  pid_t child;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  CHECK(posix_spawnp(&child, "true", &actions, NULL, true_argv, environ) == 0);
  CHECK(EndOf(child) == 0);
  posix_spawn_file_actions_destroy(&actions);
  CHECK(posix_spawnp(&child, "/no/such/program", NULL, NULL, true_argv, environ) == ENOENT);
}

static void Vfork(void) {
  const pid_t child = vfork();
  if (child == 0) {
    execvp("true", true_argv);
    _exit(127);
  }
  CHECK(EndOf(child) == 0);
}

static void SystemAndPopen(void) {
  CHECK(system("exit 3") == 3 << 8);
  FILE *pipe = popen("echo text", "r");
  char text[10] = "";
  CHECK(pipe != NULL && fgets(text, sizeof text, pipe) != NULL && strcmp(text, "text\n") == 0);
  CHECK(pclose(pipe) == 0);
}

/* A child in our memory, on a stack of its own, while we wait, as runtimes start programs: what it allocates is ours. */
static int InSharedMemory(void *out) {
  void *p = malloc(3000);
  memset(p, 5, 3000);
  Churn(1, 300);
  *(void **)out = p;
  _exit(0);
}
static void CloneShared(void) {
  const size_t size = 128 << 10;
  char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void *made = NULL;
  const pid_t child = clone(InSharedMemory, stack + size, CLONE_VM | CLONE_VFORK | SIGCHLD, &made);
  CHECK(EndOf(child) == 0);
  CHECK(made != NULL && ((char *)made)[2999] == 5);
  free(made);
  munmap(stack, size);
}

static void AllocatesAndForks(void *parents) {
  alarm(60);
  free(parents);
  Churn(2, 1000);
  const pid_t child = fork();
  if (child == 0) {
    Churn(3, 500);
    _exit(0);
  }
  CHECK(EndOf(child) == 0);
  _exit(0);
}

static void CloneCopied(int alone) {
  void *block = malloc(3000);
  const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
  if (child == 0) {
    if (alone) AllocatesAndForks(block);
    execvp("true", true_argv);
    _exit(127);
  }
  CHECK(EndOf(child) == 0);
  free(block);
}

static void ForkWithoutHandlers(int alone) {
#if HAVE_FORK_WITHOUT_HANDLERS
  void *block = malloc(3000);
  const pid_t child = _Fork();
  if (child == 0) {
    if (alone) AllocatesAndForks(block);
    execvp("true", true_argv);
    _exit(127);
  }
  CHECK(EndOf(child) == 0);
  free(block);
#else
  (void)alone;
#endif
}

static void *Threads(void *unused) {
  Churn(7, 500);
  return unused;
}

/* The service that puts itself into the background and starts its threads there. */
static void Daemon(void) {
  int end[2];
  CHECK(pipe(end) == 0);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    CHECK(daemon(1, 1) == 0);
    for (int i = 0; i < 20; ++i) {
      pthread_t t;
      CHECK(pthread_create(&t, NULL, Threads, NULL) == 0);
      Churn((unsigned)i, 300);
      pthread_join(t, NULL);
    }
    CHECK(write(end[1], "y", 1) == 1);
    _exit(0);
  }
  close(end[1]);
  CHECK(EndOf(child) == 0);
  char c = 0;
  CHECK(read(end[0], &c, 1) == 1 && c == 'y');
  close(end[0]);
}

static void All(int alone) {
  for (int i = 0; i < 15; ++i) {
    Churn((unsigned)i, 200);
    Spawn();
    Vfork();
    SystemAndPopen();
    CloneShared();
    CloneCopied(alone);
    ForkWithoutHandlers(alone);
    Daemon();
  }
}

static int stop;
static void *Allocates(void *unused) {
  for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); ++i) Churn(i, 300);
  return unused;
}

int main(void) {
  All(1);
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) CHECK(pthread_create(&threads[i], NULL, Allocates, NULL) == 0);
  All(0);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  return 0;
}
