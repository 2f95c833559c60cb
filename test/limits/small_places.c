/* SPDX-License-Identifier: MIT */
/* small_places stacks|maps|locked: threads and signal handlers on the smallest stacks that the system allows; a process with as many
 * mappings as it may have; and one that locks all its memory (prints its resident KiB, for the driver to compare). */
#include "limits.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>

static void *on_small_stack(void *purge) {
  static const size_t kSizes[] = {1, 100, 1024, 5000, 32768, 40000, 1000000, 40000000};
  void *p[100];
  for (unsigned s = 0; s < sizeof kSizes / sizeof *kSizes; ++s) {
    const int n = kSizes[s] > 100000 ? 2 : 100;
    for (int i = 0; i < n; ++i) REQUIRE((p[i] = malloc(kSizes[s])) != NULL);
    for (int i = 0; i < n; ++i) REQUIRE((p[i] = realloc(p[i], kSizes[s] * 3)) != NULL);
    for (int i = 0; i < n; ++i) free(p[i]);
    free(calloc(1, kSizes[s]));
    free(aligned_alloc(4096, kSizes[s]));
  }
  if (purge != NULL) {
    malloc_trim(0);
#ifdef __GLIBC__
    REQUIRE(mallinfo2().uordblks < (size_t)1 << 30); /* the others free meanwhile, so that it may be anything, but not less than nothing */
#endif
  }
  return NULL;
}

static volatile int handled;
static char *kept_block;
static void on_signal(int signal) {
  (void)signal;
  char *p = malloc(100), *q = malloc(100000), *r = calloc(10, 1000);
  REQUIRE(p != NULL && q != NULL && r != NULL);
  p = realloc(p, 5000);
  REQUIRE(p != NULL);
  memset(p, 1, 5000);
  free(kept_block);
  kept_block = p;
  free(q);
  free(r);
  ++handled;
}

static void stacks(void) {
  pthread_attr_t attr, attr_of_purge;
  const size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN), purge = 16 << 10; /* musl's least is 2 KiB, too few for malloc_trim */
  REQUIRE(pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, least) == 0);
  REQUIRE(pthread_attr_init(&attr_of_purge) == 0 && pthread_attr_setstacksize(&attr_of_purge, least > purge ? least : purge) == 0);
  for (int round = 0; round < 8; ++round) {
    pthread_t thread[4];
    const int purges = round % 4 == 3;
    for (int i = 0; i < 4; ++i) REQUIRE(pthread_create(&thread[i], purges ? &attr_of_purge : &attr, on_small_stack, purges ? &attr : NULL) == 0);
    for (int i = 0; i < 4; ++i) REQUIRE(pthread_join(thread[i], NULL) == 0);
  }
  /* What the kernel needs for its frame, and 2 KiB for the handler; a page that nobody may touch lies below. */
#ifdef _SC_MINSIGSTKSZ
  const size_t usual = (size_t)sysconf(_SC_MINSIGSTKSZ); /* an emulated CPU may tell no AT_MINSIGSTKSZ */
#else
  const size_t usual = MINSIGSTKSZ;
#endif
  const size_t frame = getauxval(AT_MINSIGSTKSZ) != 0 ? getauxval(AT_MINSIGSTKSZ) : usual;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (frame + 2048 + 15) & ~(size_t)15;
  const size_t bytes = (room + page - 1) / page * page;
  char *area = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(area != MAP_FAILED && mprotect(area, page, PROT_NONE) == 0);
  const stack_t stack = {.ss_sp = area + page, .ss_size = room};
  REQUIRE(sigaltstack(&stack, NULL) == 0);
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
  REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
  for (int i = 0; i < 1000; ++i) raise(SIGUSR1);
  REQUIRE(handled == 1000);
  puts("stacks: lived");
}

static void maps(void) {
  enum { kBig = 5, kBlocks = 3000 };
  const size_t big = (size_t)40 << 20, page = (size_t)sysconf(_SC_PAGESIZE);
  char *block[kBig];
  free(malloc(1));
  for (int i = 0; i < kBig; ++i) REQUIRE((block[i] = malloc(big)) != NULL);
  for (int i = 0; i < kBig; ++i) memset(block[i], 1, big);
  const size_t many = 70000;
  char *area = mmap(NULL, many * 2 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(area != MAP_FAILED);
  size_t made = 0;
  while (made < many && mprotect(area + made * 2 * page, page, PROT_NONE) == 0) ++made;
  if (made == many) {
    puts("skipped: no limit of mappings here");
    exit(kSkipped);
  }
  while (mmap(NULL, page, PROT_READ | (made & 1 ? PROT_EXEC : 0), MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) ++made;
  const long before = status_kib("VmRSS:");
  errno = 5;
  free(block[2]); /* between others: to unmap it the kernel would need one mapping more */
  free(block[1]);
  REQUIRE(errno == 5);
  const long freed = before - status_kib("VmRSS:");
  REQUIRE(freed >= 75 * 1024);
  static char *small[kBlocks];
  int refused = 0, served = 0;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < kBlocks; ++i) {
      const size_t size = i % 100 == 0 ? (size_t)40 << 20 : i % 10 == 0 ? 200000 : (size_t)(i * 37 % 5000) + 1;
      errno = 0;
      small[i] = malloc(size);
      if (small[i] != NULL) {
        small[i][0] = small[i][size - 1] = (char)i;
        ++served;
      } else {
        REQUIRE(errno == ENOMEM);
        ++refused;
      }
    }
    for (int i = 0; i < kBlocks; ++i) {
      if (small[i] != NULL) REQUIRE(small[i][0] == (char)i);
      char *moved = small[i] == NULL ? NULL : realloc(small[i], 100000);
      free(moved != NULL ? moved : small[i]);
    }
    malloc_trim(0);
  }
  printf("maps: lived beside %zu mappings, %d requests served, %d refused, %ld MiB back of two freed blocks\n", made, served, refused,
         freed >> 10);
  REQUIRE(served > 1000);
}

static void locked(void) {
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
    puts("skipped: may not lock memory");
    exit(kSkipped);
  }
  static char *block[1000];
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 1000; ++i) REQUIRE((block[i] = calloc(1, (size_t)(i % 200) + 1)) != NULL && block[i][i % 200] == 0);
    for (int i = 0; i < 1000; ++i) memset(block[i], 1, (size_t)(i % 200) + 1);
    for (int i = 0; i < 1000; ++i) free(block[i]);
    malloc_trim(0);
  }
  printf("%ld\n", status_kib("VmRSS:"));
}

int main(int argc, char **argv) {
  const char *mode = argc == 2 ? argv[1] : "";
  if (strcmp(mode, "stacks") == 0) stacks();
  else if (strcmp(mode, "maps") == 0) maps();
  else if (strcmp(mode, "locked") == 0) locked();
  else return 9;
  return 0;
}
