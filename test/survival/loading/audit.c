/* SPDX-License-Identifier: MIT */
/* An LD_AUDIT module that allocates at every call the loader makes to it. */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void Allocate(void) {
  for (size_t size = 10; size < 100000; size *= 3) {
    char *p = malloc(size);
    if (p == NULL) abort();
    memset(p, 1, size);
    free(p);
  }
}

unsigned int la_version(unsigned int version) {
  Allocate();
  return version;
}
unsigned int la_objopen(struct link_map *map, Lmid_t id, uintptr_t *cookie) {
  (void)map, (void)id, (void)cookie;
  Allocate();
  return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}
char *la_objsearch(const char *name, uintptr_t *cookie, unsigned int flag) {
  (void)cookie, (void)flag;
  Allocate();
  return (char *)(uintptr_t)name;
}
void la_activity(uintptr_t *cookie, unsigned int flag) {
  (void)cookie, (void)flag;
  Allocate();
}
void la_preinit(uintptr_t *cookie) {
  (void)cookie;
  Allocate();
}
uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned int index, uintptr_t *from, uintptr_t *to, unsigned int *flags, const char *name) {
  (void)index, (void)from, (void)to, (void)flags, (void)name;
  Allocate();
  return symbol->st_value;
}
