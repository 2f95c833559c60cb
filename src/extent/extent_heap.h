// SPDX-License-Identifier: MIT
// extent_heap.h: the one heap of granule runs under all arenas.
//
//   region    | hugepage | hugepage | hugepage | not yet opened ...        |
//   hugepage  | used | free, dirty | used | free, fresh (reads as zero)    |   128 granules of 16 KiB
//
//   Owns     the regions, which granules are free, dirty or known to be zero, and the blocks with mappings of their own
//   Used by  arenas (slabs), large blocks, the purge layer
//   Never    makes a system call under its lock: what must be committed or purged is first marked as in nobody's hands
//
// Placement: the shortest sufficient dirty run, or else the shortest free one; of the first few hugepages where it is as long that with most
// allocations, and in it the lowest: sparse hugepages drain, fresh ones stay fresh. What is longer than a hugepage: where most is dirty.
// Peak control: residency does not grow while more than max(8 MiB, dirty_limit % of what is used) lies dirty elsewhere.
// Thread safety: all public functions may be called by any thread that holds no lock of rank kExtents or above.
#pragma once

#include "conf/options.h"
#include "extent/extent.h"
#include "extent/run_index.h"
#include "meta/meta.h"
#include "os/lock.h"
#include "os/system.h"

namespace xalloc {

// What giving back and huge pages came to, each written under the heap's lock. This is the one table of them.
#define XALLOC_PAGE_COUNTERS(X)                                                       \
  X(purges, "batches given back")                                                     \
  X(ranges, "runs given back")                                                        \
  X(purged, "bytes given back")                                                       \
  X(purge_calls, "system calls to give back")                                         \
  X(purge_ns, "nanoseconds spent in them; heaps of 8 MiB and more")                   \
  X(muzzy_purges, "batches, of those, of memory that had been offered")               \
  X(muzzy_calls, "system calls for these")                                            \
  X(muzzy_purged, "bytes of these")                                                   \
  X(offered, "bytes offered to the kernel, which takes them when it needs some")      \
  X(inside, "bytes given back inside of slabs")                                       \
  X(spared, "times that a huge page was left whole for less than half of it")         \
  X(populated, "bytes that got memory ahead of use")                                  \
  X(huge, "bytes of huge pages made at birth")                                        \
  X(stalls, "huge pages that the kernel was slow to find")                            \
  X(collapses, "hugepages moved into a huge page later")                              \
  X(collapse_failures, "times that the kernel could not")

struct PageCounters {
#define XALLOC_COUNTER_FIELD(name, help) uint64_t name = 0;
  XALLOC_PAGE_COUNTERS(XALLOC_COUNTER_FIELD)
#undef XALLOC_COUNTER_FIELD
};

// What ticks ask for: they may come on a signal stack with 2 KiB to spare.
struct ExtentSizes {
  size_t used = 0, dirty = 0, mapped_blocks = 0;  // bytes now; dirty: without muzzy
  size_t muzzy = 0;                               // bytes now: offered to the kernel
  uint64_t blocks = 0;                            // large and mapped blocks handed out, ever
  size_t Resident() const { return used + dirty + muzzy + mapped_blocks; }
};
struct ExtentStats : ExtentSizes {
  size_t peak = 0;                     // bytes: the most that used + dirty + mapped_blocks has been
  size_t committed = 0, reserved = 0;  // bytes of the regions
  PageCounters pages;
};

// How much lies idle in a stage, in bytes. `gone`: what has left the stage towards the kernel, ever. `least`: the least of now + gone since
// somebody asked last: what has gone back does not look like what the program has taken.
struct Idle {
  size_t now;
  uint64_t least, gone;
};

// What giving back may break.
enum class Manner : uint8_t {
  kLongRuns,    // runs of 64 KiB and more; a huge page only for half of it
  kAnyRun,      // every run; a huge page only for half of it
  kEverything,  // every run
};

// Huge pages of another size are left to the kernel.
inline bool HugePagesAreOurs() { return os::HugePageSize() == kHugepage; }

class ExtentHeap {
 public:
  struct Seldom;  // see there
  constexpr ExtentHeap(const os::PageOps& pages, PageMap& map, MetaAllocator& meta, Seldom& seldom) : pages_(pages), map_(map), meta_(meta), seldom_(seldom) {}

