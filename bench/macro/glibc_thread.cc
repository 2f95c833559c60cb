// SPDX-License-Identifier: MIT
// Threads that have nothing to do with each other, each with a small set of blocks of which any may be replaced next.
// After the GNU C library's own benchtest malloc-thread, in the public suite mimalloc-bench (glibc-thread).
//
// 1024 places in each thread. Sizes are 4 to 32768 bytes; twice the size is half as likely to be exceeded, so that half of all blocks have
// less than 8 bytes and one in a hundred more than 400. Nothing is written but a block's first byte.
// Arguments: scale, threads (2).
#include "bench.h"

namespace {

constexpr size_t kPlaces = 1024;
constexpr uint64_t kLeast = 4, kMostSize = 32768;
size_t g_steps;

// kLeast over a uniform number between kLeast / kMostSize and 1.
size_t SkewedSize(bench::Random& random) { return (kLeast << 32) / random.Between((kLeast << 32) / kMostSize, UINT32_MAX); }

void* Work(void* argument) {
  auto* worker = static_cast<bench::Worker*>(argument);
  bench::Random random(worker->number + 1);
  char* block[kPlaces] = {};
  uint64_t sum = 0;
  for (size_t i = 0; i < g_steps; ++i) {
    char*& p = block[random.Below(kPlaces)];
    if (p != nullptr) sum += static_cast<unsigned char>(p[0]);
    free(p);
    const size_t size = SkewedSize(random);
    p = bench::Allocate(size);
    p[0] = static_cast<char>(size);
    sum += size;
  }
  for (char* p : block) free(p);
  worker->sum = sum;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t threads = arguments.Count("threads", 2);
  g_steps = arguments.Scaled(60000000);
  arguments.Done();

  bench::Checksum(bench::RunWorkers(threads, Work));
}
