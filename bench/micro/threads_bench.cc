// SPDX-License-Identifier: MIT
// Several threads: hand-over, birth and death, contention on one size.
#include <benchmark/benchmark.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr size_t kBatch = 256, kSlots = 12;  // slots: a multiple of every number of consumers

// A batch of blocks on its way to another thread.
struct Batch {
  void* block[kBatch];
};
struct alignas(128) Slot {
  std::atomic<Batch*> batch{nullptr};
};

Batch* MakeBatch(size_t size) {
  auto* batch = static_cast<Batch*>(malloc(sizeof(Batch)));
  for (void*& p : batch->block) p = malloc(size);
  return batch;
}

void FreeBatch(Batch* batch) {
  for (void* p : batch->block) free(p);
  free(batch);
}

void Put(Slot& slot, Batch* batch) {
  Batch* expected = nullptr;
  while (!slot.batch.compare_exchange_weak(expected, batch, std::memory_order_acq_rel)) {
    expected = nullptr;
    std::this_thread::yield();
  }
}

// Null if `stop` was set and nothing came.
Batch* Take(Slot& slot, const std::atomic<bool>* stop) {
  for (;;) {
    if (Batch* batch = slot.batch.exchange(nullptr, std::memory_order_acq_rel)) return batch;
    if (stop != nullptr && stop->load(std::memory_order_acquire)) return nullptr;
    std::this_thread::yield();
  }
}

// One thread allocates, range(1) others free; batches go around the consumers.
void HandOver(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0)), consumers = static_cast<size_t>(state.range(1));
  std::vector<Slot> slot(kSlots);
  std::atomic<bool> stop{false};
  std::vector<std::thread> consumer;
  for (size_t number = 0; number < consumers; ++number) {
    consumer.emplace_back([&, number] {
      for (size_t i = number;; i += consumers) {
        Batch* batch = Take(slot[i % kSlots], &stop);
        if (batch == nullptr) return;
        FreeBatch(batch);
      }
    });
  }
  size_t i = 0;
  for (auto _ : state) Put(slot[i++ % kSlots], MakeBatch(size));
  // The consumers empty the slots before they are stopped.
  for (auto& s : slot) {
    while (s.batch.load() != nullptr) std::this_thread::yield();
  }
  stop = true;
  for (auto& c : consumer) c.join();
  state.SetItemsProcessed(state.iterations() * static_cast<long>(kBatch));
}
BENCHMARK(HandOver)->ArgNames({"size", "consumers"})->Args({64, 1})->Args({1024, 1})->Args({64, 3})->UseRealTime();

// Each of N threads allocates for the next one and frees what the one before allocated.
Slot g_ring[16];
void HandAround(benchmark::State& state) {
  const auto me = static_cast<size_t>(state.thread_index());
  Slot &mine = g_ring[me], &next = g_ring[(me + 1) % static_cast<size_t>(state.threads())];
  // All threads make the same number of turns, so every put is met by a take and none waits for ever.
  for (auto _ : state) {
    Put(next, MakeBatch(64));
    FreeBatch(Take(mine, nullptr));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<long>(kBatch));
}
BENCHMARK(HandAround)->Threads(2)->Threads(4)->UseRealTime();

void* ShortLife(void*) {
  void* p[40];
  for (size_t i = 0; i < 40; ++i) p[i] = malloc(16 + i * 48);
  for (void* q : p) free(q);
  return nullptr;
}
void ThreadBirthAndDeath(benchmark::State& state) {
  for (auto _ : state) {
    pthread_t thread[4];
    for (auto& t : thread) pthread_create(&t, nullptr, ShortLife, nullptr);
    for (auto& t : thread) pthread_join(t, nullptr);
  }
  state.SetItemsProcessed(state.iterations() * 4);
}
BENCHMARK(ThreadBirthAndDeath)->UseRealTime();

void OneSizeFromAll(benchmark::State& state) {
  std::vector<void*> live(1000);
  for (auto _ : state) {
    for (void*& p : live) p = malloc(128);
    for (void* p : live) free(p);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(OneSizeFromAll)->Threads(2)->Threads(8)->Threads(32)->UseRealTime();

}  // namespace
