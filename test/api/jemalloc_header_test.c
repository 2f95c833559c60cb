/* SPDX-License-Identifier: MIT */
/* xalloc/jemalloc.h alone, from C99 and from C++, linked with -lxalloc_je: every name of it is called. Of what the tree answers only the
 * version is looked at here, where it answers at all. */
#include <xalloc/jemalloc.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Both are defined by the C program; the one in C++ assigns the second. */
#ifdef __cplusplus
const char *malloc_conf = "narenas:3";
#else
const char *malloc_conf = "narenas:3,confirm_conf:true"; /* read before main */
#endif

static int lines, of_ours; /* through malloc_message */
static char text[4096];
static void Write(void *opaque, const char *line) {
  (void)opaque;
  ++lines;
  if (strstr(line, "narenas:3 (malloc_conf)") != NULL) ++of_ours;
  if (strlen(text) + strlen(line) < sizeof text) strcat(text, line);
}
#ifndef __cplusplus
void (*malloc_message)(void *, const char *) = Write;
#endif

static int Blocks(void) {
  char *p = (char *)mallocx(100, MALLOCX_ZERO | MALLOCX_ALIGN(64));
  if (p == NULL || (uintptr_t)p % 64 != 0 || p[99] != 0 || sallocx(p, 0) < 100) return 1;
  p = (char *)rallocx(p, 5000, MALLOCX_TCACHE_NONE);
  if (p == NULL || sallocx(p, 0) != nallocx(5000, 0)) return 2;
  sdallocx(p, 5000, MALLOCX_TCACHE_NONE);
  p = (char *)mallocx(1 << 20, MALLOCX_LG_ALIGN(12));
  if (p == NULL || (uintptr_t)p % 4096 != 0 || xallocx(p, 1 << 20, 0, 0) < 1 << 20) return 3;
  dallocx(p, 0);
  p = (char *)malloc(10);
  if (p == NULL || sallocx(p, 0) != malloc_usable_size(p)) return 4; /* malloc is ours, too */
  free(p);
  return 0;
}

static int Tree(void) {
  size_t mib[4], depth = 4;
  const char *version = NULL;
  size_t length = sizeof version;
  if (mallctl("version", (void *)&version, &length, NULL, 0) == 0 && strcmp(version, JEMALLOC_VERSION) != 0) return 1;
  if (mallctlnametomib("version", mib, &depth) == 0 && (depth != 1 || mallctlbymib(mib, depth, (void *)&version, &length, NULL, 0) != 0)) return 2;
  if (mallctl("no.such.name", NULL, NULL, NULL, 0) == 0) return 3;
  malloc_stats_print(Write, NULL, "J");
  return 0;
}

int main(void) {
  /* The types by which programs keep the hooks of an arena. */
  extent_hooks_t hooks = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
  extent_alloc_t *alloc = hooks.alloc;
  extent_dalloc_t *dalloc = hooks.dalloc;
  extent_purge_t *purge = hooks.purge_lazy;
  if (alloc != NULL || dalloc != NULL || purge != NULL) return 9;
  if (strstr(JEMALLOC_VERSION, "-xalloc-" XALLOC_PROJECT_VERSION) == NULL || JEMALLOC_VERSION_MAJOR != 5 || JEMALLOC_VERSION_MINOR != 3) return 10;
  if (MALLOCX_ARENA(0) != 1 << 20 || MALLOCX_TCACHE(0) != 2 << 8 || MALLOCX_TCACHE_NONE != 1 << 8 || MALLCTL_ARENAS_ALL != 4096) return 11;
  int wrong = Blocks();
  if (wrong != 0) return 20 + wrong;
#ifdef __cplusplus
  if (lines != 0) return 13;
  malloc_message = Write;
  malloc_stats();
  if (strstr(text, "xalloc: served this program") != text) return 14;
#else
  if (lines < 20 || of_ours != 1) {
    printf("%d lines through malloc_message, %d name malloc_conf:\n%s", lines, of_ours, text);
    return 12;
  }
#endif
  wrong = Tree();
  if (wrong != 0) return 30 + wrong;
  malloc_message = NULL;
  puts("ok");
  return 0;
}
