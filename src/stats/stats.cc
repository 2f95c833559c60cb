// SPDX-License-Identifier: MIT
#include "stats/stats.h"

#include "arena/manual.h"
#include "base/line_buffer.h"
#include "cache/explicit.h"
#include "cache/fast_path.h"
#include "diag/message.h"
#include "extent/large_counts.h"
#include "purge/purge.h"
#include "purge/purger.h"

namespace xalloc {
namespace {

void AddBin(Totals& t, const BinStats& bin, unsigned cls, size_t& slab_bytes) {
#define XALLOC_ADD(name, help) t.bins.name += bin.counters.name;
  XALLOC_BIN_COUNTERS(XALLOC_ADD)
#undef XALLOC_ADD
  const SlabShape& shape = ShapeOf(cls);
  t.small_allocated += (bin.slabs * shape.slots - bin.free_slots) * shape.slot_size;
  t.slab_free += bin.free_slots * shape.slot_size;
  t.in_depots += bin.depot * shape.slot_size;
  slab_bytes += bin.slabs * shape.granules * kGranule;
}

// Without the cache's lock, which its thread may hold while it waits for a fork that waits for us. What moves to another array meanwhile is
// not counted; a top that moves gives a count of its own moment. The owner uses plain stores: the thread sanitizer is not asked.
[[gnu::no_sanitize_thread, gnu::noinline]] size_t CountIn(ThreadCache* cache, unsigned cls) {
  const BinState& s = cache->state[cls];
  void** const array = __atomic_load_n(&s.array, __ATOMIC_RELAXED);
  if (array == nullptr) return 0;
  const auto used = __atomic_load_n(&cache->bins[cls].top, __ATOMIC_RELAXED) - array;
  const auto bottom = static_cast<ptrdiff_t>(__atomic_load_n(&s.bottom, __ATOMIC_RELAXED));
  const auto capacity = static_cast<ptrdiff_t>(__atomic_load_n(&s.capacity, __ATOMIC_RELAXED));
  return used >= bottom && used <= capacity ? static_cast<size_t>(used - bottom) : 0;
}

void AddCache(ThreadCache* cache, void* totals) {
  auto* t = static_cast<Totals*>(totals);
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    t->in_caches += CountIn(cache, cls) * ClassSize(cls);
  }
  t->caches++;
}

void AddManual(Totals& t, const ManualStats& s) {
  t.small_allocated += s.small_allocated;
  t.large_allocated += s.large_allocated;
  t.slab_free += s.active - Min(s.active, s.small_allocated + s.large_allocated);
  t.extents.used += s.active;
  t.extents.reserved += s.mapped;
  t.extents.dirty += s.dirty;
  t.extents.muzzy += s.muzzy;
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
  CollectShared(t);
  t.large_allocated = g_large_counts.bytes.Relaxed();
  for (unsigned i = 0; i < ArenaCount(); ++i) {
    if (ManualArena* arena = ArenaOf(i).manual; arena != nullptr) AddManual(t, StatsOf(arena));
  }
  t.small_allocated -= Min(t.small_allocated, t.small_cached());
  return t;
}

void CollectShared(Totals& t) {
  ForEachCache(AddCache, &t);
  t.in_caches += ExplicitCachedBytes();
  t.extents = g_extents.Stats();
  t.size_mismatches = g_size_mismatches.Relaxed();
  t.huge_pinned = g_extents.PinnedByHugePages();
  t.metadata = g_meta.allocated_bytes();
}

void PrintLockCounts() {
  static constexpr const char* kName[os::kRanks] = {"init", "cache list", "cache", "grow", "bin", "addresses", "extents", "meta"};
  for (unsigned i = 0; i < os::kRanks; ++i) {
    const os::LockCounts c = os::LockCountsOf(static_cast<os::Rank>(i));
    LineBuffer<250> line;
    line << "xalloc: lock " << kName[i] << ": taken " << c.taken << ", waited " << c.waited << ", held " << c.held << " ticks, longest " << c.longest
         << ", blocks " << c.blocks << ", most " << c.most << '\n';
    Message(line.data(), line.size());
  }
  LineBuffer<80> line;
  line << "xalloc: lock ticks a second: " << os::TicksPerSecond() << '\n';
  Message(line.data(), line.size());
}

namespace {

void Print(LineBuffer<300>& line) {
  line << '\n';
  Message(line.data(), line.size());
}

uint64_t Kib(uint64_t bytes) { return bytes >> 10; }

void PrintGivenBack(const Totals& t) {
  const PageCounters& p = t.extents.pages;
  const PurgerCounts purger = CountsOfPurger();
  LineBuffer<300> line;
  line << "xalloc: given back " << Kib(p.purged + p.inside) << " KiB, of it inside of slabs " << Kib(p.inside) << " KiB, in " << p.ranges << " runs, " << p.purge_calls
       << " system calls, " << p.purge_ns / 1000 << " us; offered " << Kib(p.offered) << " KiB; purger started " << purger.starts << " times, "
       << purger.steps << " steps, " << purger.helpers << " helpers";
  Print(line);
  LineBuffer<300> huge;
  huge << "xalloc: huge pages: " << Kib(p.huge) << " KiB made at birth, " << p.collapses << " made later, " << p.collapse_failures
       << " refused, " << p.stalls << " slow; left whole " << p.spared << " times; populated ahead " << Kib(p.populated) << " KiB";
  Print(huge);
}

void PrintKept(size_t bytes, const char* what, const char* why) {
  if (bytes < 1024) return;
  LineBuffer<300> line;
  line << "xalloc: not given back: " << Kib(bytes) << " KiB " << what << ": " << why;
  Print(line);
}

void PrintNotGivenBack(const Totals& t) {
  PrintKept(t.in_caches, "in thread caches", "at hand for their threads; drained after half a decay period without use, and by malloc_trim");
  PrintKept(t.in_depots, "in depots", "at hand for all threads; half of what nobody wants leaves at each look; malloc_trim empties them");
  PrintKept(t.slab_free, "in free slots of slabs that hold live blocks", "whole pages of them go back when the slab is not touched for a decay period; the rest is fragmentation");
  const size_t dirty = t.extents.dirty - Min(t.extents.dirty, t.huge_pinned);
  const char* young = os::PageSize() > kGranule ? "freed less than dirty_decay_ms ago, malloc_trim returns it at once; or in pages with live blocks"
                                                : "freed less than dirty_decay_ms ago; malloc_trim returns it at once";
  PrintKept(dirty, "dirty", DirtyDecayMs() < 0 ? "dirty_decay_ms is never" : young);
  PrintKept(t.huge_pinned, "free in huge pages", "less than half of the page is free: breaking it would slow the rest down; thp:never or malloc_trim");
  PrintKept(t.extents.muzzy, "muzzy", "offered to the kernel, which takes it when it needs some; muzzy_decay_ms:0 has no such stage");
  PrintKept(t.metadata, "of metadata", "descriptors and caches of what there was at most; reused, never given back");
}

}  // namespace

void PrintSummary() {
  const Totals t = CollectTotals();
  LineBuffer<300> line;
  line << "xalloc: served this program: " << t.bins.nmalloc << " small blocks moved to threads in " << t.bins.nfills << " refills, "
       << t.extents.blocks << " large blocks; peak " << Kib(t.extents.peak) << " KiB, in use at exit " << Kib(t.allocated()) << " KiB, purged "
       << Kib(t.extents.pages.purged) << " KiB";
  if (t.size_mismatches != 0) line << ", " << t.size_mismatches << " frees with a wrong size";
  Print(line);
  PrintGivenBack(t);
  PrintNotGivenBack(t);
  if constexpr (os::kCountsLocks) PrintLockCounts();
}

}  // namespace xalloc
