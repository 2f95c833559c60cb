// SPDX-License-Identifier: MIT
#include "arena/arena.h"

#include <string.h>

#include "arena/directory.h"
#include "os/cpu.h"

namespace xalloc {

constinit thread_local uint16_t t_bound [[gnu::tls_model("initial-exec")]] = 0;
constinit thread_local uint16_t t_bound_birth [[gnu::tls_model("initial-exec")]] = 0;

constinit ArenaLocks g_arena_locks[kMaxArenas];
constinit ArenaTable g_arenas{{&g_extents, &g_page_map, &g_meta}};

namespace {
using BinGuard = os::Guard<os::Rank::kBin>;
// A depot starts with room for what comes first, and doubles: up to a batch, which is what one side of a producer-consumer pair is ahead
// of the other, whenever it is full; from there, up to kDepotBytes of objects, when it was too small both ways, full although a refill
// had found it empty. So it grows to the swing of a program that allocates and frees in waves (16K blocks of 64 bytes at a time: 100 ->
// 51 instructions a pair), and does not grow when a phase ends and its blocks never come back. What lies unused ages away.
constexpr unsigned kLeastDepot = 8;  // objects
constexpr size_t kDepotBytes = size_t{1} << 20;
// Above this size eight arenas use the bins of one: there a bin holds few objects, and each of its own half-empty slabs.
constexpr unsigned kMostApart = SizeToClass(512), kTogether = 8;
// Where a bin has so many slabs it gets one at a time; twice as many, two ...
constexpr unsigned kSlabsPerMore = 64, kMostSlabsAtOnce = 8;
constexpr unsigned kAsked = 8;  // arenas, this one among them, whose slabs are looked at before a new one is made
// harden:off: what is no live block is passed over, and lost if it was one.
bool Tolerated() { return g_options.harden == static_cast<int64_t>(Harden::kOff); }

constexpr unsigned kOnStack = 16;  // objects in hand at once: a tick may come on a signal stack with 2 KiB to spare
// What options.h, which lies below, says of limits that are set here.
static_assert(kMostTcacheMax == kMaxSmall && kMostNarenas == kMaxArenas);
}  // namespace

// ---- refill -------------------------------------------------------------------------------------------------------------

unsigned Arena::Refill(unsigned cls, void** out, unsigned n) {
  unsigned got = TakeFromDepot(cls, out, n);
  if (got == 0 && n == ShapeOf(cls).batch) got = StealFromNeighbours(cls, out, n);
  if (got == 0) got = TakeFromSlabs(cls, out, n);
  return got == 0 && BinInUse(cls) && t_bound == 0 ? TakeFromOthersSlabs(cls, out, n) : got;
}

unsigned Arena::TakeFromDepot(unsigned cls, void** out, unsigned n) {
  Bin& bin = bins_[cls];
  if (__atomic_load_n(&bin.depot_count, __ATOMIC_RELAXED) == 0) return 0;
  BinGuard guard(locks_[cls]);
  n = TakeTop(bin, out, n);
  if (n == 0) return 0;
  bin.counters.nfills++;
  bin.counters.ndepot_hits++;
  bin.counters.nmalloc += n;
  return n;
}

unsigned Arena::TakeTop(Bin& bin, void** out, unsigned n) {
  n = Min(n, bin.depot_count);
  __atomic_store_n(&bin.depot_count, bin.depot_count - n, __ATOMIC_RELAXED);
  bin.depot_low = Min(bin.depot_low, bin.depot_count);
  if (n != 0) memcpy(out, bin.depot + bin.depot_count, n * sizeof(void*));
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

// Where this arena would need one more slab, and another has half of one free. Its first it makes itself: what threads are given at their
// start lies apart. Who is bound to an arena gets what is that arena's.
unsigned Arena::TakeFromOthersSlabs(unsigned cls, void** out, unsigned n) {
  const unsigned count = g_arenas.count();
  for (unsigned i = 1; i < Min(count, kAsked); ++i) {
    Arena* other = g_arenas.At((index_ + i) % count);
    if (other == nullptr || __atomic_load_n(&other->bins_[cls].free_slots, __ATOMIC_RELAXED) < ShapeOf(cls).slots / 2u) continue;
    if (const unsigned got = other->TakeFromSlabs(cls, out, n); got != 0) return got;
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
      if (slab->free_count != ShapeOf(cls).slots) bin.counters.nreslabs++;
      // TakeSlots fills the end of what it is given: from `left` downward.
      const unsigned got = TakeSlots(slab, out + left - Min<unsigned>(left, slab->free_count), left);
      left -= got;
      bin.CountFree(-int64_t{got});
      Rebucket(bin, slab, BucketOf(slab, ShapeOf(cls)));
    }
  }
  if (left == n) return 0;
  if (left > 0) memmove(out, out + left, (n - left) * sizeof(void*));
  if (n == ShapeOf(cls).batch) bin.depot_missed = true;
  bin.counters.nfills++;
  bin.counters.nmalloc += n - left;
  return n - left;
}

bool Arena::AddSlabs(unsigned cls) {
  Bin& bin = bins_[cls];
  const unsigned most = Min(Max(__atomic_load_n(&bin.slabs, __ATOMIC_RELAXED) / kSlabsPerMore, 1u), kMostSlabsAtOnce);
  Extent* slabs = NewSlabs(*backing_.heap, *backing_.map, *backing_.meta, cls, index_, most);
  if (slabs == nullptr) return false;
  bins_in_use_.OrRelaxed(uint64_t{1} << cls);
  BinGuard guard(locks_[cls]);
  while (slabs != nullptr) {
    Extent* const slab = slabs;
    slabs = slab->next;
    bin.CountSlab(1);
    bin.counters.nslabs++;
    bin.CountFree(slab->free_count);
    Rebucket(bin, slab, BucketOf(slab, ShapeOf(cls)));
  }
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
  const unsigned batch = ShapeOf(cls).batch;
  unsigned wanted = __atomic_load_n(&bin.depot, __ATOMIC_RELAXED) == nullptr ? Min(Max(n, kLeastDepot), batch) : 0;
  for (bool may_grow = true;; may_grow = false) {
    if (XALLOC_UNLIKELY(wanted != 0)) SetDepotCapacity(cls, wanted);
    BinGuard guard(locks_[cls]);
    const unsigned capacity = bin.depot_capacity, room = capacity - bin.depot_count;
    if (XALLOC_UNLIKELY(room < n) && may_grow && (bin.depot_missed || capacity < batch)) {
      bin.depot_missed = false;
      wanted = capacity < batch ? Min(Max(capacity * 2, bin.depot_count + n), batch) : capacity * 2;
      if (wanted * ClassSize(cls) <= kDepotBytes) continue;
    }
    bin.counters.nflushes++;
    const unsigned kept = Min(n, room);
    if (kept == 0) return 0;
    memcpy(bin.depot + bin.depot_count, objects + n - kept, kept * sizeof(void*));
    __atomic_store_n(&bin.depot_count, bin.depot_count + kept, __ATOMIC_RELAXED);
    bin.counters.ndalloc += kept;
    return kept;
  }
}

// Nothing happens if the depot is as large already, or there is no memory.
XALLOC_NOINLINE void Arena::SetDepotCapacity(unsigned cls, unsigned capacity) {
  auto** depot = static_cast<void**>(backing_.meta->Allocate(capacity * sizeof(void*)));
  if (depot == nullptr) return;
  bins_in_use_.OrRelaxed(uint64_t{1} << cls);
  Bin& bin = bins_[cls];
  locks_[cls].Acquire(os::Rank::kBin);
  unsigned unneeded = capacity;
  if (bin.depot_capacity < capacity) {
    if (bin.depot_count != 0) memcpy(depot, bin.depot, bin.depot_count * sizeof(void*));
    if (bin.depot != nullptr) bin.counters.ndepot_grown++;
    unneeded = bin.depot_capacity;
    void** old = bin.depot;
    __atomic_store_n(&bin.depot, depot, __ATOMIC_RELAXED);
    bin.depot_capacity = capacity;
    depot = old;
  }
  locks_[cls].Release(os::Rank::kBin);
  if (depot != nullptr) backing_.meta->Free(depot, unneeded * sizeof(void*));
}

namespace {
// What lies among the free blocks of a class and is in no slab of it: a block whose slab was given back, so somebody freed it twice;
// or nothing that we ever handed out, so somebody wrote over the list.
XALLOC_COLD FlushResult NotInSlab(ExtentHeap& heap, void* p, size_t size) {
  return {heap.Contains(p) ? Misuse::kDoubleFree : Misuse::kCorrupt, p, size};
}
}  // namespace

// Runs of objects of one slab go back under one acquisition of its owner's lock; the lock is kept while the owner is the same.
FlushResult Arena::FlushToSlabs(unsigned cls, void** objects, unsigned n) {
  const SlabShape& shape = ShapeOf(cls);
  ExtentHeap& heap = *g_arenas.backing().heap;
  FlushResult bad;
  Arena* owner = nullptr;
  unsigned owner_index = ~0u;
  Extent* empties = nullptr;  // a list: released when the lock is given up
  auto unlock = [&] {
    if (owner != nullptr) owner->locks_[cls].Release(os::Rank::kBin);
    owner = nullptr;
    owner_index = ~0u;
    ReleaseSlabs(heap, *g_arenas.backing().map, *g_arenas.backing().meta, empties);
    empties = nullptr;
  };
  for (unsigned i = 0; i < n && bad.misuse == Misuse::kNone;) {
    Extent* slab = heap.Find(objects[i]);
    if (XALLOC_UNLIKELY(slab == nullptr || slab->kind != Extent::Kind::kSlab || slab->size_class != cls)) {
      if (!Tolerated()) bad = NotInSlab(heap, objects[i], shape.slot_size);
      ++i;
      continue;
    }
    if (slab->arena != owner_index) {
      unlock();
      owner_index = slab->arena;
      owner = g_arenas.At(owner_index);
      owner->locks_[cls].Acquire(os::Rank::kBin);
      owner->bins_[cls].counters.nflushes++;
      // Another thread gave the slab back while we waited, and its descriptor may lie there again for another class: only a block freed
      // twice lets that happen. Look again.
      if (XALLOC_UNLIKELY(heap.Find(objects[i]) != slab || slab->arena != owner_index || slab->size_class != cls)) continue;
    }
    Bin& bin = owner->bins_[cls];
    const PutCount put = PutSlots(slab, shape, objects + i, n - i);
    i += put.count;
    bin.counters.ndalloc += put.count;
    bin.CountFree(put.count);
    // Where nothing went in there is nothing to settle.
    if (XALLOC_LIKELY(put.count != 0) && XALLOC_UNLIKELY(Settle(bin, slab, shape))) {
      heap.ClearOwners(slab);
      slab->next = empties;
      empties = slab;
    }
    if (XALLOC_UNLIKELY(put.result != PutResult::kOk)) {
      if (!Tolerated()) bad = {put.result == PutResult::kDoubleFree ? Misuse::kDoubleFree : Misuse::kInterior, objects[i], shape.slot_size};
      ++i;
    }
  }
  unlock();
  return bad;
}

XALLOC_NOINLINE void Arena::Rebucket(Bin& bin, Extent* slab, unsigned bucket) {
  if (bucket == slab->bucket) return;
  if (slab->bucket != kNoBucket) {
    bin.partial[slab->bucket].Remove(slab);
    bin.partial_slabs--;
  }
  slab->bucket = static_cast<uint8_t>(bucket & 15);
  if (bucket != kNoBucket) {
    bin.partial[bucket].PushFront(slab);
    bin.partial_slabs++;
  }
}

// ---- depots -------------------------------------------------------------------------------------------------------------

FlushResult Arena::DrainDepots() {
  FlushResult bad;
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    void* objects[kOnStack];
    unsigned n = 0;
    while (bad.misuse == Misuse::kNone && (n = TakeForSlabs(cls, objects, kOnStack)) != 0) bad = FlushToSlabs(cls, objects, n);
  }
  return bad;
}