  // A run of `granules` aligned to `alignment` bytes (a power of two, at most kHugepage), at most kMaxGranules.
  // *zeroed: all of it reads as zero. Null: the kernel refused.
  Extent* Allocate(size_t granules, size_t alignment, Extent::Kind kind, bool* zeroed) { return AllocateSeveral(granules, alignment, kind, zeroed, 1); }
  // As many that follow each other as there is room for where one alone would go, and memory behind all of them or none; at most `most`.
  // A list, the last first.
  Extent* AllocateSeveral(size_t granules, size_t alignment, Extent::Kind kind, bool* zeroed, unsigned most);
  // A slab's owners are cleared before.
  void Free(Extent* extent);
  // The same extent, longer, where free granules follow; false: nothing changed.
  bool Extend(Extent* extent, size_t granules);
  // The same extent, shorter; granules > 0.
  void Shrink(Extent* extent, size_t granules);
  // Slabs, when all is in them: every granule leads to the extent. (Blocks are entered by Allocate, but for their usable size.)
  void SetOwners(Extent* extent);
  // Before a slab is freed, under its bin's lock: who comes later with one of its blocks, freed twice, does not find it.
  void ClearOwners(Extent* extent);

  // A block in a mapping of its own, at least `bytes`.
  Extent* Map(size_t bytes, size_t alignment);
  void Unmap(Extent* extent);
  // Before a block of kHugepage bytes and more is freed, which is its owner's still: whether it was filled says whether the next get huge pages.
  void LearnFrom(const Extent* freed);
  // Before such a block is allocated, and after: the last one before it may be filled by now.
  void LearnFromLast();
  void NoteLast(const void* base, size_t bytes);
  // The pages of a block of whole pages, in a mapping of its own from now on; the block itself reads as zero. Null: refused, nothing changed.
  Extent* MoveOut(const Extent* block);
  // Resizes by moving page tables. Null: refused, and the block is as it was.
  bool Remap(Extent* extent, size_t bytes, bool may_move);

  // The extent around p, or null. p may be anything. For a block, only its first granule leads to it.
  XALLOC_INLINE Extent* Find(const void* p) {
    Hugepage* h = map_.HugepageOf(p);
    return XALLOC_LIKELY(h != nullptr) ? OwnerAt(h, GranuleOf(p)) : FindOutside(p);
  }
  // The block that p lies inside of, or null: for reports only, it searches.
  Extent* FindAround(const void* p);
  // True if p lies in a region of ours.
  bool Contains(const void* p);

  // Gives back at least `bytes` of dirty and muzzy memory, whole free hugepages first, then the longest dirty, or all there is. Returns
  // bytes given back.
  size_t Purge(size_t bytes, Manner manner = Manner::kEverything) { return GiveBack(bytes, manner, Stage::kPurge); }
  // The two stages apart: dirty memory is offered to the kernel; what was offered is given back.
  size_t Offer(size_t bytes, Manner manner) { return GiveBack(bytes, manner, Stage::kOffer); }
  size_t PurgeOffered(size_t bytes) { return GiveBack(bytes, Manner::kEverything, Stage::kPurgeOffered); }
  // Gives back whole pages inside of an extent in use, which the caller knows nobody to touch meanwhile.
  size_t PurgeInside(char* from, size_t bytes);
  // One step of looking for hugepages that are worth a huge page; moves at most one. True: it moved one.
  bool CollapseStep();
  // Resident bytes above which idle memory goes back at once; 0: none. Any thread.
  void SetSoftLimit(size_t bytes) { soft_limit_.SetRelaxed(bytes); }
  // The kernel makes huge pages wherever it can, asked or not. Any thread.
  void SetHugeUnasked() { huge_unasked_.SetRelaxed(true); }
  bool OverSoftLimit();
  // Dirty bytes that stay because a huge page is not broken for them.
  size_t PinnedByHugePages();
  // In a fork child: what other threads were giving back is dirty again.
  void ReturnFlights();
  ExtentStats Stats();
  ExtentSizes Sizes();
  // Each `least` begins anew with what there is now.
  struct IdleStages {
    Idle dirty, muzzy;
  };
  IdleStages TakeIdle();
  os::Lock& lock() { return lock_; }
  os::Lock& grow_lock() { return grow_lock_; }
  const os::PageOps& pages() const { return pages_; }

  // Checks every invariant; panics on the first that is broken. Debug builds and tests. `alone`: no other thread grows or purges, so
  // that what is not free is in use.
  void Validate(bool alone = false);

  static constexpr size_t kMaxGranules = 4096;  // 64 MiB: above, a mapping of its own

