// SPDX-License-Identifier: MIT
// Blocks of 8 bytes to 16 KB, replaced in strides, and every second batch given to another thread.
// After M. Jansson's rpmalloc-benchmark, in the public suite mimalloc-bench (rptest).
//
// Each thread owns 1000 blocks. A step frees 100 of them, a stride apart, and allocates others in their places; every second step it
// also allocates a chain of 100 more and puts it before its neighbour, who frees it in its own next step. A chain that still lies there
// when the next one comes is freed by who made it. Sizes are the smallest of some uniform ones: of two, twice as many blocks are small
// as large.
// Arguments: scale, threads (2), most (largest block, 16000 bytes), draws (uniform sizes that the smallest is taken of, 2).
#include <atomic>

#include "bench.h"

namespace {

constexpr size_t kBlocks = 1000, kBatch = 100, kLeast = 8;

struct Link {
  Link* next;
};
std::atomic<Link*> g_before[bench::kMostWorkers];  // what lies before each thread to be freed
size_t g_steps, g_threads, g_most, g_draws;

char* Make(bench::Random& random, uint64_t* bytes) {
  size_t size = g_most;
  for (size_t i = 0; i < g_draws; ++i) {
    const size_t drawn = random.Between(kLeast, g_most);
    if (drawn < size) size = drawn;
  }
  *bytes += size;
  return bench::AllocateTouched(size, 1);
}

Link* MakeChain(bench::Random& random, uint64_t* bytes) {
  Link* first = nullptr;
  for (size_t i = 0; i < kBatch; ++i) {
    auto* link = reinterpret_cast<Link*>(Make(random, bytes));
    link->next = first;
    first = link;
  }
  return first;
}

void FreeChain(Link* link) {
  while (link != nullptr) {
    Link* next = link->next;
    free(link);
    link = next;
  }
}

void* Work(void* argument) {
  auto* worker = static_cast<bench::Worker*>(argument);
  bench::Random random(worker->number + 1);
  uint64_t bytes = 0;
  char* block[kBlocks];
  for (char*& p : block) p = Make(random, &bytes);
  for (size_t step = 0; step < g_steps; ++step) {
    FreeChain(g_before[worker->number].exchange(nullptr, std::memory_order_acquire));
    const size_t first = random.Below(kBlocks), stride = 1 + 2 * random.Below(5);  // 99 * 9 < 1000: no place twice
    for (size_t i = 0; i < kBatch; ++i) free(block[(first + i * stride) % kBlocks]);
    for (size_t i = 0; i < kBatch; ++i) block[(first + i * stride) % kBlocks] = Make(random, &bytes);
    if (step % 2 == 0) {
      const size_t neighbour = (worker->number + 1) % g_threads;
      FreeChain(g_before[neighbour].exchange(MakeChain(random, &bytes), std::memory_order_acq_rel));
    }
  }
  for (char* p : block) free(p);
  worker->sum = bytes;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  g_threads = arguments.Count("threads", 2);
  g_most = arguments.Count("most", 16000);
  g_draws = arguments.Count("draws", 2);
  g_steps = arguments.Scaled(18000);
  arguments.Done();
  if (g_most < kLeast) bench::Fail("most");

  const uint64_t sum = bench::RunWorkers(g_threads, Work);
  for (auto& chain : g_before) FreeChain(chain.load(std::memory_order_acquire));
  bench::Checksum(sum);
}
