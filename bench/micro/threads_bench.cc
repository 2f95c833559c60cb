// SPDX-License-Identifier: MIT
// Several threads: hand-over, birth and death, contention on one size.
#include <benchmark/benchmark.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr size_t kBatch = 256;

// One thread allocates, the other frees; batches of pointers go through a slot.
void ProducerConsumer(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  constexpr size_t kSlots = 8;
  std::atomic<void**> slot[kSlots] = {};
  std::atomic<bool> stop{false};
  std::thread consumer([&] {
    for (size_t i = 0;; ++i) {
      void** batch;
      while ((batch = slot[i % kSlots].exchange(nullptr, std::memory_order_acquire)) == nullptr) {
        if (stop.load(std::memory_order_relaxed)) return;
        std::this_thread::yield();
      }
      for (size_t k = 0; k < kBatch; ++k) free(batch[k]);
      delete[] batch;
    }
  });
  size_t i = 0;
  for (auto _ : state) {
    void** batch = new void*[kBatch];
    for (size_t k = 0; k < kBatch; ++k) batch[k] = malloc(size);
    void** expected = nullptr;
    while (!slot[i % kSlots].compare_exchange_weak(expected, batch, std::memory_order_release)) {
      expected = nullptr;
      std::this_thread::yield();
    }
    ++i;
  }
  // Let the consumer empty the slots, then stop it.
  for (auto& s : slot) {
    while (s.load() != nullptr) std::this_thread::yield();
  }
  stop = true;
  consumer.join();
  state.SetItemsProcessed(state.iterations() * static_cast<long>(kBatch));
}
BENCHMARK(ProducerConsumer)->Arg(64)->Arg(1024)->UseRealTime();

void* ShortLife(void*) {
  void* p[40];
  for (size_t i = 0; i < 40; ++i) p[i] = malloc(16 + i * 48);
  for (void* q : p) free(q);
  return nullptr;
}
void ThreadChurn(benchmark::State& state) {
  for (auto _ : state) {
    pthread_t thread[4];
    for (auto& t : thread) pthread_create(&t, nullptr, ShortLife, nullptr);
    for (auto& t : thread) pthread_join(t, nullptr);
  }
}
BENCHMARK(ThreadChurn)->UseRealTime();

void OneSizeFromAll(benchmark::State& state) {
  std::vector<void*> live(1000);
  for (auto _ : state) {
    for (void*& p : live) p = malloc(128);
    for (void* p : live) free(p);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(OneSizeFromAll)->Threads(2)->Threads(8)->UseRealTime();

}  // namespace
