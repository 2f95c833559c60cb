/* SPDX-License-Identifier: MIT */
/* launch <fd> <timeout seconds> <program> [argument ...]: runs the program and writes to the descriptor what it cost: first
 * "pid N", and when it has ended one line of name=value pairs.
 *
 * Static and small on purpose: the kernel counts what a child held between fork and exec into its peak, and that is the parent's
 * memory; started from an interpreter every program would peak at the interpreter's size. The rusage of wait4 covers the program
 * and the children that it waited for: CPU and faults add up, the peak is that of the largest process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;
static volatile sig_atomic_t timed_out;

static void on_signal(int number) {
  timed_out = number == SIGALRM;
  if (child > 0) kill(-child, number == SIGALRM ? SIGKILL : number);
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  int report = atoi(argv[1]);
  fcntl(report, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_PDEATHSIG, SIGTERM); /* an instrument that was killed leaves nothing running */
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGALRM, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  double begin = now();
  child = fork();
  if (child == 0) {
    setpgid(0, 0);
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  if (child < 0) return 2;
  setpgid(child, child);
  dprintf(report, "pid %d\n", (int)child);
  alarm((unsigned)atoi(argv[2]));
  struct rusage usage;
  int status = 0;
  while (wait4(child, &status, 0, &usage) < 0) {
    if (errno != EINTR) return 2;
  }
  double end = now();
  dprintf(report, "seconds=%.6f user=%.6f system=%.6f peak_kib=%ld faults=%ld major=%ld exit=%d signal=%d timeout=%d\n", end - begin,
          seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_maxrss, usage.ru_minflt, usage.ru_majflt,
          WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0, (int)timed_out);
  return 0;
}
