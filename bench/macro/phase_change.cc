// SPDX-License-Identifier: MIT
// A program whose sizes change: small, then medium, then large, then one growing array, and again.
// After the size-change programs by which P. Wilson, M. Johnstone, M. Neely and D. Boles, "Dynamic Storage Allocation: A Survey and
// Critical Review", IWMM 1995, explain fragmentation: memory cut for one phase has to serve the next.
//
// Each phase allocates 32 MiB, touches all of it and frees all but one block in 1000, which stay to the end. The peak is ideally one
// phase and the survivors.
// Arguments: scale.
#include <iterator>

#include "bench.h"

namespace {

constexpr size_t kPhase = 32 << 20, kSurvivor = 1000;

struct Survivors {
  char** block;
  size_t count, room;
  void Keep(char* p) {
    if (count == room) bench::Fail("too many survivors");
    block[count++] = p;
  }
};

uint64_t Phase(size_t low, size_t high, bench::Random& random, char** block, Survivors* survivors) {
  size_t n = 0, bytes = 0;
  while (bytes < kPhase) {
    const size_t size = random.Between(low, high);
    block[n++] = bench::AllocateTouched(size, 1);
    bytes += size;
  }
  for (size_t i = 0; i < n; ++i) {
    if (i % kSurvivor == kSurvivor / 2) {
      survivors->Keep(block[i]);
    } else {
      free(block[i]);
    }
  }
  return bytes;
}

uint64_t GrowingArray() {
  char* p = nullptr;
  size_t old = 0;
  for (size_t size = 4096; size <= kPhase; size += size / 8) {
    p = static_cast<char*>(realloc(p, size));
    if (p == nullptr) bench::Fail("out of memory");
    bench::Touch(p + old, size - old, 1);
    old = size;
  }
  free(p);
  return old;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t cycles = arguments.Scaled(5);
  arguments.Done();
  constexpr size_t kSmallest = 16, kRanges[][2] = {{kSmallest, 128}, {1 << 10, 8 << 10}, {64 << 10, 2 << 20}, {kSmallest, 512}};
  bench::Random random(1);
  // Both tables come from the kernel: they are no part of the workload. Pages that are never used cost nothing.
  static char* block[kPhase / kSmallest];
  static char* survivor[1 << 16];
  Survivors survivors{survivor, 0, std::size(survivor)};
  uint64_t sum = 0;
  for (size_t cycle = 0; cycle < cycles; ++cycle) {
    for (const auto& range : kRanges) sum += Phase(range[0], range[1], random, block, &survivors);
    sum += GrowingArray();
  }
  for (size_t i = 0; i < survivors.count; ++i) free(survivor[i]);
  bench::Checksum(sum);
}
