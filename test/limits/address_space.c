/* SPDX-License-Identifier: MIT */
/* address_space as|data|late|moved <MiB> <size> <percent>: a program whose memory is limited from outside (as: RLIMIT_AS, data: RLIMIT_DATA)
 * or by itself after its start (late: RLIMIT_AS; moved: the same, and what it frees is wanted by a thread of another arena). Blocks of `size` bytes (0: a mix) until the first refusal: that is null with ENOMEM,
 * comes after at least `percent` of the limit, and is over when something was freed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sys/resource.h>

#include "limits.h"

/* The list counts as part of the limit: at 64 MiB blocks of 160 bytes are the smallest. */
enum { kMaxBlocks = 500000 };
static void *block[kMaxBlocks];

static size_t size_of(size_t size, size_t i) {
  static const size_t kMix[] = {24, 100, 600, 1500, 5000, 20000, 40000, 70000, 300000};
  return size != 0 ? size : kMix[i * 7 % (sizeof kMix / sizeof *kMix)];
}

/* Until refused. Returns how many; adds their bytes. */
static size_t fill(size_t size, size_t *bytes) {
  size_t n = 0;
  for (; n < kMaxBlocks; ++n) {
    const size_t want = size_of(size, n);
    errno = 0;
    unsigned char *p = malloc(want);
    if (p == NULL) {
      REQUIRE(errno == ENOMEM);
      break;
    }
    for (size_t at = 0; at < want; at += 4096) p[at] = (unsigned char)n;
    p[want - 1] = (unsigned char)n;
    block[n] = p;
    *bytes += want;
  }
  REQUIRE(n < kMaxBlocks);
  return n;
}

static void drop(size_t size, size_t n, size_t from, size_t step) {
  for (size_t i = from; i < n; i += step) {
    REQUIRE(((unsigned char *)block[i])[size_of(size, i) - 1] == (unsigned char)i);
    free(block[i]);
    block[i] = NULL;
  }
}

static size_t again(size_t size, size_t n) {
  size_t back = 0;
  for (size_t i = 0; i < n; i += 2) back += (block[i] = malloc(size_of(size, i))) != NULL;
  return back;
}

/* The one other thread that allocates. */
static struct {
  pthread_barrier_t there, wanted;
  unsigned arena;
  size_t size, n, back;
} other;

static unsigned own_arena(void) {
  int (*control)(const char *, void *, size_t *, void *, size_t) = (int (*)(const char *, void *, size_t *, void *, size_t))dlsym(RTLD_DEFAULT, "xmallctl");
  unsigned index = 0;
  size_t length = sizeof index;
  free(malloc(1));
  REQUIRE(control != NULL && control("thread.arena", &index, &length, NULL, 0) == 0);
  return index;
}

static void *take_back(void *unused) {
  other.arena = own_arena();
  pthread_barrier_wait(&other.there);
  pthread_barrier_wait(&other.wanted);
  other.back = again(other.size, other.n);
  return unused;
}

static pthread_t start_other(void) {
  pthread_t thread = 0;
  pthread_barrier_init(&other.there, NULL, 2);
  /* Arenas go by a hash of the thread here (percpu_arena:disabled): another place, another arena, but for one in sixteen. */
  for (int tries = 0; tries < 20; ++tries) {
    pthread_barrier_init(&other.wanted, NULL, 2);
    REQUIRE(pthread_create(&thread, NULL, take_back, NULL) == 0);
    pthread_barrier_wait(&other.there);
    if (other.arena != own_arena()) return thread;
  }
  REQUIRE(!"another arena");
  return thread;
}

static int inside(const char *mode, size_t limit, size_t size, size_t percent) {
  const int moved = strcmp(mode, "moved") == 0;
  pthread_t thread = 0;
  if (moved) thread = start_other();
  if (moved || strcmp(mode, "late") == 0) {
    free(malloc(1));
    const struct rlimit to = {limit, limit};
    REQUIRE(setrlimit(RLIMIT_AS, &to) == 0);
  }
  size_t bytes = 0;
  const size_t n = fill(size, &bytes);
  errno = 0;
  REQUIRE(calloc(1, limit) == NULL && errno == ENOMEM);
  REQUIRE(realloc(block[0], limit) == NULL && errno == ENOMEM);
  REQUIRE(aligned_alloc(4096, limit) == NULL && errno == ENOMEM);
  void *untouched = &limit;
  REQUIRE(posix_memalign(&untouched, 64, limit) == ENOMEM && untouched == &limit);
  drop(size, n, 0, 2);
  size_t back;
  if (moved) {
    other.size = size;
    other.n = n;
    pthread_barrier_wait(&other.wanted);
    REQUIRE(pthread_join(thread, NULL) == 0);
    back = other.back;
  } else {
    back = again(size, n);
  }
  REQUIRE(back >= n / 2 / 10 * 9);
  for (size_t i = 0; i < n; ++i) free(block[i]);
  size_t refilled = 0;
  const size_t m = fill(size, &refilled);
  REQUIRE(refilled >= bytes / 10 * 9);
  drop(size, m, 0, 1);
  /* Another phase: what was small is wanted in pieces of 200 KB. */
  size_t large = 0;
  const size_t k = fill(200000, &large);
  REQUIRE(large >= bytes / 10 * 7);
  drop(200000, k, 0, 1);
  printf("%s %zu MiB, blocks of %zu: %zu%% usable, again %zu%%, as large blocks %zu%%\n", mode, limit >> 20, size, bytes * 100 / limit,
         refilled * 100 / limit, large * 100 / limit);
  fflush(stdout);
  REQUIRE(bytes * 100 / limit >= percent);
  return 0;
}

int main(int argc, char **argv) {
  REQUIRE(argc >= 5);
  const size_t limit = strtoul(argv[2], NULL, 10) << 20;
  const int late = strcmp(argv[1], "late") == 0 || strcmp(argv[1], "moved") == 0;
  if (argc == 5) {
    if (!late) {
      const struct rlimit to = {limit, limit};
      REQUIRE(setrlimit(strcmp(argv[1], "as") == 0 ? RLIMIT_AS : RLIMIT_DATA, &to) == 0);
    }
    execl("/proc/self/exe", argv[0], argv[1], argv[2], argv[3], argv[4], "limited", NULL);
    return 1;
  }
  return inside(argv[1], limit, strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
}
