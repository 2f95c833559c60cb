// SPDX-License-Identifier: MIT
// What comes back to the system after a burst: blocks freed by threads that then sleep, with or without a few that leak.
// After the burst-and-idle reports of long-running services; the leak is that of the program mleak of the suite mimalloc-bench.
//
// 32 threads allocate 256 MB of mixed small blocks together, free them and fall asleep, still alive. `leak=N` keeps one block in N.
// Figures: resident MiB at the start, full, freed, after `idle` seconds, after malloc_trim; and the seconds of work without the idle.
// Arguments: scale, idle (4), leak (0: none).
#include <malloc.h>

#include "bench.h"

namespace {

constexpr size_t kThreads = 32, kBytes = 256'000'000;
pthread_barrier_t g_full, g_freed, g_done;
size_t g_bytes_each, g_leak;
uint64_t g_blocks[kThreads];
char** g_leaked[kThreads];

void* Work(void* argument) {
  const auto number = reinterpret_cast<uintptr_t>(argument);
  bench::Random random(number + 1);
  size_t n = 0, bytes = 0;
  const size_t room = g_bytes_each / 16 + 1;
  auto** block = reinterpret_cast<char**>(bench::Allocate(room * sizeof(char*)));
  while (bytes < g_bytes_each) {
    const size_t size = random.Between(16, 2000);
    block[n] = bench::Allocate(size);
    memset(block[n++], 1, size);
    bytes += size;
  }
  g_blocks[number] = n;
  pthread_barrier_wait(&g_full);
  for (size_t i = n; i > 0; --i) {
    if (g_leak == 0 || i % g_leak != 0) free(block[i - 1]);
  }
  if (g_leak == 0) {
    free(block);
  } else {
    g_leaked[number] = block;  // stays reachable
  }
  pthread_barrier_wait(&g_freed);
  pthread_barrier_wait(&g_done);
  return nullptr;
}

void FigureMib(const char* name) { bench::Figure(name, static_cast<double>(bench::ResidentKib()) / 1024, "MiB"); }

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const double idle = arguments.Get("idle", 4);
  g_leak = arguments.Count("leak", 0);
  g_bytes_each = arguments.Scaled(kBytes) / kThreads;
  arguments.Done();

  pthread_barrier_t* const barriers[] = {&g_full, &g_freed, &g_done};
  for (auto* barrier : barriers) pthread_barrier_init(barrier, nullptr, kThreads + 1);
  FigureMib("start");
  const double begin = bench::Seconds();
  pthread_t thread[kThreads];
  for (size_t i = 0; i < kThreads; ++i) thread[i] = bench::Start(Work, reinterpret_cast<void*>(i));
  pthread_barrier_wait(&g_full);
  FigureMib("full");
  pthread_barrier_wait(&g_freed);
  bench::Figure("work", bench::Seconds() - begin, "s");
  FigureMib("freed");
  usleep(static_cast<useconds_t>(idle * 1e6));
  FigureMib("idle");
  malloc_trim(0);
  FigureMib("trimmed");
  pthread_barrier_wait(&g_done);
  uint64_t sum = 0;
  for (size_t i = 0; i < kThreads; ++i) {
    pthread_join(thread[i], nullptr);
    sum += g_blocks[i];
  }
  bench::Checksum(sum);
}
