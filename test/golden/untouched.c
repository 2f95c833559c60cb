/* SPDX-License-Identifier: MIT */
/* untouched: a program that allocates in the ordinary ways, with a thread, brings in nothing of the library's constants and unwind tables but what
 * lies among its variables (XALLOC_ALWAYS_READ): of that part of the file no page is resident. What the loader writes to is one page, and the
 * variables that do not begin as zero are two: pointers in tables and large objects among them are what makes either grow. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *Allocate(void *arg) {
  void *block[200];
  for (int round = 0; round < 50; ++round) {
    for (size_t i = 0; i < 200; ++i) block[i] = i % 3 == 0 ? calloc(1, 8 + i * i) : malloc(1 + i * i);
    for (size_t i = 0; i < 200; ++i) block[i] = realloc(block[i], 10 + i * 300);
    for (size_t i = 0; i < 200; ++i) free(block[i]);
  }
  free(memalign(64, 100));
  return arg;
}

int main(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, Allocate, NULL) != 0 || pthread_join(thread, NULL) != 0) return 1;
  Allocate(NULL);
  FILE *f = fopen("/proc/self/smaps", "r");
  char line[512];
  unsigned long length = 0;
  long resident = -1;
  unsigned long written = 0, variables = 0; /* bytes */
  int ours = 0, found = 0, bad = 0;
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    char access[8] = "";
    unsigned long begin = 0, end = 0, offset = 0;
    if (sscanf(line, "%lx-%lx %7s %lx", &begin, &end, access, &offset) == 4) {
      if (strstr(line, "libxalloc.so") != NULL && strcmp(access, "rw-p") == 0) variables += end - begin;
      length = end - begin;
      ours = strstr(line, "libxalloc.so") != NULL && strcmp(access, "r--p") == 0 && offset != 0;
    } else if (ours && sscanf(line, "Rss: %ld", &resident) == 1) {
      ++found;
    } else if (ours && strncmp(line, "Anonymous:", 10) == 0) {
      /* Private pages: what the loader has written to and then protected. */
      if (strtol(line + 10, NULL, 10) != 0) {
        --found;
        written += length;
      } else if (resident != 0) {
        printf("%ld KiB of the library's constants and unwind tables are resident\n", resident);
        bad = 1;
      }
    }
  }
  if (f == NULL || found != 1) printf("%d mappings that may be constants, wanted: 1\n", found);
  const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
  if (written != page || variables > 2 * page) {
    printf("%lu bytes are written to by the loader, wanted: %lu; %lu are variables, wanted: twice that at most\n", written, page, variables);
    bad = 1;
  }
  return f == NULL || found != 1 || bad;
}