void Arena::ReleaseEmptySlabs() {
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    if (!BinInUse(cls)) continue;
    Bin& bin = bins_[cls];
    Extent* empties = nullptr;
    locks_[cls].Acquire(os::Rank::kBin);
    Extent* next = nullptr;
    for (Extent* slab = bin.partial[kBuckets - 1].front(); slab != nullptr; slab = next) {
      next = slab->next;
      if (slab->free_count != ShapeOf(cls).slots) continue;
      Rebucket(bin, slab, kNoBucket);
      Dismiss(bin, slab);
      backing_.heap->ClearOwners(slab);
      slab->next = empties;
      empties = slab;
    }
    locks_[cls].Release(os::Rank::kBin);
    ReleaseSlabs(*backing_.heap, *backing_.map, *backing_.meta, empties);
  }
}

void Arena::AgeDepots(Ageing ageing) {
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    if (__atomic_load_n(&bins_[cls].depot_count, __ATOMIC_RELAXED) == 0) continue;
    locks_[cls].Acquire(os::Rank::kBin);
    unsigned left = (bins_[cls].depot_low + 1) / 2;
    locks_[cls].Release(os::Rank::kBin);
    if (ageing == Ageing::kBatch) left = Min(left, kMaxBatch);
    void* objects[kOnStack];
    for (unsigned n = 0; left != 0 && (n = TakeOldest(cls, objects, Min(left, kOnStack))) != 0; left -= n) {
      const FlushResult bad = FlushToSlabs(cls, objects, n);
      if (bad.misuse != Misuse::kNone) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
    }
    BeginDepotAge(cls);
  }
}

