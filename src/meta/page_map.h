// SPDX-License-Identifier: MIT
// page_map.h: address -> what lives there. The window map of the hit path and the table behind it.
//
//   one reservation:   | ... Hugepage* [2] [1] [0] | code[0] code[1] code[2] ...      |
//                                                    ^ codes
//   codes[i]           one byte per 16 KiB granule of the window: 0 = not a slab of the shared arenas (free, large, outside),
//                      else the bin code of the size class in that granule
//   hugepages[-1 - j]  one pointer per 2 MiB of the window; slow paths only. It grows downward from the codes, which
//                      begin in the middle of a page: a small program touches one page of both.
//
// Invariants: I1 `base` and `codes` never change once `words` > 0. I2 `words` only grows, and the codes of what it covers
// are committed. I3 a code is written before any pointer into its granule is handed out, and cleared after the last came back:
// the hand-over of the pointer itself orders the two, so reads are plain. (The model: docs/design/models/page_map.pml. The hit path reads
// `words` plainly, too: a wild pointer that is freed while another thread makes the process's very first region may, on a CPU that
// reorders loads, meet a fault instead of the report.)
// Thread safety: reads by any thread, no lock; Init, MoveTo, CommitUpTo and SetEnd under the extent heap's growth lock; codes are
// written by whoever holds the extent.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/bits.h"
#include "os/pages.h"

namespace xalloc {

struct Hugepage;

constexpr unsigned kLgGranule = 14, kLgHugepage = 21;
constexpr size_t kGranule = size_t{1} << kLgGranule;
constexpr size_t kHugepage = size_t{1} << kLgHugepage;
constexpr unsigned kGranulesPerHugepage = 1u << (kLgHugepage - kLgGranule);

class alignas(64) PageMap {
 public:
  constexpr PageMap() = default;

  // For the hit path: false when p lies outside of the window, or is no multiple of a word, whose remainder the rotation makes the
  // most significant bits: one compare for both.
  XALLOC_INLINE bool CodeAt(const void* p, unsigned* code) const {
    const uintptr_t offset = reinterpret_cast<uintptr_t>(p) - base_;
    const size_t word = offset >> kLgWord | offset << (64 - kLgWord);
    if (XALLOC_UNLIKELY(word >= words_)) return false;
    *code = codes_[word >> (kLgGranule - kLgWord)];
    return true;
  }
  // The bin code at p; 0 for everything that is not in a slab: null, foreign, wild and large pointers.
  XALLOC_INLINE unsigned CodeOf(const void* p) const { return Covers(p) ? codes_[GranuleIndex(p)] : 0; }
  XALLOC_INLINE bool Covers(const void* p) const { return WordIndex(p) < words_; }

  // The hugepage around p, or null. p may be anything.
  XALLOC_INLINE Hugepage* HugepageOf(const void* p) const {
    // Acquire, here: pairs with SetEnd, so that base_ and codes_ are there; below: with SetHugepage, so that the hugepage is described.
    const size_t words = __atomic_load_n(&words_, __ATOMIC_ACQUIRE);
    const size_t i = WordIndex(p);
    return XALLOC_LIKELY(i < words) ? __atomic_load_n(HugepageSlot(i >> (kLgHugepage - kLgWord)), __ATOMIC_ACQUIRE) : nullptr;
  }

  // Reserves the map and chooses where the window begins. False if the kernel refuses. System calls; no lock.
  bool Init(const os::PageOps& pages, size_t address_space_limit);
  bool ready() const { return codes_ != nullptr; }
  // Address space behind the map, of the same reservation, for metadata when a program has limited itself so that nothing can be mapped
  // any more while regions still have room: enough for the slabs of the first region.
  static constexpr size_t kSpareBytes = size_t{2} << 20;
  char* spare() const { return spare_; }
  // Where the next region would best lie, and the end of what the map can describe.
  uintptr_t base() const { return base_; }
  uintptr_t limit() const { return base_ + (capacity_ << kLgGranule); }
  // Before anything is described: begins the window around `at` instead, because the kernel did not give what was asked for.
  void MoveTo(uintptr_t at);
  // Makes [base, end) describable. System call; the caller serialises growth (see ExtentHeap).
  bool CommitUpTo(const os::PageOps& pages, uintptr_t end);
  // Publishes it.
  void SetEnd(uintptr_t end);

  void SetHugepage(const void* at, Hugepage* hugepage);
  void SetCode(const void* at, unsigned granules, unsigned code);

 private:
  static constexpr unsigned kLgWord = 3;
  XALLOC_INLINE size_t WordIndex(const void* p) const { return (reinterpret_cast<uintptr_t>(p) - base_) >> kLgWord; }
  XALLOC_INLINE size_t GranuleIndex(const void* p) const { return (reinterpret_cast<uintptr_t>(p) - base_) >> kLgGranule; }
  Hugepage** HugepageSlot(size_t index) const { return reinterpret_cast<Hugepage**>(codes_) - 1 - index; }

  uintptr_t base_ = 0;
  size_t words_ = 0;  // of 8 bytes, in the window as far as it is described
  uint8_t* codes_ = nullptr;
  char* spare_ = nullptr;
  size_t capacity_ = 0;   // granules that the reservation can describe
  size_t committed_codes_ = 0, committed_slots_ = 0;  // bytes on both sides of codes_
};

// The process's one window. Hidden, constant-initialised: the hit path reads its first cache line.
extern PageMap g_page_map;

}  // namespace xalloc
