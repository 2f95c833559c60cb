// SPDX-License-Identifier: MIT
// arena.h: the middle. Per size class one bin: a depot of whole batches in front of bitmap slabs.
//
//   thread cache --batch--> depot (of the arena the thread runs on) --overflow--> slabs (of the arenas that own them)
//
//   Owns     its slabs and what lies in its depots
//   Used by  thread caches at refill and flush; threads without a cache directly
//   Never    cares who allocated a block: a remote free costs what a local one costs
//
// Locks: one per bin (rank kBin), those of all arenas in one table, because fork looks at each of them (four pages, not 64).
// A thread holds at most one bin lock at a time.
// Thread safety: all public functions, any thread.
#pragma once

#include "arena/slab.h"
#include "diag/report.h"

namespace xalloc {

constexpr unsigned kMaxArenas = 64;

// Where slabs come from. One for the process; tests make their own over fake pages.
struct Backing {
  ExtentHeap* heap;
  PageMap* map;
  MetaAllocator* meta;
};

// The slow-path counters of one bin, each written under the bin's lock. This is the one table of them: statistics add them up.
#define XALLOC_BIN_COUNTERS(X)                                                  \
  X(nfills, "refills of thread caches")                                         \
  X(nflushes, "flushes of thread caches")                                       \
  X(nmalloc, "objects handed to thread caches")                                 \
  X(ndalloc, "objects taken back from thread caches")                           \
  X(nreslabs, "refills from slabs that already had blocks")                       \
  X(nslabs, "slabs made")                                                       \
  X(nslabs_freed, "slabs given back")                                           \
  X(ndepot_grown, "times a depot doubled")                                       \
  X(ndepot_hits, "refills served by a depot")                                   \
  X(nsteals, "refills served by another arena's depot")

struct BinCounters {
#define XALLOC_COUNTER_FIELD(name, help) uint64_t name = 0;
  XALLOC_BIN_COUNTERS(XALLOC_COUNTER_FIELD)
#undef XALLOC_COUNTER_FIELD
};

struct BinStats {
  BinCounters counters;
  size_t slabs = 0;          // now
  size_t partial_slabs = 0;  // of them, those with free slots
  size_t free_slots = 0;  // in those slabs
  size_t depot = 0;       // objects
};

// The first object of a flush that was not a live block; what it was.
struct FlushResult {
  Misuse misuse = Misuse::kNone;
  void* pointer = nullptr;
  size_t size = 0;
};

class Arena {
 public:
  // Only ArenaTable makes arenas, in zero-filled memory: all zero is the empty arena, and pages of bins never used stay untouched.
  Arena() = delete;

  // Up to `n` objects of `cls` to out[0..); the last of them has the lowest address. 0: none is ready, AddSlabs is the way to more.
  unsigned Refill(unsigned cls, void** out, unsigned n);
  // The same from this arena's own slabs only: not what others freed into its depot, nor what lies in those of others.
  unsigned TakeFromSlabs(unsigned cls, void** out, unsigned n);
  // One more slab, or some in a large bin; may ask the kernel for memory, and give some back. False: refused.
  bool AddSlabs(unsigned cls);
  // Takes `n` objects of `cls`, whoever allocated them.
  FlushResult Flush(unsigned cls, void** objects, unsigned n);
  // The same, past the depot: every object is checked.
  static FlushResult FlushToSlabs(unsigned cls, void** objects, unsigned n);
  // Empties all depots into the slabs, of whatever arena.
  FlushResult DrainDepots();
  // Gives back the slabs that bins keep although they are empty. After the depots of all arenas are drained, no slab is left unused.
  void ReleaseEmptySlabs();
  // Returns half of what lay unused in the depots since the last call, or at most a batch of it.
  enum class Ageing : uint8_t { kBatch, kHalf };
  void AgeDepots(Ageing ageing);
  // Gives back whole pages that are free inside of slabs. `budget`: slabs that may still be relieved; it shrinks. Returns bytes given back.
  enum class Relief : uint8_t {
    kCold,    // of slabs of which no slot has moved since the last call but one
    kSparse,  // of those that are seven eighths free
    kAll,
  };
  size_t PurgeColdSlabs(Relief which, unsigned& budget);
  // Bytes of slots that are free in its slabs, read without their locks.
  size_t FreeSlotBytes() const;

  BinStats StatsOf(unsigned cls);
  // Slabs by free share: [0] full, [1 + b] those in bucket b. Walks the lists under the bin's lock.
  void SlabHistogram(unsigned cls, size_t (&count)[kBuckets + 1]);
  void Validate();
  unsigned slot() const { return index_; }
  bool BinInUse(unsigned cls) const { return (bins_in_use_.Relaxed() >> cls & 1) != 0; }

 private:
  struct Bin {
    List<Extent, &Extent::next, &Extent::prev> partial[kBuckets];  // by free share of the slab: 0 = fullest
    void** depot = nullptr;  // a stack of pointers; whether there is one is peeked at without the lock: relaxed
    uint32_t depot_count = 0, depot_capacity = 0;  // the count is peeked at, too. What lies in the depot passes from hand to hand by the lock
    uint32_t depot_low = 0;  // fewest since AgeDepots
    bool depot_missed = false;  // a whole batch came from slabs since the depot was last full
    uint32_t slabs = 0;  // peeked at
    uint32_t partial_slabs = 0;
    uint64_t free_slots = 0;  // peeked at
    BinCounters counters;

