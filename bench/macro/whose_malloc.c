/* SPDX-License-Identifier: MIT */
/* Prints the file whose malloc this process got: a preload that failed is a warning of the dynamic linker only, and everything
 * measured after it would be the C library's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  Dl_info info;
  void* volatile p = malloc(100);
  free(p);
  if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) == 0) return 1;
  puts(info.dli_fname);
  return 0;
}
