// SPDX-License-Identifier: MIT
// extent.h: a run of granules in use, and the hugepage it lies in. Plain data; ExtentHeap gives it meaning.
#pragma once

#include "base/bitmap.h"
#include "base/list.h"
#include "meta/page_map.h"

namespace xalloc {

// One 64-byte descriptor per extent, out of band: an overrun or a write after free cannot reach it.
//
//   kSlab    equal slots of one size class; the payload is arena/slab.h's
//   kLarge   one block of whole granules inside the heap
//   kMapped  one block in a mapping of its own
struct Extent {
  enum class Kind : uint8_t { kSlab, kLarge, kMapped };

  Extent* next;  // the list its owner keeps it in (a bin's slabs, a hash chain, spares)
  Extent* prev;
  union {
    uint64_t bits[4];     // kSlab: 1 = free slot, when there are at most 256
    uint64_t* side_bits;  // kSlab: the same, out of line, above 256
    struct {
      size_t usable;         // bytes the caller may use
      char* mapping;         // kMapped: where the mapping starts
      size_t mapping_bytes;  // kMapped: whole pages, the usable ones or more
    } block;
  };
  char* base;  // granule-aligned; kMapped: page-aligned
  uint16_t free_count;  // kSlab: free slots
  uint16_t granules;    // kSlab, kLarge
  uint8_t size_class;   // kSlab
  uint8_t arena;        // kSlab: owner
  uint8_t bucket : 4;   // kSlab: which list of its bin; kNoBucket: none
  uint8_t cold : 2;     // kSlab: see arena/cold.cc; 0 whenever a slot moves
  bool huge : 1;        // kMapped: huge pages were asked for
  Kind kind;
};
static_assert(sizeof(Extent) == 64);

struct Region;
struct Hugepage;

// A hugepage's place in a RunIndex: next to those whose longest run is as long.
struct RunLinks {
  Hugepage* next;
  Hugepage* prev;
  uint8_t longest;  // granules
};

// One 2 MiB unit of a region and what is known of its granules.
// Invariants: I1 dirty is a subset of free, and muzzy of dirty. I2 a granule is in at most one of {free, owned by an extent, being purged}.
// I3 by_free.longest == free.LongestRun(). I4 by_dirty.longest == dirty.LongestRun().
// I5 free and zero are clear from granule `committed` up. I6 it is in the dirty list iff dirty is not empty.
struct Hugepage {
  RunLinks by_free, by_dirty;  // see run_index.h
  Hugepage* dirty_next;
  Hugepage* dirty_prev;
  char* base;
  Region* region;
  Bitmap128 free;   // committed and in nobody's hands
  Bitmap128 dirty;  // free, and backed by memory
  Bitmap128 zero;   // free, and reads as zero: fresh, purged, or populated ahead of use
  Bitmap128 muzzy;  // dirty, and offered to the kernel, which may have taken it
  uint16_t allocations;  // extents that begin here
  uint8_t committed;     // granules from the start that are readable and writable
  bool huge;    // one huge page is behind it, for all we know
  bool wanted;  // the kernel was told to make it huge: one touch of it, while it is empty, brings all of it in
  bool plain;   // the kernel was told not to make it huge again: it was given back in part
  bool hollow;  // pages inside of its slabs were given back since it was all free: a huge page would bring them in again
  uint8_t dense;  // how often in a row it was found nearly full when the purger looked for huge pages to make
  Extent* owner[kGranulesPerHugepage];  // slabs: at each granule; blocks: at the first
};

// A PROT_NONE mapping, huge-page aligned, whose hugepages are opened one after the other. What is not opened yet has an untouched
// descriptor: a fresh region costs no memory.
struct Region {
  Region* next;
  char* base;
  uint32_t hugepages;   // in it
  uint32_t next_fresh;  // the first never opened
  uint32_t ready;       // the first that was not made readable and writable, whole or in part; under the lock of growth, as is
  bool ready_huge;      // ... whether the kernel was told to make those huge that are ready and not opened
  Hugepage pages[];
};

// Calls fn(hugepage, run) for each hugepage that [granule, granule + n) touches; stops when fn says false.
template <class Fn>
bool ForEachPiece(Hugepage* h, unsigned granule, size_t n, Fn fn) {
  while (n > 0) {
    const auto here = static_cast<unsigned>(Min<size_t>(n, kGranulesPerHugepage - granule));
    if (!fn(h, Run{granule, here})) return false;
    n -= here;
    granule = 0;
    ++h;
  }
  return true;
}

}  // namespace xalloc
