// SPDX-License-Identifier: MIT
// Many small blocks, some of which are asked for again and again: what the allocator costs a program that also uses its memory.
// After S. Ignatchenko's alloc-test, "Testing Memory Allocators: ptmalloc2 vs tcmalloc vs hoard vs jemalloc While Trying to Simulate
// Real-World Loads" (2018), in the public suite mimalloc-bench.
//
// A step picks a place of a table: a block that is there is read as a whole and freed, an empty place gets a block that is written as a
// whole. Sizes are 8 to 1023 bytes, each doubling half as often. Four of five picks are in a fifth of the table, four of five of these in
// a fifth of that, and so on. The threads share out the table, and each takes as many steps.
// Arguments: scale, threads (1), places (of all threads, 262144).
#include "bench.h"

namespace {

size_t g_steps, g_places;  // of each thread

struct Place {
  char* block;
  size_t size;
};

size_t SkewedSize(bench::Random& random) {
  const size_t least = size_t{8} << __builtin_ctz(random.Next() >> 24 | 0x40);  // of 8, 16 ... 512
  return random.Between(least, 2 * least - 1);
}

// Six times at most, so that the busiest places are still many.
size_t SkewedPlace(bench::Random& random) {
  auto among = static_cast<uint32_t>(g_places);
  for (int i = 0; i < 6 && among >= 5 && random.Below(5) > 0; ++i) among /= 5;
  return random.Below(among);
}

void Fill(Place& place, size_t size) {
  place = {bench::Allocate(size), size};
  memset(place.block, static_cast<int>(size % 251), size);
}

uint64_t Empty(Place& place) {
  uint64_t sum = 0;
  for (size_t i = 0; i + sizeof(uint64_t) <= place.size; i += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, place.block + i, sizeof word);
    sum += word;
  }
  free(place.block);
  place.block = nullptr;
  return sum;
}

void* Work(void* argument) {
  auto* worker = static_cast<bench::Worker*>(argument);
  bench::Random random(worker->number + 1);
  auto* table = static_cast<Place*>(calloc(g_places, sizeof(Place)));
  if (table == nullptr) bench::Fail("out of memory");
  for (size_t i = 0; i < g_places; i += 2) Fill(table[i], SkewedSize(random));
  uint64_t sum = 0;
  for (size_t i = 0; i < g_steps; ++i) {
    Place& place = table[SkewedPlace(random)];
    if (place.block != nullptr) {
      sum += Empty(place);
    } else {
      Fill(place, SkewedSize(random));
    }
  }
  for (size_t i = 0; i < g_places; ++i) {
    if (table[i].block != nullptr) sum += Empty(table[i]);
  }
  free(table);
  worker->sum = sum;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t threads = arguments.Count("threads", 1), places = arguments.Count("places", 262144);
  if (threads == 0 || places < threads) bench::Fail("threads, places");
  g_places = places / threads;
  g_steps = arguments.Scaled(10000000);
  arguments.Done();

  bench::Checksum(bench::RunWorkers(threads, Work));
}