// What goes from a depot to slabs is counted as taken back there, not here.
unsigned Arena::TakeForSlabs(unsigned cls, void** out, unsigned n) {
  Bin& bin = bins_[cls];
  if (__atomic_load_n(&bin.depot_count, __ATOMIC_RELAXED) == 0) return 0;
  BinGuard guard(locks_[cls]);
  n = TakeTop(bin, out, n);
  bin.counters.ndalloc -= n;
  return n;
}

unsigned Arena::TakeOldest(unsigned cls, void** out, unsigned n) {
  Bin& bin = bins_[cls];
  BinGuard guard(locks_[cls]);
  n = Min(n, bin.depot_count);
  if (n == 0) return 0;  // others were here meanwhile, and perhaps the array is gone
  memcpy(out, bin.depot, n * sizeof(void*));
  memmove(bin.depot, bin.depot + n, (bin.depot_count - n) * sizeof(void*));
  bin.counters.ndalloc -= n;
  __atomic_store_n(&bin.depot_count, bin.depot_count - n, __ATOMIC_RELAXED);
  return n;
}

// The next count of what nobody wants begins. A depot that had grown and is empty now gives its array back.
void Arena::BeginDepotAge(unsigned cls) {
  Bin& bin = bins_[cls];
  void** array = nullptr;
  unsigned array_capacity = 0;
  locks_[cls].Acquire(os::Rank::kBin);
  bin.depot_low = bin.depot_count;
  if (bin.depot_count == 0 && bin.depot_capacity > ShapeOf(cls).batch) {
    array = bin.depot;
    array_capacity = bin.depot_capacity;
    __atomic_store_n(&bin.depot, static_cast<void**>(nullptr), __ATOMIC_RELAXED);
    bin.depot_capacity = 0;
  }
  locks_[cls].Release(os::Rank::kBin);
  if (array != nullptr) backing_.meta->Free(array, array_capacity * sizeof(void*));
}

