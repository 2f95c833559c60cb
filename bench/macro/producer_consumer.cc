// SPDX-License-Identifier: MIT
// Some threads only allocate, others only free.
// After C. Lever and D. Boreham, "malloc() Performance in a Multithreaded Linux Environment", USENIX 2000 (the program xmalloc-test).
//
// Producers fill batches of small blocks, a bounded queue carries them, consumers free them. What is freed never comes back to its
// producer by itself: the allocator has to carry it.
// Arguments: scale, threads (half of them produce; 4).
#include <iterator>

#include "bench.h"

namespace {

constexpr size_t kBatch = 128, kDepth = 64;
constexpr size_t kSizes[] = {8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048};

struct Batch {
  char* block[kBatch];
};

pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t g_not_full = PTHREAD_COND_INITIALIZER, g_not_empty = PTHREAD_COND_INITIALIZER;
Batch* g_queue[kDepth];
size_t g_head, g_count, g_producers, g_batches_each;

void Push(Batch* batch) {
  pthread_mutex_lock(&g_lock);
  while (g_count == kDepth) pthread_cond_wait(&g_not_full, &g_lock);
  g_queue[(g_head + g_count++) % kDepth] = batch;
  pthread_cond_signal(&g_not_empty);
  pthread_mutex_unlock(&g_lock);
}

// Null once every producer has finished and the queue is empty.
Batch* Pop() {
  pthread_mutex_lock(&g_lock);
  while (g_count == 0 && g_producers > 0) pthread_cond_wait(&g_not_empty, &g_lock);
  Batch* batch = nullptr;
  if (g_count > 0) {
    batch = g_queue[g_head];
    g_head = (g_head + 1) % kDepth;
    --g_count;
    pthread_cond_signal(&g_not_full);
  }
  pthread_mutex_unlock(&g_lock);
  return batch;
}

void* Produce(void* seed) {
  bench::Random random(reinterpret_cast<uintptr_t>(seed));
  for (size_t i = 0; i < g_batches_each; ++i) {
    auto* batch = reinterpret_cast<Batch*>(bench::Allocate(sizeof(Batch)));
    for (char*& p : batch->block) {
      const size_t size = kSizes[random.Below(std::size(kSizes))];
      p = bench::Allocate(size);
      memcpy(p, &size, sizeof size);
    }
    Push(batch);
  }
  pthread_mutex_lock(&g_lock);
  if (--g_producers == 0) pthread_cond_broadcast(&g_not_empty);
  pthread_mutex_unlock(&g_lock);
  return nullptr;
}

void* Consume(void* sum) {
  uint64_t bytes = 0;
  while (Batch* batch = Pop()) {
    for (char* p : batch->block) {
      size_t size;
      memcpy(&size, p, sizeof size);
      bytes += size;
      free(p);
    }
    free(batch);
  }
  *static_cast<uint64_t*>(sum) = bytes;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  constexpr size_t kMost = 64;
  const size_t pairs = (arguments.Count("threads", 4) + 1) / 2;
  if (pairs > kMost) bench::Fail("too many threads");
  g_producers = pairs;
  g_batches_each = arguments.Scaled(32000) / pairs + 1;
  arguments.Done();

  pthread_t producer[kMost], consumer[kMost];
  uint64_t bytes[kMost], sum = 0;
  for (size_t i = 0; i < pairs; ++i) {
    consumer[i] = bench::Start(Consume, &bytes[i]);
    producer[i] = bench::Start(Produce, reinterpret_cast<void*>(i + 1));
  }
  for (size_t i = 0; i < pairs; ++i) pthread_join(producer[i], nullptr);
  for (size_t i = 0; i < pairs; ++i) {
    pthread_join(consumer[i], nullptr);
    sum += bytes[i];
  }
  bench::Checksum(sum);
}
