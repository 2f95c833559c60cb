// SPDX-License-Identifier: MIT
// large_counts.h: how many large blocks of which size came and went. Their sizes are whole pages; for counting they fall into classes, four
// a doubling: 40, 48, 56, 64, 80 KiB ...
//
// Written relaxed by whoever allocates or frees, read relaxed by statistics: two additions beside what a large block costs.
#pragma once

#include "base/atomic.h"
#include "base/bits.h"

namespace xalloc {

constexpr unsigned kLgFirstLextent = 15;  // the first class is the next above 32 KiB
constexpr unsigned kLextents = 128;       // up to 2^47

constexpr size_t LextentSize(unsigned i) { return (size_t{1} << (kLgFirstLextent + i / 4)) / 4 * (5 + i % 4); }
// The class that a block of `usable` bytes is counted in.
constexpr unsigned LextentOf(size_t usable) {
  if (usable <= size_t{1} << kLgFirstLextent) return 0;
  const unsigned lg = FloorLog2(usable - 1);
  const unsigned i = (lg - kLgFirstLextent) * 4 + static_cast<unsigned>((usable - 1) >> (lg - 2)) - 4;
  return Min(i, kLextents - 1);
}
static_assert(LextentOf(40 << 10) == 0 && LextentSize(0) == 40 << 10 && LextentOf((40 << 10) + 1) == 1);
static_assert(LextentOf(64 << 10) == 3 && LextentSize(3) == 64 << 10 && LextentOf((64 << 10) + 1) == 4);

struct LargeCounts {
  struct {
    Atomic<uint64_t> nmalloc{0}, ndalloc{0};  // relaxed: only ever added up
  } of[kLextents];
  Atomic<uint64_t> bytes{0};  // relaxed: usable, of blocks that are out

  void NoteAllocated(size_t usable) {
    of[LextentOf(usable)].nmalloc.AddRelaxed(1);
    bytes.AddRelaxed(usable);
  }
  void NoteFreed(size_t usable) {
    of[LextentOf(usable)].ndalloc.AddRelaxed(1);
    bytes.AddRelaxed(0 - usable);
  }
  void NoteResized(size_t before, size_t after) {
    bytes.AddRelaxed(after - before);
    if (LextentOf(before) == LextentOf(after)) return;
    of[LextentOf(before)].ndalloc.AddRelaxed(1);
    of[LextentOf(after)].nmalloc.AddRelaxed(1);
  }
};
extern LargeCounts g_large_counts;  // of all automatic arenas; a manual one has its own

}  // namespace xalloc
