/* SPDX-License-Identifier: MIT */
/* launch <fd> <timeout seconds> <program> [argument ...]: runs the program and writes to the descriptor what it cost: first
 * "pid N", and when it has ended one line of name=value pairs.
 *
 * Static and small on purpose: the kernel counts what a child held between fork and exec into its peak, and that is the parent's
 * memory; started from an interpreter every program would peak at the interpreter's size. The rusage of wait4 covers the program
 * and the children that it waited for: CPU and faults add up, the peak is that of the largest process.
 *
 * Each CPU keeps up to 32 pages or so of each kind (anonymous, file) to itself before it adds them to what the kernel takes for the
 * resident size, so that the peak of wait4 is up to some hundred KiB off. /proc/PID/status adds the CPUs up; a program of one process is
 * therefore stopped, by ptrace, when it is about to exit, and its VmHWM read there. `rusage_kib` is what wait4 said. Where that was not to be
 * (ptrace is forbidden) or the program had children, the peak is wait4's, or VmHWM if that is more. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
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

/* The text of /proc/<pid>/<name>; empty if it cannot be had. */
static const char* proc_text(pid_t pid, const char* name) {
  static char text[4096];
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = file < 0 ? 0 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  text[n > 0 ? n : 0] = 0;
  return text;
}

/* What a program that is about to exit peaked at, in KiB, and whether that is all there is to know: it waited for no child. */
struct peak {
  long kib;
  int alone;
};
static struct peak peak_of(pid_t pid) {
  struct peak peak = {0, 0};
  const char* at = strstr(proc_text(pid, "status"), "VmHWM:");
  if (at != NULL) peak.kib = atol(at + strlen("VmHWM:"));
  unsigned long children_faults = 0;
  at = strrchr(proc_text(pid, "stat"), ')'); /* the name may hold anything */
  /* state ppid pgrp session tty tpgid flags minflt cminflt */
  int got = at == NULL ? 0 : sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %lu", &children_faults);
  peak.alone = got == 1 && children_faults == 0;
  return peak;
}

/* Waits for the end of the child, which may be traced. */
static int wait_for_end(struct rusage* usage, struct peak* peak) {
  for (;;) {
    int status = 0;
    if (wait4(child, &status, 0, usage) < 0) {
      if (errno != EINTR) return -1;
    } else if (!WIFSTOPPED(status)) {
      return status;
    } else if (status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP) { /* by SIGSTOP or the like: until SIGCONT */
      ptrace(PTRACE_LISTEN, child, 0, 0);
    } else if (status >> 16 == PTRACE_EVENT_EXIT) {
      *peak = peak_of(child);
      ptrace(PTRACE_CONT, child, 0, 0);
    } else {
      ptrace(PTRACE_CONT, child, 0, status >> 16 != 0 ? 0 : WSTOPSIG(status));
    }
  }
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
  int gate[2]; /* the child waits behind it until it is traced */
  if (pipe2(gate, O_CLOEXEC) != 0) return 2;
  double begin = now();
  child = fork();
  if (child == 0) {
    setpgid(0, 0);
    char none;
    close(gate[1]);
    while (read(gate[0], &none, 1) < 0 && errno == EINTR) {
    }
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  if (child < 0) return 2;
  setpgid(child, child);
  ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACEEXIT);
  close(gate[0]);
  close(gate[1]);
  dprintf(report, "pid %d\n", (int)child);
  alarm((unsigned)atoi(argv[2]));
  struct rusage usage;
  struct peak peak = {0, 0};
  int status = wait_for_end(&usage, &peak);
  if (status == -1) return 2;
  double end = now();
  if (!peak.alone && usage.ru_maxrss > peak.kib) peak.kib = usage.ru_maxrss;
  dprintf(report, "seconds=%.6f user=%.6f system=%.6f peak_kib=%ld rusage_kib=%ld faults=%ld major=%ld exit=%d signal=%d timeout=%d\n", end - begin,
          seconds(usage.ru_utime), seconds(usage.ru_stime), peak.kib, usage.ru_maxrss, usage.ru_minflt, usage.ru_majflt,
          WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0, (int)timed_out);
  return 0;
}
