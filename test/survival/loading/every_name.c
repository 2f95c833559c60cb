/* SPDX-License-Identifier: MIT */
/* A program that names everything libc's malloc object holds: linked statically, no second malloc may be pulled in (a duplicate
 * symbol), and each name must be ours. Dynamically, the same names with the library preloaded. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>

#include "../survival.h"

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void *__libc_valloc(size_t);
void *__libc_pvalloc(size_t);
void __libc_free(void *);

static void *Work(void *unused) {
  (void)unused;
  for (unsigned i = 0; i < 5; ++i) Churn(i, 1000);
  return NULL;
}

int main(void) {
  void *all[16];
  all[0] = __libc_malloc(100);
  all[1] = __libc_calloc(10, 10);
  all[2] = __libc_realloc(NULL, 100);
  all[3] = __libc_memalign(64, 100);
  all[4] = __libc_valloc(100);
  all[5] = __libc_pvalloc(100);
  all[6] = malloc(100);
  all[7] = aligned_alloc(64, 128);
  CHECK(posix_memalign(&all[8], 4096, 100) == 0);
  all[9] = memalign(32, 100);
  all[10] = valloc(100);
  all[11] = pvalloc(100);
  all[12] = reallocarray(NULL, 10, 10);
  all[13] = strdup("text");
  CHECK(asprintf((char **)&all[14], "%d", 12345) == 5);
  FILE *stream = open_memstream((char **)&all[15], &(size_t){0});
  fputs("stream", stream);
  fclose(stream);
  for (int i = 0; i < 16; ++i) {
    CHECK(all[i] != NULL && malloc_usable_size(all[i]) >= 5);
    if (i % 2 == 0) free(all[i]);
    else __libc_free(all[i]);
  }
  /* libc's own would know nothing of these blocks: 64 MiB are in use. */
  void *big = malloc(64 << 20);
  memset(big, 1, 64 << 20);
  CHECK(mallinfo2().uordblks + mallinfo2().hblkhd >= 64u << 20);
  free(big);
  mallopt(M_ARENA_MAX, 1);
  malloc_trim(0);
  FILE *nowhere = fopen("/dev/null", "w");
  CHECK(malloc_info(0, nowhere) == 0);
  fclose(nowhere);

  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) CHECK(pthread_create(&threads[i], NULL, Work, NULL) == 0);
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      Work(NULL);
      _exit(0);
    }
    CHECK(EndOf(child) == 0);
  }
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  return 0;
}
