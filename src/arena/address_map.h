// SPDX-License-Identifier: MIT
// address_map.h: which of a set of disjoint ranges an address lies in. For what may lie anywhere, outside of the page map's window.
//
//   Owns     a sorted table of ranges; a table that has become too small stays where it is, for readers may still be in it
//   Used by  manual arenas (address -> chunk), the default extent hooks
//   Never    locks for a reader, unless a writer keeps it waiting
//
// Readers search the table and look at the version before and after: odd, a writer is at it; changed, what was read means nothing.
// Thread safety: all functions, any thread. While the map is empty a look-up is one load.
#pragma once

#include "base/bits.h"
#include "meta/meta.h"

namespace xalloc {

class AddressMap {
 public:
  constexpr explicit AddressMap(MetaAllocator& meta) : meta_(meta) {}

  enum class Inserted : uint8_t { kDone, kOverlaps, kNoMemory };
  // May ask the kernel for memory: no lock held.
  Inserted Insert(const void* begin, size_t bytes, void* value);
  // What began there; null: nothing did.
  void* Remove(const void* begin);

  // Who passed us a pointer has passed on, with it, that there is something in the map.
  XALLOC_INLINE bool empty() const { return count_.Relaxed() == 0; }
  XALLOC_INLINE void* Find(const void* p) { return XALLOC_LIKELY(empty()) ? nullptr : Search(reinterpret_cast<uintptr_t>(p)); }
  os::Lock& lock() { return lock_; }

 private:
  // Each word is written under the lock (release) and read without (acquire), so that who reads a new one sees the version odd.
  struct Row {
    Atomic<uintptr_t> begin, end;
    Atomic<void*> value;
  };
  struct Table {
    uint32_t capacity;  // never changes
    Row rows[];
  };
  static constexpr uint32_t kFirst = 21;  // rows in 512 bytes

  XALLOC_NOINLINE void* Search(uintptr_t at);
  bool SearchOnce(uintptr_t at, void** found) const;
  static uint32_t UpperBound(const Table* table, uint32_t count, uintptr_t at);
  static void CopyRow(Row& to, const Row& from);
  Inserted InsertLocked(uintptr_t begin, uintptr_t end, void* value);
  bool MakeRoom();

  MetaAllocator& meta_;
  os::Lock lock_;                // guards all writing
  Atomic<uint32_t> version_{0};  // odd while somebody writes
  Atomic<uint32_t> count_{0};    // rows in use; that there are any is read relaxed, see empty()
  Atomic<Table*> table_{nullptr};
};

}  // namespace xalloc
