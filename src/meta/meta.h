// SPDX-License-Identifier: MIT
// meta.h: memory for our own bookkeeping: descriptors, bitmaps, thread caches.
//
//   Owns     a static first chunk (a small program makes no mapping for it), then mappings of its own
//   Used by  extent, arena, cache
//   Never    gives a chunk back; freed blocks are reused for the same size class
//
// Thread safety: any thread; takes the kMeta lock, and must not be called under a lock of rank kExtents or kBin where it may
// have to map (that is a system call): callers allocate before they lock.
#pragma once

#include <stddef.h>

#include "os/lock.h"
#include "os/pages.h"

namespace xalloc {

class MetaAllocator {
 public:
  constexpr explicit MetaAllocator(const os::PageOps* pages) : pages_(pages) {}

  // A zero-filled block of `size` bytes, 64-byte aligned; null if the kernel refuses. Blocks are rounded up to four sizes a doubling
  // (64 bytes at least); those above kDirect to pages.
  void* Allocate(size_t size);
  // `size` as it was asked for.
  void Free(void* block, size_t size);

  // Address space to fall back on when the kernel maps no more: [at, at + bytes), page-aligned, not committed. Given once.
  void SetSpare(char* at, size_t bytes);

  // Bytes taken from the chunks so far, free blocks included.
  size_t allocated_bytes() {
    os::Guard<os::Rank::kMeta> guard(lock_);
    return allocated_;
  }
  // Of them, in huge pages that were asked for.
  size_t huge_bytes() {
    os::Guard<os::Rank::kMeta> guard(lock_);
    return huge_;
  }
  os::Lock& lock() { return lock_; }

 private:
  static constexpr size_t kDirect = 64 * 1024;
  static constexpr unsigned kClasses = 36;  // 64, 128, 192, 256, then four a doubling to kDirect
  struct FreeBlock {
    FreeBlock* next;
  };
  static unsigned ClassOf(size_t size);
  static size_t ClassBytes(unsigned cls);
  void* Take(size_t bytes);
  void Push(void* block, unsigned cls);
  bool AddChunk(size_t at_least);
  char* TakeSpare(size_t bytes);
  bool WantsHuge();
  char* MapHuge();

  const os::PageOps* pages_;
  os::Lock lock_;  // guards all below
  char* cursor_ = nullptr;
  char* end_ = nullptr;
  size_t chunk_bytes_ = 0;  // of the newest chunk; 0: the static one is still to come
  size_t allocated_ = 0;
  size_t huge_ = 0;  // bytes of chunks that huge pages were asked for
  char* spare_ = nullptr;
  char* spare_end_ = nullptr;
  FreeBlock* free_[kClasses] = {};
};

extern MetaAllocator g_meta;

}  // namespace xalloc
