// SPDX-License-Identifier: MIT
// Batches of blocks of one size, freed in the order of their allocation: the cost of the two calls, and where it depends on how many.
// After the GNU C library's own benchtest malloc-simple, in the public suite mimalloc-bench (glibc-simple).
//
// One size after the other, 16 to 1024 bytes; of each, batches of 25, 100, 400 and 1600 blocks, as many blocks in small batches as in
// large ones. No batch is of more than 100 KiB: whether the end of a heap goes back to the system each time is another question. Nothing
// is written but a block's first byte. Single-threaded.
// Arguments: scale.
#include "bench.h"

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  constexpr size_t kSizes[] = {16, 32, 64, 128, 256, 512, 1024}, kCounts[] = {25, 100, 400, 1600}, kMostBlocks = 1600, kMostBytes = 100 << 10;
  const size_t turns = arguments.Scaled(2000);  // of the largest batch
  arguments.Done();
  static char* block[kMostBlocks];
  uint64_t sum = 0;
  for (const size_t size : kSizes) {
    for (const size_t count : kCounts) {
      if (size * count > kMostBytes) continue;
      for (size_t turn = 0; turn < turns * kMostBlocks / count; ++turn) {
        for (size_t i = 0; i < count; ++i) {
          block[i] = bench::Allocate(size);
          block[i][0] = static_cast<char>(i);
        }
        for (size_t i = 0; i < count; ++i) {
          sum += static_cast<unsigned char>(block[i][0]) + size;
          free(block[i]);
        }
      }
    }
  }
  bench::Checksum(sum);
}
