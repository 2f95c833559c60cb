/* SPDX-License-Identifier: MIT */
/* tikv-jemalloc-ctl: each name is translated once and used many times, with exact lengths. */
#include <stdbool.h>
#include <stdint.h>

#include "probe.h"

typedef struct {
  size_t number[8], depth;
} Mib;

static Mib Translate(const char *name, size_t depth) {
  Mib mib = {{0}, depth};
  const int error = mallctlnametomib(name, mib.number, &mib.depth);
  if (error != 0 || mib.depth != depth) {
    printf("%s: %s, depth %zu\n", name, strerror(error), mib.depth);
    exit(1);
  }
  return mib;
}

static void Read(const char *name, const Mib *mib, void *value, size_t size) {
  size_t length = size;
  const int error = mallctlbymib(mib->number, mib->depth, value, &length, NULL, 0);
  if (error == 0 && length == size) return;
  printf("%s: %s, %zu bytes instead of %zu\n", name, strerror(error), length, size);
  exit(1);
}

/* A value of `size` bytes that reads the same a hundred times; returned as far as it is a number. */
static uint64_t Stable(const char *name, size_t depth, size_t size) {
  const Mib mib = Translate(name, depth);
  uint64_t first = 0, again = 0;
  Read(name, &mib, &first, size);
  for (int i = 0; i < 100; ++i) {
    Read(name, &mib, &again, size);
    HOLDS(again == first);
  }
  return first;
}

static void Options(void) {
  static const struct {
    const char *name;
    size_t size;
  } of[] = {{"opt.abort", 1}, {"opt.narenas", 4}, {"opt.tcache", 1}, {"opt.background_thread", 1}, {"opt.zero", 1}, {"opt.xmalloc", 1},
            {"opt.tcache_max", 8}, {"opt.dirty_decay_ms", 8}, {"opt.muzzy_decay_ms", 8}, {"opt.max_background_threads", 8}, {"opt.stats_print", 1},
            {"opt.retain", 1}, {"opt.junk", 8}, {"opt.thp", 8}, {"opt.percpu_arena", 8}};
  for (size_t i = 0; i < sizeof of / sizeof *of; ++i) Stable(of[i].name, 2, of[i].size);
  const Mib junk = Translate("opt.junk", 2);
  const char *word = NULL;
  Read("opt.junk", &junk, (void *)&word, sizeof word);
  HOLDS(strcmp(word, "false") == 0);
}

static void Statistics(void) {
  static const char *const names[] = {"stats.allocated", "stats.active", "stats.metadata", "stats.resident", "stats.mapped", "stats.retained"};
  Mib mib[6];
  for (int i = 0; i < 6; ++i) mib[i] = Translate(names[i], 2);
  const Mib epoch = Translate("epoch", 1);
  void *volatile blocks[50];
  size_t before = 0;
  for (int i = 0; i < 50; ++i) {
    uint64_t now = 0, next = 1, value[6];
    size_t length = sizeof now;
    MUST(mallctlbymib(epoch.number, epoch.depth, &now, &length, &next, sizeof next));
    for (int k = 0; k < 6; ++k) Read(names[k], &mib[k], &value[k], sizeof value[k]);
    HOLDS((i == 0 || value[0] > before) && value[1] >= value[0]);
    before = value[0];
    HOLDS((blocks[i] = malloc(100000)) != NULL);
  }
  for (int i = 0; i < 50; ++i) free(blocks[i]);
}

static void Threads(void) {
  const Mib allocated = Translate("thread.allocatedp", 2), deallocated = Translate("thread.deallocatedp", 2);
  volatile uint64_t *in = NULL, *out = NULL;
  Read("thread.allocatedp", &allocated, (void *)&in, sizeof in);
  Read("thread.deallocatedp", &deallocated, (void *)&out, sizeof out);
  const uint64_t in_before = *in, out_before = *out;
  void *volatile p = malloc(1 << 20);
  HOLDS(*in >= in_before + (1 << 20));
  free(p);
  HOLDS(*out >= out_before + (1 << 20));
}

/* A number within a name may be replaced. */
static void Indices(void) {
  Mib size = Translate("arenas.bin.0.size", 4);
  const unsigned bins = ReadUnsigned("arenas.nbins");
  size_t last = 0, value = 0;
  for (size_t i = 0; i < bins; ++i) {
    size.number[2] = i;
    Read("arenas.bin.<i>.size", &size, &value, sizeof value);
    HOLDS(value > last);
    last = value;
  }
  size.number[2] = bins;
  size_t length = sizeof value;
  HOLDS(mallctlbymib(size.number, size.depth, &value, &length, NULL, 0) == ENOENT);
  Mib part = {{0}, 1};
  MUST(mallctlnametomib("arenas.bin.0.size", part.number, &part.depth));
  HOLDS(part.depth == 1);
}

int main(void) {
  const Mib version = Translate("version", 1);
  const char *text = NULL;
  for (int i = 0; i < 100; ++i) Read("version", &version, (void *)&text, sizeof text);
  HOLDS(strcmp(text, JEMALLOC_VERSION) == 0);
  Stable("background_thread", 1, 1);
  HOLDS(Stable("max_background_threads", 1, 8) >= 1);
  HOLDS(Stable("arenas.narenas", 2, 4) >= 1);
  Options();
  Statistics();
  Threads();
  Indices();
  puts("ok");
  return 0;
}
