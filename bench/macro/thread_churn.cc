// SPDX-License-Identifier: MIT
// Threads that come and go, and each leave something behind: what does a birth and a death cost, and is what the dead left used again?
// After the program by D. Leijen in the public suite mimalloc-bench (mleak).
//
// Generations of 8 threads. Each allocates 400 blocks of up to 2000 bytes, frees all but the last, and puts that into a table of 1000
// places, whose former block, a thread's that ended long ago, it frees. The peak is ideally that of one generation and the table.
// Arguments: scale, threads (8).
#include "bench.h"

namespace {

constexpr size_t kBlocks = 400, kMostSize = 2000, kPlaces = 1000, kMostThreads = 64;
char* g_place[kPlaces];

struct Thread {
  pthread_t thread;
  uint64_t seed, sum;
};

void* Work(void* argument) {
  auto* self = static_cast<Thread*>(argument);
  bench::Random random(self->seed);
  char* block[kBlocks];
  self->sum = 0;
  for (char*& p : block) {
    const size_t size = random.Between(1, kMostSize);
    p = bench::AllocateTouched(size, static_cast<char>(size));
    self->sum += size;
  }
  for (size_t i = 0; i + 1 < kBlocks; ++i) free(block[i]);
  free(__atomic_exchange_n(&g_place[random.Below(kPlaces)], block[kBlocks - 1], __ATOMIC_ACQ_REL));
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t generations = arguments.Scaled(800), count = arguments.Count("threads", 8);
  arguments.Done();
  if (count > kMostThreads) bench::Fail("too many threads");
  static Thread threads[kMostThreads];
  uint64_t sum = 0;
  for (size_t g = 0; g < generations; ++g) {
    for (size_t i = 0; i < count; ++i) {
      threads[i].seed = g * count + i + 1;
      threads[i].thread = bench::Start(Work, &threads[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      pthread_join(threads[i].thread, nullptr);
      sum += threads[i].sum;
    }
  }
  for (char* p : g_place) free(p);
  bench::Checksum(sum);
}
