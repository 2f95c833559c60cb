// SPDX-License-Identifier: MIT
// Random work in threads that die, with blocks that wander between them.
// After the program mstress by D. Leijen, in the suite mimalloc-bench.
//
// In each round a set of threads is born; each allocates blocks of mixed sizes (mostly small, a few of up to 256 KiB), keeps some,
// frees some at once, exchanges some with a table that all threads share, and dies with everything it kept freed except what is in the
// table by then. A block carries its size and a mark, checked where it is freed.
// Arguments: scale, threads (4).
#include <atomic>

#include "bench.h"

namespace {

constexpr size_t kTable = 1000, kKept = 2000, kRounds = 20;
constexpr uint32_t kMark = 0x5eed;

struct Block {
  uint32_t mark, size;
};

std::atomic<Block*> g_table[kTable];  // relaxed is enough for the table itself; acquire-release hands the contents over
size_t g_steps;

size_t RandomSize(bench::Random& random) {
  const uint32_t kind = random.Below(1000);
  if (kind < 900) return random.Between(16, 256);
  if (kind < 995) return random.Between(257, 8192);
  return random.Between(8193, 256 << 10);
}

Block* Make(bench::Random& random, uint64_t* bytes) {
  const size_t size = RandomSize(random);
  auto* block = reinterpret_cast<Block*>(bench::AllocateTouched(size, 1));
  *block = {kMark, static_cast<uint32_t>(size)};
  *bytes += size;
  return block;
}

void Drop(Block* block) {
  if (block == nullptr) return;
  if (block->mark != kMark) bench::Fail("a block is not what it was");
  block->mark = 0;
  free(block);
}

struct Worker {
  uint64_t seed, bytes;
};

void* Work(void* argument) {
  auto* worker = static_cast<Worker*>(argument);
  bench::Random random(worker->seed);
  uint64_t bytes = 0;
  auto** kept = static_cast<Block**>(calloc(kKept, sizeof(Block*)));
  for (size_t i = 0; i < g_steps; ++i) {
    const uint32_t kind = random.Below(100);
    Block* block = Make(random, &bytes);
    if (kind < 50) {
      Block*& place = kept[random.Below(kKept)];
      Drop(place);
      place = block;
    } else if (kind < 75) {
      Drop(g_table[random.Below(kTable)].exchange(block, std::memory_order_acq_rel));
    } else {
      Drop(block);
    }
  }
  for (size_t i = 0; i < kKept; ++i) Drop(kept[i]);
  free(kept);
  worker->bytes = bytes;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  constexpr size_t kMost = 64;
  const size_t threads = arguments.Count("threads", 4);
  if (threads > kMost) bench::Fail("too many threads");
  g_steps = arguments.Scaled(40000);
  arguments.Done();

  uint64_t sum = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    pthread_t thread[kMost];
    Worker worker[kMost];
    for (size_t i = 0; i < threads; ++i) {
      worker[i] = {round * kMost + i + 1, 0};
      thread[i] = bench::Start(Work, &worker[i]);
    }
    for (size_t i = 0; i < threads; ++i) {
      pthread_join(thread[i], nullptr);
      sum += worker[i].bytes;
    }
  }
  for (auto& slot : g_table) Drop(slot.load(std::memory_order_acquire));
  bench::Checksum(sum);
}
