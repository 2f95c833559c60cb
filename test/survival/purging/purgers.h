/* SPDX-License-Identifier: MIT */
/* purgers.h: the threads of the library's own in this process, seen from outside. */
#ifndef XALLOC_TEST_SURVIVAL_PURGERS_H_
#define XALLOC_TEST_SURVIVAL_PURGERS_H_

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How many there are; *id: one of them. */
static int PurgerThreads(int *id) {
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
    FILE *f = fopen(path, "r");
    if (f == NULL) continue;
    if (fgets(name, sizeof name, f) != NULL && strcmp(name, "xalloc_purger\n") == 0) {
      *id = atoi(entry->d_name);
      ++count;
    }
    fclose(f);
  }
  closedir(tasks);
  return count;
}
__attribute__((unused)) static int Purgers(void) {
  int id;
  return PurgerThreads(&id);
}

/* How often thread `id` has gone to sleep. Allocates nothing: that would be something to do for the purger. */
static long Naps(int id) {
  char path[64], text[4096] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/status", id);
  const int file = open(path, O_RDONLY);
  const ssize_t got = read(file, text, sizeof text - 1);
  close(file);
  const char *at = got > 0 ? strstr(text, "\nvoluntary_ctxt_switches:") : NULL;
  return at != NULL ? atol(strchr(at, ':') + 1) : -1;
}

/* Whether, within ten seconds, it comes to sleep for half a second at a time. */
__attribute__((unused)) static int PurgerRests(void) {
  int id = 0;
  if (PurgerThreads(&id) == 0) return 0;
  for (int i = 0; i < 20; ++i) {
    const long naps = Naps(id);
    usleep(500000);
    if (naps >= 0 && Naps(id) == naps) return 1;
  }
  return 0;
}

#endif
