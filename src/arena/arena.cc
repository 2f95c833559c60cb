// SPDX-License-Identifier: MIT
#include "arena/arena.h"

#include <string.h>

#include "os/cpu.h"

namespace xalloc {

constinit ArenaTable g_arenas{{&g_extents, &g_page_map, &g_meta}};

namespace {
using BinGuard = os::Guard<os::Rank::kBin>;
// A depot holds this many batches at most: what one side of a producer-consumer pair is ahead of the other.
constexpr unsigned kDepotBatches = 4;
constexpr unsigned kReleaseAtOnce = 16;  // empty slabs collected before the lock is given up to release them
}  // namespace

// ---- refill -------------------------------------------------------------------------------------------------------------

unsigned Arena::Refill(unsigned cls, void** out, unsigned n) {
  unsigned got = TakeFromDepot(cls, out, n);
  if (got == 0 && n == ShapeOf(cls).batch) got = StealFromNeighbours(cls, out, n);
  while (got == 0) {
    got = TakeFromSlabs(cls, out, n);
    if (got == 0 && !AddSlab(cls)) return 0;
  }
  return got;
}

unsigned Arena::TakeFromDepot(unsigned cls, void** out, unsigned n) {
  Bin& bin = bins_[cls];
  if (__atomic_load_n(&bin.depot_count, __ATOMIC_RELAXED) == 0) return 0;
  BinGuard guard(locks_[cls]);
  n = Min(n, bin.depot_count);
  if (n == 0) return 0;
  __atomic_store_n(&bin.depot_count, bin.depot_count - n, __ATOMIC_RELAXED);
  bin.depot_low = Min(bin.depot_low, bin.depot_count);
  memcpy(out, bin.depot + bin.depot_count, n * sizeof(void*));
  bin.counters.nfills++;
  bin.counters.ndepot_hits++;
  bin.counters.nmalloc += n;
  return n;
}

// A consumer on another CPU flushed there: take whole batches back before making new slabs.
unsigned Arena::StealFromNeighbours(unsigned cls, void** out, unsigned n) {
  const unsigned count = g_arenas.count();
  for (unsigned i = 1; i < count; ++i) {
    Arena* other = g_arenas.At((index_ + i) % count);
    if (other == nullptr || __atomic_load_n(&other->bins_[cls].depot_count, __ATOMIC_RELAXED) < n) continue;
    const unsigned got = other->TakeFromDepot(cls, out, n);
    if (got == 0) continue;
    BinGuard guard(other->locks_[cls]);
    other->bins_[cls].counters.nsteals++;
    return got;
  }
  return 0;
}

unsigned Arena::TakeFromSlabs(unsigned cls, void** out, unsigned n) {
  Bin& bin = bins_[cls];
  BinGuard guard(locks_[cls]);
  unsigned left = n;
  for (unsigned b = 0; b < kBuckets && left > 0; ++b) {
    while (left > 0 && !bin.partial[b].empty()) {
      Extent* slab = bin.partial[b].front();
      // TakeSlots fills the end of what it is given: from `left` downward.
      const unsigned got = TakeSlots(slab, out + left - Min<unsigned>(left, slab->free_count), left);
      left -= got;
      bin.free_slots -= got;
      Rebucket(bin, slab);
    }
  }
  if (left == n) return 0;
  if (left > 0) memmove(out, out + left, (n - left) * sizeof(void*));
  bin.counters.nfills++;
  bin.counters.nmalloc += n - left;
  return n - left;
}

bool Arena::AddSlab(unsigned cls) {
  Extent* slab = NewSlab(*backing_.heap, *backing_.map, *backing_.meta, cls, index_, true);
  if (slab == nullptr) return false;
  bins_in_use_.OrRelaxed(uint64_t{1} << cls);
  Bin& bin = bins_[cls];
  BinGuard guard(locks_[cls]);
  bin.slabs++;
  bin.counters.nslabs++;
  bin.free_slots += slab->free_count;
  Rebucket(bin, slab);
  return true;
}

// ---- flush --------------------------------------------------------------------------------------------------------------

FlushResult Arena::Flush(unsigned cls, void** objects, unsigned n) {
  const unsigned kept = PushToDepot(cls, objects, n);
  return kept == n ? FlushResult{} : FlushToSlabs(cls, objects, n - kept);
}

// Keeps the last of the objects (the hottest); returns how many.
unsigned Arena::PushToDepot(unsigned cls, void** objects, unsigned n) {
  Bin& bin = bins_[cls];
  if (XALLOC_UNLIKELY(bin.depot == nullptr)) GrowDepot(cls);
  BinGuard guard(locks_[cls]);
  bin.counters.nflushes++;
  const unsigned kept = Min(n, bin.depot_capacity - bin.depot_count);
  if (kept == 0) return 0;
  memcpy(bin.depot + bin.depot_count, objects + n - kept, kept * sizeof(void*));
  __atomic_store_n(&bin.depot_count, bin.depot_count + kept, __ATOMIC_RELAXED);
  bin.counters.ndalloc += kept;
  return kept;
}

void Arena::GrowDepot(unsigned cls) {
  const unsigned capacity = kDepotBatches * ShapeOf(cls).batch;
  auto** depot = static_cast<void**>(backing_.meta->Allocate(capacity * sizeof(void*)));
  if (depot == nullptr) return;
  bins_in_use_.OrRelaxed(uint64_t{1} << cls);
  Bin& bin = bins_[cls];
  locks_[cls].Acquire(os::Rank::kBin);
  const bool first = bin.depot == nullptr;
  if (first) {
    bin.depot = depot;
    bin.depot_capacity = capacity;
  }
  locks_[cls].Release(os::Rank::kBin);
  if (!first) backing_.meta->Free(depot, capacity * sizeof(void*));
}

// Runs of objects of one slab go back under one acquisition of its owner's lock; the lock is kept while the owner is the same.
FlushResult Arena::FlushToSlabs(unsigned cls, void** objects, unsigned n) {
  const SlabShape& shape = ShapeOf(cls);
  FlushResult bad;
  Arena* owner = nullptr;
  Extent* empty[kReleaseAtOnce];
  unsigned empties = 0;
  auto unlock = [&] {
    if (owner != nullptr) owner->locks_[cls].Release(os::Rank::kBin);
    owner = nullptr;
    for (unsigned i = 0; i < empties; ++i) ReleaseSlab(*g_arenas.backing().heap, *g_arenas.backing().map, *g_arenas.backing().meta, empty[i]);
    empties = 0;
  };
  for (unsigned i = 0; i < n && bad.misuse == Misuse::kNone;) {
    Extent* slab = g_arenas.backing().heap->Find(objects[i]);
    // Its slab was given back while this stayed in a cache: somebody freed it twice.
    if (XALLOC_UNLIKELY(slab == nullptr || slab->kind != Extent::Kind::kSlab || slab->size_class != cls)) {
      bad = {Misuse::kDoubleFree, objects[i], shape.slot_size};
      break;
    }
    Arena* next = g_arenas.At(slab->arena);
    if (next != owner || empties == kReleaseAtOnce) {
      unlock();
      owner = next;
      owner->locks_[cls].Acquire(os::Rank::kBin);
      owner->bins_[cls].counters.nflushes++;
    }
    Bin& bin = owner->bins_[cls];
    const size_t slab_bytes = size_t{shape.granules} * kGranule;
    uint64_t* bits = SlabBits(slab);
    const unsigned begin = i;
    while (i < n && static_cast<size_t>(static_cast<char*>(objects[i]) - slab->base) < slab_bytes) {
      const PutResult put = PutSlot(slab, shape, bits, objects[i]);
      if (XALLOC_UNLIKELY(put != PutResult::kOk)) {
        bad = {put == PutResult::kDoubleFree ? Misuse::kDoubleFree : Misuse::kInterior, objects[i], shape.slot_size};
        break;
      }
      ++i;
    }
    bin.counters.ndalloc += i - begin;
    bin.free_slots += i - begin;
    if (Extent* released = owner->PutBack(bin, slab); released != nullptr) empty[empties++] = released;
  }
  unlock();
  return bad;
}

// After objects came back: to its list; or out of the bin, if it is empty and not the bin's only partial slab.
Extent* Arena::PutBack(Bin& bin, Extent* slab) {
  const bool listed = slab->bucket != kNoBucket;
  if (slab->free_count == ShapeOf(slab->size_class).slots && bin.partial_slabs > (listed ? 1u : 0u)) {
    if (listed) {
      bin.partial[slab->bucket].Remove(slab);
      bin.partial_slabs--;
    }
    bin.free_slots -= slab->free_count;
    bin.slabs--;
    bin.counters.nslabs_freed++;
    return slab;
  }
  Rebucket(bin, slab);
  return nullptr;
}

void Arena::Rebucket(Bin& bin, Extent* slab) {
  const unsigned slots = ShapeOf(slab->size_class).slots;
  const unsigned bucket = slab->free_count == 0 ? kNoBucket : Min((slab->free_count * kBuckets) / slots, kBuckets - 1);
  if (bucket == slab->bucket) return;
  if (slab->bucket != kNoBucket) {
    bin.partial[slab->bucket].Remove(slab);
    bin.partial_slabs--;
  }
  slab->bucket = static_cast<uint8_t>(bucket);
  if (bucket != kNoBucket) {
    bin.partial[bucket].PushFront(slab);
    bin.partial_slabs++;
  }
}

// ---- depots -------------------------------------------------------------------------------------------------------------

FlushResult Arena::DrainDepots() {
  FlushResult bad;
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    void* objects[kMaxBatch];
    unsigned n = 0;
    while (bad.misuse == Misuse::kNone && (n = TakeFromDepot(cls, objects, kMaxBatch)) != 0) bad = FlushToSlabs(cls, objects, n);
    // The slab that was kept although it is empty.
    Bin& bin = bins_[cls];
    if (!BinInUse(cls)) continue;
    locks_[cls].Acquire(os::Rank::kBin);
    Extent* slab = bin.partial[kBuckets - 1].front();
    if (slab != nullptr && slab->free_count == ShapeOf(cls).slots) {
      bin.partial[kBuckets - 1].Remove(slab);
      bin.partial_slabs--;
      bin.free_slots -= slab->free_count;
      bin.slabs--;
      bin.counters.nslabs_freed++;
    } else {
      slab = nullptr;
    }
    locks_[cls].Release(os::Rank::kBin);
    if (slab != nullptr) ReleaseSlab(*backing_.heap, *backing_.map, *backing_.meta, slab);
  }
  return bad;
}

