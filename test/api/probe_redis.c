/* SPDX-License-Identifier: MIT */
/* The calls of Redis (zmalloc.c, defrag.c, object.c), with the lengths that it gives. */
#include <stdbool.h>
#include <stdint.h>

#include "probe.h"

static void *live[2000];

static void Epoch(void) {
  uint64_t epoch = 1;
  size_t length = sizeof epoch;
  MUST(mallctl("epoch", &epoch, &length, &epoch, length));
}

/* zmalloc_get_allocator_info. */
static void Info(void) {
  Epoch();
  const size_t allocated = ReadSize("stats.allocated"), active = ReadSize("stats.active"), resident = ReadSize("stats.resident");
  const size_t metadata = ReadSize("stats.metadata"), mapped = ReadSize("stats.mapped");
  ReadSize("stats.retained");
  HOLDS(allocated >= sizeof live / sizeof *live * 1000 && active >= allocated && resident >= active);
  HOLDS(metadata > 0 && mapped >= active);
  const size_t muzzy = ReadSize("stats.arenas." "4096" ".pmuzzy") * ReadSize("arenas.page");
  HOLDS(muzzy <= resident);
}

/* How full the bins are, from which it decides to defragment. */
static void Bins(void) {
  const unsigned bins = ReadUnsigned("arenas.nbins");
  size_t blocks = 0;
  HOLDS(bins > 10);
  for (unsigned i = 0; i < bins; ++i) {
    char name[100];
    uint32_t slots = 0;
    size_t length = sizeof slots, last = 0;
    snprintf(name, sizeof name, "arenas.bin.%u.nregs", i);
    MUST(mallctl(name, &slots, &length, NULL, 0));
    snprintf(name, sizeof name, "arenas.bin.%u.size", i);
    const size_t size = ReadSize(name);
    snprintf(name, sizeof name, "stats.arenas.0.bins.%u.curregs", i);
    const size_t used = ReadSize(name);
    snprintf(name, sizeof name, "stats.arenas.0.bins.%u.curslabs", i);
    const size_t slabs = ReadSize(name);
    HOLDS(slots > 0 && size > last && used <= slabs * slots);
    blocks += used;
    last = size;
  }
  HOLDS(blocks > 0);
}

/* jemalloc_purge: the index one past the last arena. */
static void Purge(void) {
  char name[32];
  snprintf(name, sizeof name, "arena.%d.purge", (int)ReadUnsigned("arenas.narenas"));
  MUST(mallctl(name, NULL, 0, NULL, 0));
  MUST(mallctl("arena.4096.purge", NULL, NULL, NULL, 0));
}

static void BackgroundThread(void) {
  for (int enable = 0; enable < 2; ++enable) {
    char value = (char)enable;
    MUST(mallctl("background_thread", NULL, 0, &value, 1));
    bool read = !enable;
    size_t length = sizeof read;
    MUST(mallctl("background_thread", &read, &length, NULL, 0));
    HOLDS(read == enable);
  }
}

static size_t written;
static void Count(void *opaque, const char *text) {
  (void)opaque;
  written += strlen(text);
}

int main(void) {
  for (size_t i = 0; i < sizeof live / sizeof *live; ++i) live[i] = malloc(1000 + i);
  Info();
  Bins();
  for (size_t i = 0; i < sizeof live / sizeof *live; i += 2) free(live[i]);
  Purge();
  BackgroundThread();
  MUST(mallctl("thread.tcache.flush", NULL, NULL, NULL, 0));
  malloc_stats_print(Count, NULL, NULL);
  HOLDS(written > 100);
  puts("ok");
  return 0;
}