// ---- looking ------------------------------------------------------------------------------------------------------------

size_t Arena::FreeSlotBytes() const {
  size_t bytes = 0;
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    if (BinInUse(cls)) bytes += __atomic_load_n(&bins_[cls].free_slots, __ATOMIC_RELAXED) * ClassSize(cls);
  }
  return bytes;
}

// ---- the table ----------------------------------------------------------------------------------------------------------

Arena* ArenaTable::Current(unsigned cls) {
  if (XALLOC_UNLIKELY(t_bound != 0)) {
    if (Arena* bound = ArenaOf(t_bound - 1u).automatic; bound != nullptr) return bound;
  }
  unsigned limit = kMaxArenas;
  if (g_options.narenas > 0) limit = static_cast<unsigned>(g_options.narenas);
  unsigned i = (XALLOC_LIKELY(g_options.percpu_arena != 0) ? os::ConcurrencyId() : os::ThreadHash()) % limit;
  if (cls > kMostApart) i -= i % kTogether;
  Arena* arena = arenas_[i].Acquire();
  if (XALLOC_LIKELY(arena != nullptr)) return arena;
  return Make(i);
}

XALLOC_COLD Arena* ArenaTable::Make(unsigned i) {
  void* memory = backing_.meta->Allocate(sizeof(Arena));
  if (memory == nullptr) return At(0);
  auto* made = static_cast<Arena*>(memory);
  made->index_ = i;
  made->locks_ = g_arena_locks[i].of_bin;
  made->backing_ = backing_;
  // Counted before it is there: whoever can take a lock of it is seen by a fork, which goes by the count.
  unsigned count = count_.Relaxed();
  while (count < i + 1 && !count_.CompareExchangeRelease(count, i + 1)) {
  }
  Arena* found = nullptr;
  if (!arenas_[i].CompareExchangeRelease(found, made)) {
    backing_.meta->Free(memory, sizeof(Arena));
    return found;
  }
  return made;
}

}  // namespace xalloc
