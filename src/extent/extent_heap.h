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
// Placement: the hugepage with the shortest sufficient free run, among the first few of those the one with most allocations;
// inside it a dirty run before a fresh one, then the tightest, then the lowest: sparse hugepages drain, fresh ones stay fresh.
// Peak control: residency does not grow while more than max(8 MiB, dirty_limit % of what is used) lies dirty elsewhere.
// Thread safety: all public functions may be called by any thread that holds no lock of rank kExtents or above.
#pragma once

#include "conf/options.h"
#include "extent/extent.h"
#include "meta/meta.h"
#include "os/lock.h"

namespace xalloc {

struct ExtentStats {
  size_t used = 0, dirty = 0, mapped_blocks = 0;  // bytes now
  size_t peak = 0;                                // bytes: the most that used + dirty + mapped_blocks has been
  size_t committed = 0, reserved = 0;             // bytes of the regions
  uint64_t purges = 0, purged = 0;                // calls, bytes
  uint64_t dirtied = 0;                           // bytes that became dirty, ever
  uint64_t blocks = 0;                            // large and mapped blocks handed out, ever
};

class ExtentHeap {
 public:
  constexpr ExtentHeap(const os::PageOps& pages, PageMap& map, MetaAllocator& meta) : pages_(pages), map_(map), meta_(meta) {}

  // A run of `granules` aligned to `alignment` bytes (a power of two, at most kHugepage), at most kMaxGranules.
  // *zeroed: all of it reads as zero. Null: the kernel refused.
  Extent* Allocate(size_t granules, size_t alignment, Extent::Kind kind, bool* zeroed);
  void Free(Extent* extent);
  // The same extent, longer, where free granules follow; false: nothing changed.
  bool Extend(Extent* extent, size_t granules);
  // The same extent, shorter; granules > 0.
  void Shrink(Extent* extent, size_t granules);
  // Slabs: every granule leads to the extent.
  void SetOwners(Extent* extent);

  // A block in a mapping of its own, at least `bytes`.
  Extent* Map(size_t bytes, size_t alignment);
  void Unmap(Extent* extent);
  // Resizes by moving page tables. Null: refused, and the block is as it was.
  bool Remap(Extent* extent, size_t bytes, bool may_move);

  // The extent around p, or null. p may be anything. For a block, only its first granule leads to it.
  XALLOC_INLINE Extent* Find(const void* p) {
    Hugepage* h = map_.HugepageOf(p);
    return XALLOC_LIKELY(h != nullptr) ? h->owner[GranuleOf(p)] : FindOutside(p);
  }
  // The block that p lies inside of, or null: for reports only, it searches.
  Extent* FindAround(const void* p);
  // True if p lies in a region of ours.
  bool Contains(const void* p);

  // Gives back at least `bytes` of dirty memory, the longest dirty first, or all there is. Returns bytes given back.
  size_t Purge(size_t bytes);
  ExtentStats Stats();
  os::Lock& lock() { return lock_; }
  os::Lock& grow_lock() { return grow_lock_; }
  const os::PageOps& pages() const { return pages_; }

  // Checks every invariant; panics on the first that is broken. Debug builds and tests. `alone`: no other thread grows or purges, so
  // that what is not free is in use.
  void Validate(bool alone = false);

  static constexpr size_t kMaxGranules = 4096;  // 64 MiB: above, a mapping of its own

 private:
  using HugepageList = List<Hugepage, &Hugepage::next, &Hugepage::prev>;
  using DirtyList = List<Hugepage, &Hugepage::dirty_next, &Hugepage::dirty_prev>;
  struct Piece {
    Hugepage* hugepage;
    Run run;
    bool purged;
    bool zeroed;
  };
  static constexpr unsigned kBatch = 32;

  Hugepage* HugepageOf(const void* p);
  static unsigned IndexOf(const Hugepage* h) { return static_cast<unsigned>(h - h->region->pages); }
  static unsigned GranuleOf(const void* p) { return static_cast<unsigned>(reinterpret_cast<uintptr_t>(p) >> kLgGranule) % kGranulesPerHugepage; }
  Region* RegionAround(const void* p);
  Extent* FindOutside(const void* p);

  // All below: under lock_.
  struct Place {
    Hugepage* hugepage;
    unsigned granule;
  };
  Place FindFree(unsigned granules, unsigned align_granules) { return granules <= kGranulesPerHugepage ? FindRun(granules, align_granules) : FindSpan(granules); }
  Place FindRun(unsigned granules, unsigned alignment);
  Place FindSpan(unsigned granules);
  static Run BestRun(const Hugepage* h, unsigned granules, unsigned alignment);
  bool AllFree(Place from, size_t granules);
  bool Take(Place from, size_t granules);
  void Give(Place from, size_t granules);
  void Relist(Hugepage* h, unsigned old_longest);
  void MarkDirty(Hugepage* h, Run run);
  void NotePeak();
  size_t DirtyBound() const;
  unsigned CollectDirty(Piece* pieces, size_t target);
  void ReturnPurged(const Piece* pieces, unsigned n);

  // Without lock_.
  bool Grow(size_t granules, unsigned align_granules);
  // Under grow_lock_.
  bool OpenPartial(Hugepage* h, unsigned committed);
  bool OpenFresh(Region* region, unsigned count, unsigned committed);
  Region* RegionWithFresh(unsigned count) const;
  bool AddRegion(size_t at_least);
  bool WindowHolds(uintptr_t begin, size_t bytes) const;
  void PurgePiece(Piece& piece);
  Extent* NewExtent();

  const os::PageOps& pages_;
  PageMap& map_;
  MetaAllocator& meta_;

  os::Lock grow_lock_;  // one thread grows at a time; held over the system calls of growth, guards the page map's extent
  size_t next_region_bytes_ = kFirstRegion;  // under grow_lock_
  uintptr_t next_region_hint_ = 0;           // under grow_lock_
  size_t address_space_limit_ = 0;           // under grow_lock_; 0: not read yet
  os::Lock lock_;       // guards all below
  HugepageList by_longest_[kGranulesPerHugepage + 1];
  uint64_t nonempty_[3] = {};  // bit i: by_longest_[i] is not empty
  DirtyList dirty_list_;       // front: longest dirty
  Region* regions_ = nullptr;  // newest first
  Hugepage* partial_ = nullptr;  // the process's first hugepage, while it is not committed to its end
  Extent* spares_ = nullptr;
  size_t used_ = 0, dirty_ = 0;  // granules
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

  static constexpr unsigned kMappedBuckets = 256;
  List<Extent, &Extent::next, &Extent::prev> mapped_[kMappedBuckets];
  static unsigned BucketOf(const void* p) { return static_cast<unsigned>((reinterpret_cast<uintptr_t>(p) >> 12) * 0x9E3779B97F4A7C15ull >> 56); }

  static constexpr size_t kFirstRegion = size_t{64} << 20, kLargestRegion = size_t{1} << 30;
  static constexpr unsigned kFirstCommit = 16;  // granules: 256 KiB, then doubling to the whole hugepage
};

extern ExtentHeap g_extents;

}  // namespace xalloc
