// SPDX-License-Identifier: MIT
#include "stats/snapshot.h"

#include <string.h>

#include "cache/fast_path.h"
#include "cache/explicit.h"
#include "os/system.h"
#include "purge/purge.h"
#include "purge/purger.h"

namespace xalloc {
namespace {

constinit os::Lock g_lock;  // one epoch at a time
constinit TotalNumbers g_totals{};
constinit ArenaNumbers* g_merged = nullptr;     // set (release) once
constinit ArenaNumbers* g_destroyed = nullptr;  // set (release) once
constinit ArenaNumbers** g_of_arena = nullptr;  // kMostArenas of them, in a mapping; each set (release) once
// Where a snapshot is put together before it is published. Guarded by g_lock.
constinit ArenaNumbers* g_draft = nullptr;
constinit ArenaNumbers* g_sum = nullptr;
constinit uint64_t g_slabs_of_others = 0;  // bytes in slabs of the automatic arenas but the first

// Word by word: who reads meanwhile sees each number as it was or as it is.
template <class T>
void Publish(T& to, const T& from) {
  static_assert(sizeof(T) % sizeof(uint64_t) == 0);
  auto* out = reinterpret_cast<uint64_t*>(&to);
  const auto* in = reinterpret_cast<const uint64_t*>(&from);
  for (size_t i = 0; i < sizeof(T) / sizeof(uint64_t); ++i) __atomic_store_n(out + i, in[i], __ATOMIC_RELAXED);
}

template <class T>
void AddWords(T& to, const T& from) {
  auto* out = reinterpret_cast<uint64_t*>(&to);
  const auto* in = reinterpret_cast<const uint64_t*>(&from);
  for (size_t i = 0; i < sizeof(T) / sizeof(uint64_t); ++i) out[i] += in[i];
}

ArenaNumbers* NewNumbers() { return static_cast<ArenaNumbers*>(g_meta.Allocate(sizeof(ArenaNumbers))); }

bool MakeOnce(ArenaNumbers*& numbers) {
  if (numbers == nullptr) __atomic_store_n(&numbers, NewNumbers(), __ATOMIC_RELEASE);
  return numbers != nullptr;
}

bool MakeTables() {
  if (g_of_arena == nullptr) {
    auto** table = static_cast<ArenaNumbers**>(g_meta.Allocate(kMostArenas * sizeof(ArenaNumbers*)));
    __atomic_store_n(&g_of_arena, table, __ATOMIC_RELEASE);
  }
  return g_of_arena != nullptr && MakeOnce(g_merged) && MakeOnce(g_destroyed) && MakeOnce(g_draft) && MakeOnce(g_sum);
}

void AddBin(ArenaNumbers& n, const BinStats& bin, unsigned cls) {
  const SlabShape& shape = ShapeOf(cls);
  BinNumbers& b = n.bins[cls];
  b.nmalloc = b.nrequests = bin.counters.nmalloc;
  b.ndalloc = bin.counters.ndalloc;
  b.nfills = bin.counters.nfills;
  b.nflushes = bin.counters.nflushes;
  b.nslabs = bin.counters.nslabs;
  b.nreslabs = bin.counters.nreslabs;
  b.curslabs = bin.slabs;
  b.nonfull_slabs = bin.partial_slabs;
  b.curregs = bin.slabs * shape.slots - bin.free_slots;
  n.small_allocated += b.curregs * shape.slot_size;
  n.depot_bytes += bin.depot * shape.slot_size;
  n.small_nmalloc += b.nmalloc;
  n.small_ndalloc += b.ndalloc;
  n.small_nrequests += b.nrequests;
  n.small_nfills += b.nfills;
  n.small_nflushes += b.nflushes;
  n.pactive += b.curslabs * shape.granules * kGranule;  // bytes until FinishPages
}

void CollectLarge(ArenaNumbers& n, const LargeCounts& counts) {
  for (unsigned i = 0; i < kLextents; ++i) {
    LextentNumbers& l = n.lextents[i];
    // Freed first: a block counted in between has come but not gone.
    l.ndalloc = counts.of[i].ndalloc.Relaxed();
    l.nmalloc = l.nrequests = counts.of[i].nmalloc.Relaxed();
    l.curlextents = l.nmalloc - Min(l.nmalloc, l.ndalloc);
    n.large_nmalloc += l.nmalloc;
    n.large_ndalloc += l.ndalloc;
  }
  n.large_nrequests = n.large_nmalloc;
  n.large_allocated = counts.bytes.Relaxed();
}

// What belongs to the one heap of all automatic arenas.
void AddShared(ArenaNumbers& n, const Totals& t, uint64_t slabs_of_others) {
  const ExtentStats& e = t.extents;
  const uint64_t slabs = slabs_of_others + n.pactive;
  CollectLarge(n, g_large_counts);
  n.pactive += e.mapped_blocks + (e.used > slabs ? e.used - slabs : 0);
  n.pdirty = e.dirty;
  n.pmuzzy = e.muzzy;
  n.retained = e.reserved - Min(e.reserved, e.used + e.dirty + e.muzzy);
  n.base = t.metadata;
  n.tcache_bytes = t.in_caches;
  n.nthreads = t.caches;
  // What was offered has left the first stage, and what was given back after that the second.
  n.dirty_npurge = e.pages.purges - e.pages.muzzy_purges;
  n.dirty_nmadvise = e.pages.purge_calls - e.pages.muzzy_calls;
  n.dirty_purged = (e.pages.purged - e.pages.muzzy_purged + e.pages.offered) / os::PageSize();
  n.muzzy_npurge = e.pages.muzzy_purges;
  n.muzzy_nmadvise = e.pages.muzzy_calls;
  n.muzzy_purged = e.pages.muzzy_purged / os::PageSize();
}

void FinishPages(ArenaNumbers& n) {
  const size_t page = os::PageSize();
  n.pactive = AlignUp(n.pactive, page);  // granules may be smaller than pages, and what is active is never less than what is allocated
  n.mapped = n.pactive + n.pdirty + n.pmuzzy + n.base;
  n.resident = n.mapped;
  n.pactive /= page;
  n.pdirty /= page;
  n.pmuzzy /= page;
}

void CollectAutomatic(ArenaNumbers& n, Arena* arena, const Totals* shared) {
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    if (arena->BinInUse(cls)) AddBin(n, arena->StatsOf(cls), cls);
  }
  if (shared != nullptr) AddShared(n, *shared, g_slabs_of_others);
  g_slabs_of_others += shared == nullptr ? n.pactive : 0;
  FinishPages(n);
}

void CollectManual(ArenaNumbers& n, ManualArena* arena) {
  const ManualStats s = StatsOf(arena);
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) AddBin(n, BinStatsOf(arena, cls), cls);
  CollectLarge(n, LargeCountsOf(arena));
  n.pactive = s.active;
  n.pdirty = s.dirty;
  n.pmuzzy = s.muzzy;
  n.nthreads = s.threads;
  n.dirty_npurge = s.of_dirty.rounds;
  n.dirty_nmadvise = s.of_dirty.calls;
  n.dirty_purged = s.of_dirty.bytes / os::PageSize();
  n.muzzy_npurge = s.of_muzzy.rounds;
  n.muzzy_nmadvise = s.of_muzzy.calls;
  n.muzzy_purged = s.of_muzzy.bytes / os::PageSize();
  FinishPages(n);
  n.mapped = s.mapped;
}

