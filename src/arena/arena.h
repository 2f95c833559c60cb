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
  size_t slabs = 0;       // now
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

  // Up to `n` objects of `cls` to out[0..); the last of them has the lowest address. At least one unless the kernel refuses.
  unsigned Refill(unsigned cls, void** out, unsigned n);
  // Takes `n` objects of `cls`, whoever allocated them.
  FlushResult Flush(unsigned cls, void** objects, unsigned n);
  // The same, past the depot: every object is checked.
  static FlushResult FlushToSlabs(unsigned cls, void** objects, unsigned n);
  // Empties all depots into the slabs, of whatever arena.
  FlushResult DrainDepots();
  // Gives back the slab that each bin keeps although it is empty. After the depots of all arenas are drained, no slab is left unused.
  void ReleaseEmptySlabs();
  // Returns part of what lay unused in the depots since the last call.
  void AgeDepots();

  BinStats StatsOf(unsigned cls);
  // Slabs by free share: [0] full, [1 + b] those in bucket b. Walks the lists under the bin's lock.
  void SlabHistogram(unsigned cls, size_t (&count)[kBuckets + 1]);
  void Validate();
  bool BinInUse(unsigned cls) const { return (bins_in_use_.Relaxed() >> cls & 1) != 0; }

 private:
  struct Bin {
    List<Extent, &Extent::next, &Extent::prev> partial[kBuckets];  // by free share of the slab: 0 = fullest
    void** depot = nullptr;  // a stack of pointers
    uint32_t depot_count = 0, depot_capacity = 0;
    uint32_t depot_low = 0;  // fewest since AgeDepots
    bool depot_missed = false;  // a whole batch came from slabs since the depot was last full
    uint32_t slabs = 0;
    uint32_t partial_slabs = 0;
    uint64_t free_slots = 0;
    BinCounters counters;
  };

  unsigned TakeOldest(unsigned cls, void** out, unsigned n);
  void BeginDepotAge(unsigned cls);
  unsigned TakeFromDepot(unsigned cls, void** out, unsigned n);
  unsigned StealFromNeighbours(unsigned cls, void** out, unsigned n);
  unsigned TakeFromSlabs(unsigned cls, void** out, unsigned n);
  bool AddSlab(unsigned cls);
  unsigned PushToDepot(unsigned cls, void** objects, unsigned n);
  void SetDepotCapacity(unsigned cls, unsigned capacity);
  static unsigned BucketOf(const Extent* slab, const SlabShape& shape);
  static void Rebucket(Bin& bin, Extent* slab, unsigned bucket);
  static bool Settle(Bin& bin, Extent* slab, const SlabShape& shape);

  friend class ArenaTable;
  os::Lock* locks_;  // one per bin
  unsigned index_;
  Backing backing_;
  Atomic<uint64_t> bins_in_use_{0};  // bit per class
  alignas(arch::kSharedLine) Bin bins_[kNumBins];
};

class ArenaTable {
 public:
  constexpr explicit ArenaTable(const Backing& backing) : backing_(backing) {}
  // The arena of the CPU we run on; made when first needed. Null only if the kernel refuses the very first.
  Arena* Current();
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

// Of arena i, by its index. 256 bytes each, so that arenas share no line.
struct alignas(256) ArenaLocks {
  os::Lock of_bin[kNumBins];
};
extern ArenaLocks g_arena_locks[kMaxArenas];

}  // namespace xalloc
