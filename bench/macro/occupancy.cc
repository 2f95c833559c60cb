// SPDX-License-Identifier: MIT
// How much memory a few parked objects pin: slabs by the share of their slots that is in use, after a phase change.
//
// Reads the slabs themselves, so it is linked with the library's core and runs on nothing else; not a row of `compare`.
// 24 MiB of 64-byte blocks are allocated and freed, all but one in `keep` (argument; 0: none is kept), then 24 MiB of 1 KiB blocks.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cache/fast_path.h"
#include "extent/extent_heap.h"

using namespace xalloc;

namespace {

constexpr size_t kBytes = size_t{24} << 20;

void Print(const char* when, size_t size) {
  const unsigned cls = SizeToClass(size);
  size_t sum[kBuckets + 1] = {};
  size_t slabs = 0, free_slots = 0, parked = 0;
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    Arena* arena = g_arenas.At(i);
    if (arena == nullptr) continue;
    size_t count[kBuckets + 1];
    arena->SlabHistogram(cls, count);
    for (unsigned b = 0; b <= kBuckets; ++b) sum[b] += count[b];
    const BinStats stats = arena->StatsOf(cls);
    slabs += stats.slabs;
    free_slots += stats.free_slots;
    parked += stats.depot;
  }
  const ThreadCache* cache = OwnCache();
  parked += static_cast<size_t>(cache->bins[cls].top - cache->state[cls].base());
  const SlabShape& shape = ShapeOf(cls);
  printf("%-28s %5zu B: %5zu slabs, %8zu KiB; free slots %8zu KiB; parked in caches and depots %5zu KiB\n", when, size, slabs,
         slabs * shape.granules * (kGranule >> 10), free_slots * shape.slot_size >> 10, parked * shape.slot_size >> 10);
  printf("    slabs by slots out:  all %zu", sum[0]);
  for (unsigned b = 0; b < kBuckets; ++b) printf(", %u/8 %zu", kBuckets - 1 - b, sum[1 + b]);
  printf("\n");
}

void Residency() {
  const ExtentStats s = g_extents.Stats();
  printf("    heap: used %zu KiB, dirty %zu KiB, peak %zu KiB\n", s.used >> 10, s.dirty >> 10, s.peak >> 10);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t keep = argc > 1 ? strtoul(argv[1], nullptr, 10) : 0;
  std::vector<void*> small(kBytes / 64), large(kBytes / 1024);
  for (void*& p : small) p = Malloc(64);
  Print("24 MiB of 64 B", 64);
  Residency();
  for (size_t i = 0; i < small.size(); ++i) {
    if (keep == 0 || i % keep != 0) Free(small[i]);
  }
  Print(keep == 0 ? "all freed" : "freed but for one in <keep>", 64);
  Residency();
  for (void*& p : large) p = Malloc(1024);
  Print("then 24 MiB of 1 KiB", 64);
  Print("", 1024);
  Residency();
  return 0;
}
