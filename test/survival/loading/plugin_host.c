/* SPDX-License-Identifier: MIT */
/* argv[1]: a C++ plugin. A C program opens it with RTLD_LOCAL: std::bad_alloc must reach it although the program has no C++ in it. */
#include <dlfcn.h>

#include "../survival.h"

int main(int argc, char **argv) {
  CHECK(argc == 2);
  Churn(1, 1000);
  CHECK(dlopen("libstdc++.so.6", RTLD_NOLOAD | RTLD_LAZY) == NULL);
  for (int round = 0; round < 3; ++round) {
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    int (*run)(void) = (int (*)(void))dlsym(plugin, "PluginMain");
    CHECK(run != NULL);
    const int result = run();
    if (result != 0) fprintf(stderr, "the plugin says %d\n", result);
    CHECK(result == 0);
    dlclose(plugin);
  }
  return 0;
}