    void CountSlab(int change) { __atomic_store_n(&slabs, slabs + static_cast<uint32_t>(change), __ATOMIC_RELAXED); }
    void CountFree(int64_t slots) { __atomic_store_n(&free_slots, free_slots + static_cast<uint64_t>(slots), __ATOMIC_RELAXED); }
  };

  static unsigned TakeTop(Bin& bin, void** out, unsigned n);
  unsigned TakeForSlabs(unsigned cls, void** out, unsigned n);
  unsigned TakeOldest(unsigned cls, void** out, unsigned n);
  void BeginDepotAge(unsigned cls);
  unsigned TakeFromDepot(unsigned cls, void** out, unsigned n);
  unsigned StealFromNeighbours(unsigned cls, void** out, unsigned n);
  unsigned TakeFromOthersSlabs(unsigned cls, void** out, unsigned n);
  unsigned PushToDepot(unsigned cls, void** objects, unsigned n);
  void SetDepotCapacity(unsigned cls, unsigned capacity);
  static unsigned BucketOf(const Extent* slab, const SlabShape& shape);
  static void Rebucket(Bin& bin, Extent* slab, unsigned bucket);
  static void Dismiss(Bin& bin, const Extent* slab);
  static bool Settle(Bin& bin, Extent* slab, const SlabShape& shape);
  Extent* TakeCold(unsigned cls, unsigned bucket, Extent* last, Relief which, unsigned& looks);
  void PutBackCold();

  friend class ArenaTable;
  friend void ReturnColdSlab();
  os::Lock* locks_;  // one per bin
  unsigned index_;
  Backing backing_;
  static_assert(kNumBins <= 64);
  Atomic<uint64_t> bins_in_use_{0};  // bit per class; relaxed: a hint where to look, under the bin's lock
  alignas(arch::kSharedLine) Bin bins_[kNumBins];
};

inline unsigned Arena::BucketOf(const Extent* slab, const SlabShape& shape) {
  if (slab->free_count == 0) return kNoBucket;
  return Min((unsigned{slab->free_count} * shape.bucket_scale) >> 15, kBuckets - 1);
}

// An empty slab leaves the bin.
inline void Arena::Dismiss(Bin& bin, const Extent* slab) {
  bin.CountFree(-int64_t{slab->free_count});
  bin.CountSlab(-1);
  bin.counters.nslabs_freed++;
}

// After objects came back: puts the slab into the list it now belongs to. True: it is empty, not the bin's only partial slab, and
// out of the bin: the caller releases it.
XALLOC_INLINE bool Arena::Settle(Bin& bin, Extent* slab, const SlabShape& shape) {
  const unsigned bucket = BucketOf(slab, shape);
  if (XALLOC_UNLIKELY(slab->free_count == shape.slots)) {
    const bool listed = slab->bucket != kNoBucket;
    if (bin.partial_slabs > (listed ? 1u : 0u)) {
      Rebucket(bin, slab, kNoBucket);
      Dismiss(bin, slab);
      return true;
    }
  }
  if (bucket != slab->bucket) Rebucket(bin, slab, bucket);
  return false;
}

class ArenaTable {
 public:
  constexpr explicit ArenaTable(const Backing& backing) : backing_(backing) {}
  // The arena of the CPU we run on, or the one that the calling thread is bound to; made when first needed. Null only if the kernel
  // refuses the very first. `cls`: what for; arenas that are next to each other have one set of bins for large classes.
  Arena* Current(unsigned cls = 0);
  Arena* At(unsigned i) const { return i < kMaxArenas ? arenas_[i].Acquire() : nullptr; }
  unsigned count() const { return count_.Acquire(); }
  const Backing& backing() const { return backing_; }

 private:
  Arena* Make(unsigned i);

  const Backing backing_;
  Atomic<Arena*> arenas_[kMaxArenas];  // set once, by compare-exchange (release); readers acquire
  Atomic<unsigned> count_{0};          // one past the highest made or about to be: raised (release) before the arena is there
};

extern ArenaTable g_arenas;

// thread.arena: 0, or one more than the index (as programs see it, see directory.h) of the arena that the calling thread is bound to.
extern constinit thread_local uint16_t t_bound [[gnu::tls_model("initial-exec")]];
// Of a manual arena: which of those that had the index since.
extern constinit thread_local uint16_t t_bound_birth [[gnu::tls_model("initial-exec")]];

// In a fork child: the slab that another thread was giving pages of back has its free slots again.
void ReturnColdSlab();

// Of arena i, by its index. 256 bytes each, so that arenas share no line.
struct alignas(256) ArenaLocks {
  os::Lock of_bin[kNumBins];
};
extern ArenaLocks g_arena_locks[kMaxArenas];

}  // namespace xalloc
