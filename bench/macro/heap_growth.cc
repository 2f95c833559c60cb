// SPDX-License-Identifier: MIT
// A heap that grows to a size and is then used at random: what page faults and TLB misses cost. After the loading and serving phases of
// in-memory stores, and the question of A. Hunter et al., "Beyond malloc efficiency to fleet efficiency: a hugepage-aware memory
// allocator", OSDI 2021.
//
// Blocks of 64 bytes to 4 KiB, small ones more often, are allocated and written until `mib` MiB are live. Then, `rounds` times as many times as
// there are blocks, one is read and written at random, and each eighth time replaced by one of another size.
// Arguments: scale (of the rounds), mib (128).
#include "bench.h"

namespace {

size_t Size(bench::Random& random) { return random.Between(64, size_t{64} << random.Below(7)); }

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t bytes = arguments.Count("mib", 128) << 20;
  const size_t rounds = arguments.Scaled(20'000'000);
  arguments.Done();
  bench::Random random(1);
  // The table comes from the kernel: it is no part of the workload.
  struct Block {
    char* p;
    size_t size;
  };
  static Block block[size_t{4} << 20];
  size_t n = 0;
  for (size_t live = 0; live < bytes && n < sizeof block / sizeof *block; live += block[n++].size) {
    block[n].size = Size(random);
    block[n].p = bench::Allocate(block[n].size);
    memset(block[n].p, 1, block[n].size);
  }
  uint64_t sum = 0;
  for (size_t i = 0; i < rounds; ++i) {
    Block& b = block[random.Below(static_cast<uint32_t>(n))];
    if (i % 8 == 0) {
      free(b.p);
      b.size = Size(random);
      b.p = bench::Allocate(b.size);
      memset(b.p, 1, b.size);
    }
    b.p[b.size / 2] = static_cast<char>(b.p[b.size / 2] + 1);
    sum += static_cast<unsigned char>(b.p[0]);
  }
  bench::Checksum(sum + n);
}