 private:
  using DirtyList = List<Hugepage, &Hugepage::dirty_next, &Hugepage::dirty_prev>;
  enum class Stage : uint8_t { kPurge, kOffer, kPurgeOffered };
  enum class Advice : uint8_t { kNone, kPlain, kHuge };
  struct Piece {
    Hugepage* hugepage;
    Run run;
    bool done;  // given back or offered
    bool zeroed;
    Advice advice;  // about its hugepage, before it goes back
  };
  static constexpr unsigned kBatch = 32;
  // What a thread is giving back at this moment, in nobody's hands otherwise: here, and not on its stack, so that a fork child, in which the
  // thread is no more, finds it.
  struct Flight {
    Piece pieces[kBatch];
    unsigned count;
    bool taken;
  };
  // The same of what follows a new slab, while it gets memory. No hugepage: nothing in hand.
  struct Rest {
    Hugepage* hugepage;
    Run run;
    bool zero;
  };
  // What gets memory with a new slab.
  struct Ahead {
    Rest* rest;
    bool populates;
    bool huge;  // the rest of its hugepage, which becomes a huge page
    bool told;  // ... as the kernel knows already
    bool timed;  // what small pages take is measured: the heap is large enough for the clock
    size_t Granules() const { return rest != nullptr ? rest->run.length : 0; }
  };
  static constexpr unsigned kFlights = 4;      // more threads than that do not purge at once: the kernel takes turns among them anyway
  static constexpr unsigned kRests = 16;       // threads that populate at once; one more does not
  static constexpr unsigned kLookedAt = 512;   // hugepages under the lock in one go: some 50 us

  Hugepage* HugepageOf(const void* p);
  static unsigned IndexOf(const Hugepage* h) { return static_cast<unsigned>(h - h->region->pages); }
  static unsigned GranuleOf(const void* p) { return static_cast<unsigned>(reinterpret_cast<uintptr_t>(p) >> kLgGranule) % kGranulesPerHugepage; }
  Region* RegionAround(const void* p);
  Extent* FindOutside(const void* p);
  // Without the lock. Acquire: see SetOwner.
  static Extent* OwnerAt(const Hugepage* h, unsigned granule) { return __atomic_load_n(&h->owner[granule], __ATOMIC_ACQUIRE); }

  // All below: under lock_.
  struct Place {
    Hugepage* hugepage;
    unsigned granule;
  };
  Place FindFree(unsigned granules, unsigned align_granules) { return granules <= kGranulesPerHugepage ? FindRun(granules, align_granules) : FindSpan(granules, align_granules); }
  Place FindRun(unsigned granules, unsigned alignment);
  Place FindSpan(unsigned granules, unsigned alignment);
  static unsigned CountAlike(Place at, size_t granules, unsigned most);
  unsigned SparesUpTo(unsigned most) const;
  static Place FindIn(const RunIndex& index, Bitmap128 Hugepage::* runs, unsigned granules, unsigned alignment);
  static Run BestRun(const Bitmap128& runs, const Bitmap128& dirty, unsigned granules, unsigned alignment);
  bool AllFree(Place from, size_t granules);
  // Without memory, and next to each other in a region.
  struct FreshHugepages {
    Hugepage* first;
    unsigned count;
    bool huge;  // what they are to be: else plain
    bool Add(Hugepage* h) {
      if (count == 0) first = h;
      return h == first + count && ++count != 0;
    }
  };
  struct Taken {
    bool zero;     // all of it reads as zero
    size_t fresh;  // granules without memory behind them
    bool whole;    // the first of a hugepage that the kernel makes huge at the first touch; only for slabs
    FreshHugepages to_tell;  // of a long block; the kernel was told something else of them
  };
  Taken Take(Place from, size_t granules, Extent::Kind kind);
  void Give(Place from, size_t granules);
  void SetFree(Hugepage* h, Run run);
  void NoteCleared(Hugepage* h);
  void MarkDirty(Hugepage* h, Run run);
  void NoteLeast();
  void MarkBacked(Hugepage* h);
  void MarkHuge(Hugepage* h) {
    MarkBacked(h);
    stats_.pages.huge += kHugepage;
  }
  Extent* TakeSpare();
  void KeepSpare(Extent* extent);
  size_t Resident() const;
  ExtentSizes SizesNow() const;
  void NotePeak();
  size_t Stranded(size_t ahead = 0, size_t most = SIZE_MAX) const;
  unsigned CollectDirty(Piece* pieces, size_t target, Manner manner, Stage stage);
  unsigned CollectFrom(Hugepage* h, Piece* pieces, unsigned room, Manner manner, Stage stage);
  Advice AdviceOnBreaking(Hugepage* h, bool whole);
  void ReturnPieces(const Piece* pieces, unsigned n, Stage stage);
  Flight* TakeFlight();
  Ahead TakeAhead(Place at, size_t granules, bool whole);
  void ReturnRest(Rest& rest);
  static bool HoldsSlabsOnly(const Hugepage* h);
  Hugepage* FindDense();