// `shared`: given with the first automatic arena, which comes last.
bool PublishArena(unsigned i, const Totals* shared) {
  const ArenaRef arena = ArenaOf(i);
  if (!arena.exists() && g_of_arena[i] == nullptr) return true;
  if (!MakeOnce(g_of_arena[i])) return false;
  memset(static_cast<void*>(g_draft), 0, sizeof *g_draft);
  if (arena.automatic != nullptr) CollectAutomatic(*g_draft, arena.automatic, shared);
  if (arena.manual != nullptr) CollectManual(*g_draft, arena.manual);
  g_draft->there = arena.exists() ? 1 : 0;
  if (arena.exists()) AddWords(*g_sum, *g_draft);
  Publish(*g_of_arena[i], *g_draft);
  return true;
}

uint64_t SlabFree(const ArenaNumbers& sum) {
  uint64_t bytes = 0;
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) bytes += (sum.bins[cls].curslabs * ShapeOf(cls).slots - sum.bins[cls].curregs) * ShapeOf(cls).slot_size;
  return bytes;
}

TotalNumbers TotalsFrom(const Totals& t, const ArenaNumbers& sum) {
  TotalNumbers n{};
  const PurgerCounts purger = CountsOfPurger();
  n.epoch = g_totals.epoch + 1;
  n.active = sum.pactive * os::PageSize();
  n.allocated = sum.small_allocated + sum.large_allocated - Min(sum.small_allocated + sum.large_allocated, sum.tcache_bytes + sum.depot_bytes);
  n.metadata = t.metadata;
  n.metadata_thp = g_meta.huge_bytes();
  n.resident = sum.resident;
  n.mapped = sum.mapped;
  n.retained = sum.retained;
  n.zero_reallocs = g_zero_reallocs.Relaxed();
  n.arenas = sum.there;
  n.caches = t.caches;
  n.tcache_bytes = t.in_caches;
  n.depot_bytes = sum.depot_bytes;
  n.slab_free = SlabFree(sum);
  n.dirty = sum.pdirty * os::PageSize();
  n.muzzy = sum.pmuzzy * os::PageSize();
  n.huge_pinned = t.huge_pinned;
  n.size_mismatches = t.size_mismatches;
  n.peak = t.extents.peak;
  n.purger_threads = purger.running ? 1 : 0;
  n.purger_runs = purger.steps;
  n.purger_interval_ns = purger.interval_ns;
  n.pages = t.extents.pages;
  return n;
}

}  // namespace

