// SPDX-License-Identifier: MIT
// One thread: pairs, batches, random replacement, C++ operators, calloc, realloc, aligned, large.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace {

struct Random {
  unsigned long state = 88172645463325252ul;
  unsigned operator()() {
    state = state * 6364136223846793005ul + 1442695040888963407ul;
    return static_cast<unsigned>(state >> 33);
  }
};

void Pair(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    void* p = malloc(size);
    benchmark::DoNotOptimize(p);
    free(p);
  }
}
BENCHMARK(Pair)->Arg(8)->Arg(16)->Arg(64)->Arg(256)->Arg(1024)->Arg(4096)->Arg(16384)->Arg(32768);

// n blocks of 64 bytes, freed in the opposite (0), the same (1) or a random (2) order.
void Batch(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  std::vector<void*> block(n);
  std::vector<unsigned> order(n);
  Random random;
  for (size_t i = 0; i < n; ++i) order[i] = static_cast<unsigned>(state.range(1) == 0 ? n - 1 - i : i);
  if (state.range(1) == 2) {
    for (size_t i = n - 1; i > 0; --i) std::swap(order[i], order[random() % (i + 1)]);
  }
  for (auto _ : state) {
    for (void*& p : block) p = malloc(64);
    benchmark::DoNotOptimize(block.data());
    for (unsigned i : order) free(block[i]);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<long>(n));
}
BENCHMARK(Batch)->Args({100, 0})->Args({16384, 0})->Args({16384, 1})->Args({16384, 2});

// One of n live blocks of 8-511 bytes is replaced by another.
void RandomReplace(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  std::vector<char*> live(n);
  Random random;
  for (char*& p : live) {
    p = static_cast<char*>(malloc(8 + random() % 504));
    *p = 1;  // first touches belong to the setup: allocators differ in whether malloc itself makes them
  }
  for (auto _ : state) {
    char*& p = live[random() % n];
    free(p);
    p = static_cast<char*>(malloc(8 + random() % 504));
    *p = 1;
  }
  for (char* p : live) free(p);
}
BENCHMARK(RandomReplace)->Arg(4096)->Arg(65536)->Arg(1 << 20);

void NewSizedDelete(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    void* p = ::operator new(size);
    benchmark::DoNotOptimize(p);
    ::operator delete(p, size);
  }
}
BENCHMARK(NewSizedDelete)->Arg(16)->Arg(64)->Arg(1024);

void Calloc(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    void* p = calloc(1, size);
    benchmark::DoNotOptimize(p);
    free(p);
  }
}
BENCHMARK(Calloc)->Arg(64)->Arg(1024)->Arg(32 << 10)->Arg(1 << 20);

// From 16 bytes to the end by a half more each time, touching each new byte once a page.
void ReallocGrow(benchmark::State& state) {
  const auto end = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    char* p = nullptr;
    size_t old = 0;
    for (size_t n = 16; n <= end; n += n / 2) {
      p = static_cast<char*>(realloc(p, n));
      for (size_t i = old; i < n; i += 4096) p[i] = 1;
      old = n;
    }
    free(p);
  }
}
BENCHMARK(ReallocGrow)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20)->Arg(64 << 20);

void Aligned(benchmark::State& state) {
  const auto alignment = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    void* p = aligned_alloc(alignment, 3 * alignment);
    benchmark::DoNotOptimize(p);
    free(p);
  }
}
BENCHMARK(Aligned)->Arg(32)->Arg(64)->Arg(512)->Arg(4096);

// Eight live blocks, replaced in turn; a byte of each page is touched.
void Large(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  char* live[8] = {};
  size_t i = 0;
  for (auto _ : state) {
    char*& p = live[i++ % 8];
    free(p);
    p = static_cast<char*>(malloc(size));
    for (size_t k = 0; k < size; k += 4096) p[k] = 1;
  }
  for (char* p : live) free(p);
}
BENCHMARK(Large)->Arg(64 << 10)->Arg(256 << 10)->Arg(1 << 20)->Arg(8 << 20);

}  // namespace