  // Without lock_.
  Extent* EnterMapped(Extent* extent, char* base, size_t usable);
  bool Grow(size_t granules, unsigned align_granules, bool for_slab);
  // Under grow_lock_.
  bool OpenPartial(Hugepage* h, unsigned committed);
  bool OpenFresh(Region* region, unsigned count, unsigned committed, bool huge);
  bool MakeReady(Region* region, unsigned count, unsigned committed);
  Region* RegionWithFresh(unsigned count, bool may_be_huge) const;
  bool AddRegion(size_t at_least);
  bool WindowHolds(uintptr_t begin, size_t bytes) const;
  size_t GiveBack(size_t bytes, Manner manner, Stage stage);
  size_t PurgePieces(Piece* pieces, unsigned n);
  unsigned PurgeInOneCall(Piece* pieces, unsigned n);
  void PurgePiece(Piece& piece);
  void OfferPiece(Piece& piece);
  void NoteAnswer(bool yes);
  bool MayPopulate() const;
  void Populate(const Ahead& ahead, Place at, size_t granules);
  bool MayBeHuge() const;
  bool IsDense(size_t opened, size_t used) const;
  bool WantsHuge(const Hugepage* h, size_t granules) const;
  bool FillsBlocks(size_t bytes) const;
  bool Learns();
  bool Look(const char* base, size_t bytes, size_t most_zero, bool kernel_looks);
  void ForgetLast(const void* base);
  bool MakeHuge(char* at, size_t bytes);
  void Tell(FreshHugepages fresh);
  bool SkipsHuge(unsigned n = 1);
  bool PopulateSmall(char* at, size_t bytes, bool timed);
  bool AdviseHuge(char* at, size_t bytes);
  bool TouchHuge(char* at);
  void Advise(const Hugepage* h, Advice advice) {
    if (advice != Advice::kNone && !no_huge_.Relaxed()) pages_.advise_huge(h->base, kHugepage, advice == Advice::kHuge);
  }
  Extent* NewExtent();

  const os::PageOps& pages_;
  PageMap& map_;
  MetaAllocator& meta_;
  Seldom& seldom_;  // what is in it: under lock_

  os::Lock grow_lock_;  // one thread grows at a time; held over the system calls of growth, guards the page map's extent
  size_t next_region_bytes_ = kFirstRegion;  // under grow_lock_
  uintptr_t next_region_hint_ = 0;           // under grow_lock_
  size_t address_space_limit_ = 0;           // under grow_lock_; 0: not read yet
  Atomic<unsigned> huge_pause_{0}, huge_skip_{0};  // relaxed: hugepages to go without after a slow one, and still to go
  Atomic<uint32_t> small_ns_{0};                   // relaxed: of CPU for a granule of small pages, in the mean of the last ones; 0: not known
  Atomic<size_t> filled_{0};  // relaxed: bytes of long blocks that were filled, less what is forgotten; two that are looked into at once count as one
  Atomic<uintptr_t> last_{0};      // relaxed: the long block that was handed out last, in the form of LongBlock; 0: none, or it is not there any more
  Atomic<unsigned> look_skip_{0};  // relaxed: blocks that go by before the next is looked into
  os::Lock lock_;       // guards all below
  RunIndex free_runs_{&Hugepage::by_free}, dirty_runs_{&Hugepage::by_dirty};
  DirtyList dirty_list_;       // front: longest dirty
  Region* regions_ = nullptr;  // newest first
  Hugepage* partial_ = nullptr;  // a hugepage that is not committed to its end
  Extent* spares_ = nullptr;     // peeked at
  size_t used_ = 0, dirty_ = 0, muzzy_ = 0;  // granules; dirty_ contains muzzy_
  uint64_t gone_dirty_ = 0, gone_muzzy_ = 0, least_dirty_ = 0, least_muzzy_ = 0;  // granules; see Idle; dirty without muzzy
  size_t plain_ = 0;                         // hugepages that are
  Region* dense_region_ = nullptr;           // where CollapseStep goes on
  unsigned dense_index_ = 0;
  ExtentStats stats_;
  // What the kernel does when asked to purge, as seen at the first time. Only ever a hint for speed: written and read relaxed.
  enum Purging : uint32_t {
    kUnknown,
    kZeroes,
    kKeeps,    // accepts, and the contents stay: calloc must clear
    kRefused,  // said no kPatience times in a row: do not ask again
  };
  Atomic<uint32_t> purging_{kUnknown};
  // One no may be about one range: memory that the program has locked. By whoever purges, relaxed: a count lost is a question more.
  static constexpr uint32_t kPatience = 8;
  Atomic<uint32_t> refusals_{0};
  Atomic<bool> no_offer_{false}, no_populate_{false}, no_huge_{false};  // the kernel said no; relaxed
  Atomic<size_t> soft_limit_{0};                       // bytes; relaxed
  Atomic<bool> huge_unasked_{false};                   // relaxed