bool RefreshSnapshot() {
  // What belongs to no arena is counted with the first, so there is one.
  if (g_arenas.count() == 0 && g_arenas.Current() == nullptr) return false;
  os::Guard<os::Rank::kInit> guard(g_lock);
  if (!MakeTables()) return false;
  Totals t;
  CollectShared(t);
  memset(static_cast<void*>(g_sum), 0, sizeof *g_sum);
  g_slabs_of_others = 0;
  const unsigned count = ArenaCount();
  unsigned first = 0;
  while (first < count && ArenaOf(first).automatic == nullptr) ++first;
  for (unsigned i = 0; i < count; ++i) {
    if (i != first && !PublishArena(i, nullptr)) return false;
  }
  if (first < count && !PublishArena(first, &t)) return false;
  const TotalNumbers totals = TotalsFrom(t, *g_sum);
  g_sum->there = 1;
  Publish(*g_merged, *g_sum);
  Publish(g_totals, totals);
  return true;
}

const TotalNumbers& TotalsOfEpoch() { return g_totals; }
uint64_t EpochNow() { return __atomic_load_n(&g_totals.epoch, __ATOMIC_RELAXED); }
TotalNumbers CopyOfTotals() {
  TotalNumbers copy;
  auto* out = reinterpret_cast<uint64_t*>(&copy);
  const auto* in = reinterpret_cast<const uint64_t*>(&g_totals);
  for (size_t i = 0; i < sizeof copy / sizeof(uint64_t); ++i) out[i] = __atomic_load_n(in + i, __ATOMIC_RELAXED);
  return copy;
}

const ArenaNumbers* NumbersOf(unsigned arena) {
  if (arena == kMerged) return __atomic_load_n(&g_merged, __ATOMIC_ACQUIRE);
  if (arena == kDestroyed) return __atomic_load_n(&g_destroyed, __ATOMIC_ACQUIRE);
  ArenaNumbers** table = __atomic_load_n(&g_of_arena, __ATOMIC_ACQUIRE);
  return table == nullptr || arena >= kMostArenas ? nullptr : __atomic_load_n(table + arena, __ATOMIC_ACQUIRE);
}

void NoteDestroyed(unsigned arena) {
  ManualArena* manual = ArenaOf(arena).manual;
  if (manual == nullptr) return;
  os::Guard<os::Rank::kInit> guard(g_lock);
  if (!MakeTables()) return;
  memset(static_cast<void*>(g_draft), 0, sizeof *g_draft);
  CollectManual(*g_draft, manual);
  // Its blocks, pages and threads are gone, as if they had been freed; what it did remains.
  ArenaNumbers& n = *g_draft;
  n.nthreads = n.pactive = n.pdirty = n.pmuzzy = n.mapped = n.resident = n.small_allocated = n.large_allocated = 0;
  for (BinNumbers& b : n.bins) {
    b.curregs = b.curslabs = b.nonfull_slabs = 0;
    b.ndalloc = b.nmalloc;
  }
  for (LextentNumbers& l : n.lextents) {
    l.curlextents = 0;
    l.ndalloc = l.nmalloc;
  }
  n.small_ndalloc = n.small_nmalloc;
  n.large_ndalloc = n.large_nmalloc;
  AddWords(n, *g_destroyed);
  n.there = 1;
  Publish(*g_destroyed, n);
}

os::Lock& SnapshotLock() { return g_lock; }

}  // namespace xalloc
