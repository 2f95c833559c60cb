/* SPDX-License-Identifier: MIT */
/* refused <library>: musl does not open a library with initial-exec thread-local storage late. It says so, and the program goes on, on
 * libc's heap. Should a later musl open it: it has to serve. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc != 2) return 9;
  void *library = dlopen(argv[1], RTLD_NOW);
  char *p = malloc(1000);
  if (p == NULL) return 1;
  free(memset(p, 1, 1000));
  if (library == NULL) return puts(dlerror()) < 0;
  void *(*take)(size_t, int) = (void *(*)(size_t, int))dlsym(library, "xmallocx");
  void (*give)(void *, int) = (void (*)(void *, int))dlsym(library, "xdallocx");
  if (take == NULL || give == NULL) return 2;
  give(memset(take(1000, 0), 1, 1000), 0);
  return 0;
}