  static constexpr unsigned kMappedBuckets = 256;
  static unsigned BucketOf(const void* p) { return static_cast<unsigned>((reinterpret_cast<uintptr_t>(p) >> 12) * 0x9E3779B97F4A7C15ull >> 56); }

  static constexpr size_t kFirstRegion = size_t{64} << 20, kLargestRegion = size_t{1} << 30;
  static constexpr unsigned kFirstCommit = 16;  // granules: 256 KiB, then doubling to the whole hugepage
  // The thresholds below: docs/design/huge-pages.md has the measurements that chose them.
  static constexpr size_t kTimed = (size_t{8} << 20) >> kLgGranule;         // granules in use from which purges are timed
  static constexpr size_t kPopulateFrom = (size_t{6} << 20) >> kLgGranule;  // ... from which memory is populated ahead: below, no advice is given at all
  static constexpr unsigned kAheadShare = 32, kMostAhead = 16;              // of what is in use, at most so many granules
  static constexpr size_t kHugeFrom = size_t{10} << 20;                     // bytes committed from which new hugepages are huge
  static constexpr size_t kHugeGrown = size_t{8} << 20;                     // bytes to which realloc has to grow a block for it to get huge pages
  static constexpr size_t kFilledEnough = size_t{16} << 20, kMostFilled = 8 * kFilledEnough;  // bytes of filled_, and half of what they have, from which long blocks get them, too
  static constexpr unsigned kReadyShare = 4, kMostReady = 16;               // ... a quarter as many as are open, at most so many, made ready at once
  static constexpr unsigned kHalfCommit = 64;  // granules first committed of each hugepage below kHugeFrom: half of one is never made huge
  static constexpr unsigned kDenseShare = 16, kFillingShare = 8;         // ... while no more than 1/16 of the opened ones is free, or 1/8
  static constexpr size_t kFilling = size_t{3} * kGranulesPerHugepage;   // ... and this, which threads that grow at once have in hand
  static constexpr unsigned kDenseFree = 6;       // granules of a hugepage that may be free when it is moved into a huge page
  static constexpr unsigned kDenseLooks = 20;     // ... after so many looks, of which the purger has 20 in a decay period
  static constexpr unsigned kWorthBreaking = kGranulesPerHugepage / 2;
  // Two mappings more, in the eyes of the kernel, for each hugepage that is not to become huge again: a process may have 65530.
  static constexpr size_t kMostPlain = 400, kLivePerPlain = (size_t{8} << 20) >> kLgGranule;  // the latter granules
  static constexpr unsigned kShortRun = (64u << 10) >> kLgGranule;
  static constexpr uint64_t kSlowNs = 2'000'000;  // of CPU for one huge page, or kSlowShare times what its small pages would take: it is not worth it now
  static constexpr unsigned kSlowShare = 2, kFirstPause = 8;
  static constexpr size_t kTellsCost = size_t{64} << 10;  // bytes populated at once whose price says something
  static constexpr unsigned kLongestPause = 512;    // hugepages
};

// A heap's own, yet not in it: small programs touch none of these pages.
struct ExtentHeap::Seldom {
 private:
  friend class ExtentHeap;
  Flight flights[kFlights] = {};
  Rest rests[kRests] = {};
  List<Extent, &Extent::next, &Extent::prev> mapped[kMappedBuckets];
};

extern ExtentHeap::Seldom g_seldom;
extern ExtentHeap g_extents;

}  // namespace xalloc
