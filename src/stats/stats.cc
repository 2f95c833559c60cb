// SPDX-License-Identifier: MIT
#include "stats/stats.h"

#include "base/line_buffer.h"
#include "cache/fast_path.h"
#include "diag/message.h"

namespace xalloc {
namespace {

void AddBin(Totals& t, const BinStats& bin, unsigned cls, size_t& slab_bytes) {
#define XALLOC_ADD(name, help) t.bins.name += bin.counters.name;
  XALLOC_BIN_COUNTERS(XALLOC_ADD)
#undef XALLOC_ADD
  const SlabShape& shape = ShapeOf(cls);
  t.small_allocated += (bin.slabs * shape.slots - bin.free_slots) * shape.slot_size;
  t.slab_free += bin.free_slots * shape.slot_size;
  t.small_cached += bin.depot * shape.slot_size;
  slab_bytes += bin.slabs * shape.granules * kGranule;
}

// Other threads move their tops meanwhile: each count is of its own moment.
void AddCache(ThreadCache* cache, void* totals) {
  auto* t = static_cast<Totals*>(totals);
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    const BinState& s = cache->state[cls];
    if (s.array == nullptr) continue;
    const auto count = __atomic_load_n(&cache->bins[cls].top, __ATOMIC_RELAXED) - s.base();
    if (count > 0) t->small_cached += static_cast<size_t>(count) * ClassSize(cls);
  }
  t->caches++;
}

}  // namespace

Totals CollectTotals() {
  Totals t;
  size_t slab_bytes = 0;
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    Arena* arena = g_arenas.At(i);
    if (arena == nullptr) continue;
    t.arenas++;
    for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
      if (arena->BinInUse(cls)) AddBin(t, arena->StatsOf(cls), cls, slab_bytes);
    }
  }
  ForEachCache(AddCache, &t);
  t.extents = g_extents.Stats();
  t.large_allocated = t.extents.mapped_blocks + (t.extents.used > slab_bytes ? t.extents.used - slab_bytes : 0);
  t.small_allocated -= Min(t.small_allocated, t.small_cached);
  t.size_mismatches = g_size_mismatches.Relaxed();
  t.metadata = g_meta.allocated_bytes();
  return t;
}

void PrintLockCounts() {
  static constexpr const char* kName[os::kRanks] = {"init", "cache list", "cache", "grow", "bin", "extents", "meta"};
  for (unsigned i = 0; i < os::kRanks; ++i) {
    const os::LockCounts c = os::LockCountsOf(static_cast<os::Rank>(i));
    LineBuffer<250> line;
    line << "xalloc: lock " << kName[i] << ": taken " << c.taken << ", waited " << c.waited << ", held " << c.held << " ticks, longest " << c.longest
         << ", blocks " << c.blocks << ", most " << c.most << '\n';
    Message(line.data(), line.size());
  }
}

void PrintSummary() {
  const Totals t = CollectTotals();
  LineBuffer<300> line;
  line << "xalloc: served this program: " << t.bins.nmalloc << " small blocks moved to threads in " << t.bins.nfills << " refills, "
       << t.extents.blocks << " large blocks; peak " << uint64_t{t.extents.peak >> 10} << " KiB, in use at exit "
       << uint64_t{t.allocated() >> 10} << " KiB, purged " << uint64_t{t.extents.purged >> 10} << " KiB";
  if (t.size_mismatches != 0) line << ", " << t.size_mismatches << " frees with a wrong size";
  line << '\n';
  Message(line.data(), line.size());
  if constexpr (os::kCountsLocks) PrintLockCounts();
}

}  // namespace xalloc
