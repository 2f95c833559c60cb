// SPDX-License-Identifier: MIT
// Many small blocks of mixed sizes from several threads, freed in several orders.
// After MicroQuill's sh8bench, the public workload of SmartHeap.
//
// Each thread fills an array with blocks whose sizes lean heavily to the small end, in runs of one size as data structures make them,
// frees a part in the order of allocation, a part in the opposite order, and leaves a part for the next turn. Every other turn the
// leftovers are exchanged with the neighbour thread's, unless each is to keep its own, as in the older sh6bench.
// Arguments: scale, threads (4), exchange (0 or 1; 1).
#include <atomic>

#include "bench.h"

namespace {

constexpr size_t kBlocks = 6000, kLeft = kBlocks / 4;

struct Left {
  char* block[kLeft];
};
std::atomic<Left*> g_exchange[bench::kMostWorkers];
size_t g_turns, g_threads;
bool g_exchanges;

// Half of all blocks up to 64 bytes, a quarter up to 128, and so on: each doubling half as often.
size_t SkewedSize(bench::Random& random) {
  const uint32_t bits = random.Next() | 0x20000000;
  return random.Between(8, size_t{64} << __builtin_ctz(bits >> 25 | 16));
}

void FreeAll(Left* left) {
  if (left == nullptr) return;
  for (char* p : left->block) free(p);
  free(left);
}

void* Work(void* argument) {
  auto* worker = static_cast<bench::Worker*>(argument);
  bench::Random random(worker->number + 1);
  auto** block = reinterpret_cast<char**>(bench::Allocate(kBlocks * sizeof(char*)));
  uint64_t bytes = 0;
  for (size_t turn = 0; turn < g_turns; ++turn) {
    size_t size = 0;
    for (size_t i = 0, run = 0; i < kBlocks; ++i, --run) {
      if (run == 0) {
        size = SkewedSize(random);
        run = 1 + random.Below(40);
      }
      block[i] = bench::Allocate(size);
      block[i][0] = block[i][size - 1] = 1;
      bytes += size;
    }
    // A quarter first in, first out; half last in, first out; the last quarter of the array stays for a turn.
    for (size_t i = 0; i < kLeft; ++i) free(block[i]);
    for (size_t i = kBlocks - kLeft; i > kLeft; --i) free(block[i - 1]);
    auto* left = reinterpret_cast<Left*>(bench::Allocate(sizeof(Left)));
    memcpy(left->block, block + kBlocks - kLeft, sizeof left->block);
    const size_t place = turn % 2 == 0 || !g_exchanges ? worker->number : (worker->number + 1) % g_threads;
    FreeAll(g_exchange[place].exchange(left, std::memory_order_acq_rel));
  }
  free(block);
  worker->sum = bytes;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  g_threads = arguments.Count("threads", 4);
  g_exchanges = arguments.Count("exchange", 1) != 0;
  g_turns = arguments.Scaled(1500);
  arguments.Done();

  const uint64_t sum = bench::RunWorkers(g_threads, Work);
  for (auto& left : g_exchange) FreeAll(left.load(std::memory_order_acquire));
  bench::Checksum(sum);
}
