// SPDX-License-Identifier: MIT
// Some threads only allocate, others only free.
// After C. Lever and D. Boreham, "malloc() Performance in a Multithreaded Linux Environment", USENIX 2000 (the program xmalloc-test).
//
// Producers fill batches of small blocks, a bounded queue carries them, consumers free them. What is freed never comes back to its
// producer by itself: the allocator has to carry it.
// Arguments: scale, threads (half of them produce; 4), blocks (in all, 4096000), batch (128), size (of every block; 0: mixed).
// With batch=4096 size=64 it is as the suite mimalloc-bench runs xmalloc-test: batches far larger than what a thread cache holds.
#include <iterator>

#include "bench.h"

namespace {

constexpr size_t kDepth = 64;
constexpr size_t kSizes[] = {8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048};

pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t g_not_full = PTHREAD_COND_INITIALIZER, g_not_empty = PTHREAD_COND_INITIALIZER;
char** g_queue[kDepth];
size_t g_head, g_count, g_producers, g_batches_each, g_batch, g_size;

void Push(char** batch) {
  pthread_mutex_lock(&g_lock);
  while (g_count == kDepth) pthread_cond_wait(&g_not_full, &g_lock);
  g_queue[(g_head + g_count++) % kDepth] = batch;
  pthread_cond_signal(&g_not_empty);
  pthread_mutex_unlock(&g_lock);
}

// Null once every producer has finished and the queue is empty.
char** Pop() {
  pthread_mutex_lock(&g_lock);
  while (g_count == 0 && g_producers > 0) pthread_cond_wait(&g_not_empty, &g_lock);
  char** batch = nullptr;
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
    auto** batch = reinterpret_cast<char**>(bench::Allocate(g_batch * sizeof(char*)));
    for (size_t k = 0; k < g_batch; ++k) {
      const size_t size = g_size != 0 ? g_size : kSizes[random.Below(std::size(kSizes))];
      batch[k] = bench::Allocate(size);
      memcpy(batch[k], &size, sizeof size);
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
  while (char** batch = Pop()) {
    for (size_t k = 0; k < g_batch; ++k) {
      size_t size;
      memcpy(&size, batch[k], sizeof size);
      bytes += size;
      free(batch[k]);
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
  g_batch = arguments.Count("batch", 128);
  g_size = arguments.Count("size", 0);
  if (g_batch == 0 || (g_size != 0 && g_size < sizeof g_size)) bench::Fail("batch, size");
  g_batches_each = arguments.Scaled(arguments.Count("blocks", 4096000)) / g_batch / pairs + 1;
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
