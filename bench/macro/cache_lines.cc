// SPDX-License-Identifier: MIT
// Does the allocator put blocks of different threads on one cache line?
// After the programs cache-scratch and cache-thrash of E. Berger, K. McKinley, R. Blumofe and P. Wilson, "Hoard: A Scalable Memory
// Allocator for Multithreaded Applications", ASPLOS 2000.
//
// thrash: each thread allocates a small block, writes it many times and frees it, over and over (active false sharing).
// scratch: as before, but each thread first frees a block that the first thread allocated for it next to the others' (passive false
// sharing: an allocator that hands that block back to its new owner keeps the line shared).
// Arguments: scale, threads (2), size (8), scratch (0 or 1).
#include "bench.h"

namespace {

size_t g_turns, g_size;

// The writes go through volatile: each reaches the cache.
void WriteMany(char* block) {
  auto* bytes = reinterpret_cast<volatile char*>(block);
  for (int i = 0; i < 20000; ++i) bytes[static_cast<size_t>(i) % g_size] = static_cast<char>(bytes[0] + 1);
}

void* Work(void* given) {
  free(given);
  for (size_t i = 0; i < g_turns; ++i) {
    char* block = bench::Allocate(g_size);
    block[0] = 0;
    WriteMany(block);
    free(block);
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  constexpr size_t kMost = 64;
  const size_t threads = arguments.Count("threads", 2);
  const bool scratch = arguments.Count("scratch", 0) != 0;
  if (threads > kMost) bench::Fail("too many threads");
  g_size = arguments.Count("size", 8);
  g_turns = arguments.Scaled(16000);
  arguments.Done();

  pthread_t thread[kMost];
  char* given[kMost] = {};
  for (size_t i = 0; i < threads && scratch; ++i) given[i] = bench::AllocateTouched(g_size, 1);
  for (size_t i = 0; i < threads; ++i) thread[i] = bench::Start(Work, given[i]);
  for (size_t i = 0; i < threads; ++i) pthread_join(thread[i], nullptr);
  bench::Checksum(threads * g_turns);
}