void Arena::AgeDepots() {
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    Bin& bin = bins_[cls];
    if (__atomic_load_n(&bin.depot_count, __ATOMIC_RELAXED) == 0) continue;
    void* objects[kMaxBatch];
    locks_[cls].Acquire(os::Rank::kBin);
    // Half of what nobody wanted goes, the oldest first.
    const unsigned n = Min((bin.depot_low + 1) / 2, kMaxBatch);
    memcpy(objects, bin.depot, n * sizeof(void*));
    memmove(bin.depot, bin.depot + n, (bin.depot_count - n) * sizeof(void*));
    __atomic_store_n(&bin.depot_count, bin.depot_count - n, __ATOMIC_RELAXED);
    bin.depot_low = bin.depot_count;
    locks_[cls].Release(os::Rank::kBin);
    const FlushResult bad = FlushToSlabs(cls, objects, n);
    if (bad.misuse != Misuse::kNone) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
  }
}

// ---- looking ------------------------------------------------------------------------------------------------------------

BinStats Arena::StatsOf(unsigned cls) {
  BinGuard guard(locks_[cls]);
  const Bin& bin = bins_[cls];
  return {bin.counters, bin.slabs, bin.free_slots, bin.depot_count};
}

void Arena::Validate() {
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    BinGuard guard(locks_[cls]);
    const Bin& bin = bins_[cls];
    uint64_t free_slots = 0;
    unsigned partial = 0;
    for (unsigned b = 0; b < kBuckets; ++b) {
      for (Extent* slab = bin.partial[b].front(); slab != nullptr; slab = slab->next) {
        ValidateSlab(slab);
        if (slab->bucket != b || slab->arena != index_ || slab->size_class != cls) Panic("broken invariant: slab in a wrong list");
        free_slots += slab->free_count;
        ++partial;
      }
    }
    if (free_slots != bin.free_slots || partial != bin.partial_slabs || partial > bin.slabs) Panic("broken invariant: bin counts");
  }
}

// ---- the table ----------------------------------------------------------------------------------------------------------

Arena* ArenaTable::Current() {
  unsigned limit = kMaxArenas;
  if (g_options.narenas > 0) limit = static_cast<unsigned>(g_options.narenas);
  const unsigned i = os::ConcurrencyId() % limit;
  Arena* arena = arenas_[i].Acquire();
  if (XALLOC_LIKELY(arena != nullptr)) return arena;
  return Make(i);
}

XALLOC_COLD Arena* ArenaTable::Make(unsigned i) {
  void* memory = backing_.meta->Allocate(sizeof(Arena));
  if (memory == nullptr) return At(0);
  auto* made = static_cast<Arena*>(memory);
  made->index_ = i;
  made->backing_ = backing_;
  Arena* found = nullptr;
  if (!arenas_[i].CompareExchangeRelease(found, made)) {
    backing_.meta->Free(memory, sizeof(Arena));
    return found;
  }
  unsigned count = count_.Relaxed();
  while (count < i + 1 && !count_.CompareExchangeRelease(count, i + 1)) {
  }
  return made;
}

}  // namespace xalloc
