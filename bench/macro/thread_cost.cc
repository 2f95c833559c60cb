// SPDX-License-Identifier: MIT
// What a live thread costs that has touched 40 sizes, about 19 KiB of it live.
// After the thread-heavy services that count megabytes per connection; a figure, not a time.
//
// 200 threads with small stacks allocate one block of each size and free another of the same, then wait. The same threads without an
// allocation are measured first, in a child of their own, and subtracted: stacks and what the C library keeps per thread.
// Arguments: threads (200).
#include <sys/wait.h>

#include "bench.h"

namespace {

constexpr size_t kSizes = 40, kMost = 4096;
constexpr size_t SizeOf(size_t i) { return 16 + i * 24; }
pthread_barrier_t g_ready, g_done;

void* Work(void* allocates) {
  char* p[kSizes] = {};
  for (size_t i = 0; i < kSizes && allocates != nullptr; ++i) {
    p[i] = bench::Allocate(SizeOf(i));
    memset(p[i], 1, SizeOf(i));
    auto* volatile second = malloc(SizeOf(i));
    free(second);
  }
  pthread_barrier_wait(&g_ready);
  pthread_barrier_wait(&g_done);
  for (char* block : p) free(block);
  return nullptr;
}

// KiB that became resident while the threads started and worked.
size_t Resident(size_t threads, bool allocates) {
  static pthread_t thread[kMost];
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  pthread_barrier_init(&g_ready, nullptr, static_cast<unsigned>(threads) + 1);
  pthread_barrier_init(&g_done, nullptr, static_cast<unsigned>(threads) + 1);
  const size_t before = bench::ResidentKib();
  for (size_t i = 0; i < threads; ++i) {
    if (pthread_create(&thread[i], &attributes, Work, allocates ? &g_ready : nullptr) != 0) bench::Fail("no thread");
  }
  pthread_barrier_wait(&g_ready);
  const size_t after = bench::ResidentKib();
  pthread_barrier_wait(&g_done);
  for (size_t i = 0; i < threads; ++i) pthread_join(thread[i], nullptr);
  return after - before;
}

// In a process of its own: stacks of threads that have ended are used again.
size_t ResidentInChild(size_t threads, bool allocates) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) bench::Fail("pipe");
  const pid_t child = fork();
  if (child == 0) {
    const size_t kib = Resident(threads, allocates);
    _exit(write(pipe_ends[1], &kib, sizeof kib) == sizeof kib ? 0 : 1);
  }
  size_t kib = 0;
  if (read(pipe_ends[0], &kib, sizeof kib) != sizeof kib || waitpid(child, nullptr, 0) != child) bench::Fail("no answer from the child");
  return kib;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t threads = arguments.Count("threads", 200);
  if (threads > kMost) bench::Fail("too many threads");
  arguments.Get("scale", 1);  // accepted, as everywhere; the figure is per thread
  arguments.Done();
  const size_t idle = ResidentInChild(threads, false), working = ResidentInChild(threads, true);
  size_t live = 0;
  for (size_t i = 0; i < kSizes; ++i) live += SizeOf(i);
  bench::Figure("per_thread", (static_cast<double>(working) - static_cast<double>(idle)) / static_cast<double>(threads), "KiB");
  bench::Figure("live_per_thread", static_cast<double>(live) / 1024, "KiB");
  bench::Checksum(threads);
}
