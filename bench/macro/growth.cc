// SPDX-License-Identifier: MIT
// What one replacement costs as a program grows: in threads, in live blocks, in the size of a block.
// After the scaling curves of E. Berger, K. McKinley, R. Blumofe and P. Wilson, "Hoard", ASPLOS 2000.
//
// Each thread keeps a share of the live blocks and replaces random ones of them by others of about the same size, touched as a program
// would (bench.h). The figure is CPU nanoseconds of one replacement, all threads together, without the time of building up: what the
// threads cost, not how many CPUs there are to hide it. One replacement in 16 goes to the next thread's share, which frees it.
// Arguments: scale, threads (1), live (10000, of all threads), size (64: sizes are uniform from half to one and a half of it).
#include <atomic>

#include "bench.h"

namespace {

using Slot = std::atomic<char*>;

struct Share {
  Slot* slot;
  Share* next;
  size_t slots, size, replacements, number;
  uint64_t bytes;
};
pthread_barrier_t g_built, g_worked;

double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void* Work(void* argument) {
  auto* share = static_cast<Share*>(argument);
  bench::Random random(share->number + 1);
  const auto slots = static_cast<uint32_t>(share->slots);
  const size_t low = share->size / 2 + 1, high = share->size + share->size / 2;
  auto make = [&] {
    const size_t size = random.Between(low, high);
    share->bytes += size;
    return bench::AllocateTouched(size, 1);
  };
  for (size_t i = 0; i < slots; ++i) share->slot[i].store(make(), std::memory_order_relaxed);
  pthread_barrier_wait(&g_built);
  for (size_t i = 0; i < share->replacements; ++i) {
    Slot& slot = (i % 16 == 0 ? share->next : share)->slot[random.Below(slots)];
    free(slot.exchange(make(), std::memory_order_acq_rel));
  }
  pthread_barrier_wait(&g_worked);
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  constexpr size_t kMost = 256;
  const size_t threads = arguments.Count("threads", 1), live = arguments.Count("live", 10000), size = arguments.Count("size", 64);
  // Blocks of pages cost by the page: fewer of them, about the same time.
  const size_t replacements = arguments.Scaled(size > 4096 ? 4000000 / (size / 512) : 4000000);
  arguments.Done();
  if (threads == 0 || threads > kMost || live < threads) bench::Fail("threads or live out of range");

  pthread_barrier_init(&g_built, nullptr, static_cast<unsigned>(threads) + 1);
  pthread_barrier_init(&g_worked, nullptr, static_cast<unsigned>(threads) + 1);
  static Share share[kMost];
  pthread_t thread[kMost];
  for (size_t i = 0; i < threads; ++i) {
    auto* slot = static_cast<Slot*>(calloc(live / threads, sizeof(Slot)));
    if (slot == nullptr) bench::Fail("out of memory");
    share[i] = {slot, &share[(i + 1) % threads], live / threads, size, replacements / threads + 1, i, 0};
  }
  for (size_t i = 0; i < threads; ++i) thread[i] = bench::Start(Work, &share[i]);
  pthread_barrier_wait(&g_built);
  const double begin = CpuSeconds();
  pthread_barrier_wait(&g_worked);
  const double end = CpuSeconds();
  uint64_t sum = 0;
  for (size_t i = 0; i < threads; ++i) {
    pthread_join(thread[i], nullptr);
    sum += share[i].bytes;
  }
  const auto done = static_cast<double>(threads * (replacements / threads + 1));
  bench::Figure("per_replacement", (end - begin) * 1e9 / done, "ns");
  bench::Checksum(sum);
}
