// SPDX-License-Identifier: MIT
// As if the archive had been built with -DXALLOC_MALLOC_CONF and -DXALLOC_CONF_LINK: built_in.cc's strings are replaced by these. Each source
// overrides the ones before.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace xalloc {
extern const char *const g_built_in_conf, *const g_conf_link;
const char* const g_built_in_conf = "confirm_conf:true,dirty_limit:10,narenas:2,max_background_threads:2";
const char* const g_conf_link = "conf_built_in.link";  // in the working folder
}  // namespace xalloc

extern "C" {
const char* xmalloc_conf = "narenas:3,max_background_threads:3,thp:never,zero_realloc:abort";
static char text[8192];
static void Keep(void*, const char* line) {
  if (strlen(text) + strlen(line) < sizeof text) strcat(text, line);
}
void (*xmalloc_message)(void*, const char*) = Keep;
}

int main() {
  void* volatile block = malloc(1);
  free(block);
  for (const char* line : {"dirty_limit:10 (built-in)\n", "narenas:3 (xmalloc_conf)\n", "max_background_threads:4 (MALLOC_CONF)\n", "thp:always (conf_built_in.link)\n", "zero_realloc:abort (xmalloc_conf)\n",
                           "muzzy_decay_ms:now (default)\n"}) {
    if (strstr(text, line) != nullptr) continue;
    printf("no %sin\n%s", line, text);
    return 1;
  }
  return 0;
}
