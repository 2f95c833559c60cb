// SPDX-License-Identifier: MIT
// Buffers of megabytes, of which any may be replaced next: images, messages, matrices.
// After the program by L. Stolyarov and D. Leijen in the public suite mimalloc-bench (malloc-large): what one buffer leaves has to serve
// others of other sizes, or each is faulted in anew.
//
// 24 buffers of 2 to 24 MiB live at a time, all of them touched. The peak is ideally what they sum up to. Single-threaded.
// Arguments: scale, low and high (MiB), live.
#include "bench.h"

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t rounds = arguments.Scaled(1200);
  const size_t low = arguments.Count("low", 2) << 20, high = arguments.Count("high", 24) << 20, live = arguments.Count("live", 24);
  arguments.Done();
  static char* buffer[1024];
  if (live == 0 || live > sizeof buffer / sizeof *buffer || low == 0 || high < low) bench::Fail("low, high, live");
  bench::Random random(1);
  uint64_t sum = 0;
  for (size_t i = 0; i < rounds; ++i) {
    char*& place = buffer[random.Below(static_cast<uint32_t>(live))];
    const size_t size = random.Between(low, high);
    char* p = bench::AllocateTouched(size, static_cast<char>(i));
    free(place);
    place = p;
    sum += size + static_cast<unsigned char>(p[size / 2 / 4096 * 4096]);
  }
  for (char* p : buffer) free(p);
  bench::Checksum(sum);
}
