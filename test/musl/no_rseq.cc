// SPDX-License-Identifier: MIT
// musl registers no rseq area: the arena of a thread is chosen by a hash of its thread pointer. It stays the same for the thread's life, and
// threads spread over several.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/cpu.h"
#include "xalloc/xalloc.h"

extern "C" [[gnu::weak]] const unsigned int __rseq_size;

namespace {

constexpr int kThreads = 48;
pthread_barrier_t g_all;
uint32_t g_seen[kThreads];

void Require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "no_rseq: does not hold: %s\n", what);
  exit(1);
}

void* Look(void* number) {
  const uint32_t id = xalloc::os::ConcurrencyId();
  Require(id == xalloc::os::ThreadHash(), "the id is the thread's hash");
  pthread_barrier_wait(&g_all);  // all of them live at once: no two have one thread pointer
  for (int i = 0; i < 2000; ++i) {
    free(malloc(static_cast<size_t>(i)));
    Require(xalloc::os::ConcurrencyId() == id, "a thread keeps its id");
  }
  *static_cast<uint32_t*>(number) = id;
  pthread_barrier_wait(&g_all);
  return nullptr;
}

}  // namespace

int main() {
  Require(&__rseq_size == nullptr, "libc has no rseq");
  pthread_barrier_init(&g_all, nullptr, kThreads);
  pthread_t thread[kThreads];
  for (int i = 0; i < kThreads; ++i) Require(pthread_create(&thread[i], nullptr, Look, &g_seen[i]) == 0, "threads can be had");
  for (pthread_t t : thread) pthread_join(t, nullptr);
  uint64_t ids = 0;
  for (uint32_t id : g_seen) {
    Require(id < 16, "the ids are small");
    ids |= uint64_t{1} << id;
  }
  unsigned arenas = 0;
  size_t length = sizeof arenas;
  Require(xmallctl("arenas.narenas", &arenas, &length, nullptr, 0) == 0, "the tree answers");
  const int different = __builtin_popcountll(ids);
  printf("%d threads, %d different ids, %u arenas\n", kThreads, different, arenas);
  Require(different >= 4, "threads spread");
  Require(arenas >= 4, "and so do their blocks");
  return 0;
}
