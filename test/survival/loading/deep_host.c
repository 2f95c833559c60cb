/* SPDX-License-Identifier: MIT */
/* argv[1]: a plugin, opened with RTLD_DEEPBIND: its malloc is the C library's, ours is the program's. What each frees itself is served by
 * each; a block of the plugin that the program frees ends with our report, not with damage. That the plugin cannot free what libc's strdup
 * gave it is beyond us: see docs/compat.md. */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "../survival.h"

int main(int argc, char **argv) {
  CHECK(argc == 2);
  void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  CHECK(plugin != NULL);
  void *(*make)(size_t) = (void *(*)(size_t))dlsym(plugin, "DeepMake");
  void *(*grow)(void *, size_t) = (void *(*)(void *, size_t))dlsym(plugin, "DeepGrow");
  void (*give)(void *) = (void (*)(void *))dlsym(plugin, "DeepFree");
  char *(*text)(void) = (char *(*)(void))dlsym(plugin, "DeepText");
  CHECK(make != NULL && grow != NULL && give != NULL && text != NULL);
  for (int i = 0; i < 2000; ++i) {
    unsigned char *p = make((size_t)i * 37 + 1);
    Churn((unsigned)i, 20);
    p = grow(p, (size_t)i * 60 + 1);
    CHECK(p != NULL && p[0] == 0x5a);
    char *t = text();
    CHECK(strcmp(t, "made by the plugin") == 0);
    free(t); /* what libc's own functions allocate is ours, also when the plugin calls them */
    give(p);
  }
  int out[2];
  CHECK(pipe(out) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(out[1], 2);
    free(make(100));
    _exit(0);
  }
  close(out[1]);
  char report[400] = {0};
  CHECK(read(out[0], report, sizeof report - 1) > 0);
  CHECK(EndOf(child) == -6);
  CHECK(strstr(report, "xalloc: ") == report && strstr(report, "errors.md#foreign-pointer") != NULL);
  return 0;
}
