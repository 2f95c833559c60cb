// SPDX-License-Identifier: MIT
// What a look at the statistics costs: an epoch, and the other threads' allocations while many are taken.
// After monitors that read an allocator's numbers every second; figures, not a time. Under an allocator without xmallctl: nothing.
//
// So many threads have caches and sleep; one more takes epochs. Then two threads allocate and free, each pair under a clock, first
// beside 10,000 epochs one after the other, then beside one each `every` milliseconds and beside none, twice.
// Arguments: threads (100), epochs (10000), every (1).
#include <dlfcn.h>

#include <atomic>

#include "pauses.h"

namespace {

using Ctl = int (*)(const char*, void*, size_t*, void*, size_t);
using ByMib = int (*)(const size_t*, size_t, void*, size_t*, void*, size_t);
using ToMib = int (*)(const char*, size_t*, size_t*);
pthread_barrier_t g_ready;
std::atomic<bool> g_over{false};
bench::Histogram g_histogram[2];

void* Sleeper(void*) {
  void* blocks[40];
  for (size_t i = 0; i < 40; ++i) blocks[i] = bench::Allocate(16 + i * 24);
  for (void* block : blocks) free(block);
  pthread_barrier_wait(&g_ready);
  pthread_barrier_wait(&g_ready);
  return nullptr;
}

void* Allocator(void* which) {
  auto& histogram = *static_cast<bench::Histogram*>(which);
  bench::Random random(reinterpret_cast<uintptr_t>(which));
  static thread_local char* block[256];
  while (!g_over) {
    char*& slot = block[random.Below(256)];
    const size_t size = random.Between(8, 2000);
    const uint64_t start = bench::Nanoseconds();
    free(slot);
    slot = bench::Allocate(size);
    histogram.Add(bench::Nanoseconds() - start);
  }
  for (char* slot : block) free(slot);
  return nullptr;
}

template <class Fn>
void Beside(const char* name, Fn meanwhile) {
  for (auto& histogram : g_histogram) histogram = bench::Histogram();
  g_over = false;
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) pthread_create(&threads[i], nullptr, Allocator, &g_histogram[i]);
  meanwhile();
  g_over = true;
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  g_histogram[0].Add(g_histogram[1]);
  constexpr struct {
    const char* name;
    double share;
  } kShares[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"longest", 1}};
  for (const auto& share : kShares) {
    char figure[60];
    snprintf(figure, sizeof figure, "%s_%s", name, share.name);
    bench::Figure(figure, g_histogram[0].Quantile(share.share), "ns");
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const auto threads = static_cast<size_t>(arguments.Get("threads", 100));
  const auto epochs = static_cast<size_t>(arguments.Scaled(arguments.Get("epochs", 10000)));
  const auto every_us = static_cast<useconds_t>(arguments.Get("every", 1) * 1000);
  arguments.Done();
  const auto ctl = reinterpret_cast<Ctl>(dlsym(RTLD_DEFAULT, "xmallctl"));
  const auto by_mib = reinterpret_cast<ByMib>(dlsym(RTLD_DEFAULT, "xmallctlbymib"));
  const auto to_mib = reinterpret_cast<ToMib>(dlsym(RTLD_DEFAULT, "xmallctlnametomib"));
  if (ctl == nullptr || by_mib == nullptr || to_mib == nullptr || threads > 4000) return 0;
  uint64_t one = 1;
  auto take = [&] {
    const uint64_t start = bench::Nanoseconds();
    for (size_t i = 0; i < epochs; ++i) ctl("epoch", nullptr, nullptr, &one, sizeof one);
    return static_cast<double>(bench::Nanoseconds() - start) / static_cast<double>(epochs);
  };
  bench::Figure("epoch_alone", take(), "ns");
  static pthread_t sleeper[4000];
  pthread_barrier_init(&g_ready, nullptr, static_cast<unsigned>(threads) + 1);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  for (size_t i = 0; i < threads; ++i) pthread_create(&sleeper[i], &attributes, Sleeper, nullptr);
  pthread_barrier_wait(&g_ready);
  bench::Figure("epoch_with_sleepers", take(), "ns");
  pthread_barrier_wait(&g_ready);
  for (size_t i = 0; i < threads; ++i) pthread_join(sleeper[i], nullptr);

  size_t mib[6], length = 6, value = 0, old_length = sizeof value;
  to_mib("stats.allocated", mib, &length);
  const uint64_t start = bench::Nanoseconds();
  for (size_t i = 0; i < epochs * 100; ++i) by_mib(mib, length, &value, &old_length, nullptr, 0);
  bench::Figure("read_by_mib", static_cast<double>(bench::Nanoseconds() - start) / static_cast<double>(epochs * 100), "ns");

  // A pair is some 30 ns, an epoch some us: epochs without a pause between them leave nobody a cache line for long.
  Beside("back_to_back", take);
  for (const bool taken : {true, false, true, false}) {
    Beside(taken ? "spaced" : "none", [&] {
      for (size_t i = 0; i < epochs / 2; ++i) {
        if (taken) ctl("epoch", nullptr, nullptr, &one, sizeof one);
        usleep(every_us);
      }
    });
  }
  bench::Checksum(epochs);
}
