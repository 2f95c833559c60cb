// SPDX-License-Identifier: MIT
#include "meta/meta.h"

#include <string.h>

#include "base/bits.h"
#include "conf/options.h"
#include "meta/page_map.h"
#include "os/system.h"

namespace xalloc {

constinit MetaAllocator g_meta{&os::kKernelPages};

namespace {
constexpr size_t kLeastAligned = 64;
constexpr size_t kMostAligned = 4096;  // blocks of this and more start on a multiple of it, whatever the page size
// The first chunk costs no system call and, page by page, only what is touched. It serves g_meta alone.
constexpr size_t kStaticBytes = 128 * 1024;
alignas(kLeastAligned) constinit char g_static_chunk[kStaticBytes] = {};
constexpr size_t kFirstChunk = 256 * 1024, kLargestChunk = 1024 * 1024, kSpareStep = 64 * 1024;
constexpr size_t kHugeFrom = size_t{2} << 20;  // of metadata: from here on a huge page more is no more than it has already
}  // namespace

unsigned MetaAllocator::ClassOf(size_t size) {
  if (size <= 256) return static_cast<unsigned>(size == 0 ? 0 : (size - 1) / 64);
  const unsigned lg = FloorLog2(size - 1);
  return (lg - 8) * 4 + static_cast<unsigned>((size - 1) >> (lg - 2));
}
size_t MetaAllocator::ClassBytes(unsigned cls) {
  return cls < 4 ? (cls + 1) * 64 : (size_t{5} + cls % 4) << (cls / 4 + 5);
}

void* MetaAllocator::Allocate(size_t size) {
  if (size > kDirect) {
    const size_t bytes = AlignUp(size, os::PageSize());
    void* block = pages_->map(bytes);
    if (block != nullptr) {
      os::Guard<os::Rank::kMeta> guard(lock_);
      allocated_ += bytes;
    }
    return block;
  }
  const unsigned cls = ClassOf(size);
  const size_t bytes = ClassBytes(cls);
  for (;;) {
    lock_.Acquire(os::Rank::kMeta);
    if (FreeBlock* block = free_[cls]; block != nullptr) {
      free_[cls] = block->next;
      lock_.Release(os::Rank::kMeta);
      memset(static_cast<void*>(block), 0, bytes);
      return block;
    }
    void* fresh = Take(bytes);
    lock_.Release(os::Rank::kMeta);
    if (fresh != nullptr) return fresh;
    if (!AddChunk(bytes)) return nullptr;
  }
}

void MetaAllocator::Free(void* block, size_t size) {
  if (size > kDirect) {
    const size_t bytes = AlignUp(size, os::PageSize());
    pages_->unmap(block, bytes);
    os::Guard<os::Rank::kMeta> guard(lock_);
    allocated_ -= bytes;
    return;
  }
  os::Guard<os::Rank::kMeta> guard(lock_);
  Push(block, ClassOf(size));
}

void MetaAllocator::Push(void* block, unsigned cls) {
  auto* free_block = static_cast<FreeBlock*>(block);
  free_block->next = free_[cls];
  free_[cls] = free_block;
}

// From the current chunk; null when it is used up. What alignment leaves out becomes free blocks.
void* MetaAllocator::Take(size_t bytes) {
  if (chunk_bytes_ == 0 && this == &g_meta) {
    // The page that it begins in is left to the variables before it.
    cursor_ = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(g_static_chunk), kMostAligned));
    end_ = g_static_chunk + kStaticBytes;
    chunk_bytes_ = kStaticBytes;
  }
  const size_t alignment = bytes >= kMostAligned ? kMostAligned : kLeastAligned;
  char* const at = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(cursor_), alignment));
  if (cursor_ == nullptr || at > end_ || static_cast<size_t>(end_ - at) < bytes) return nullptr;
  allocated_ += static_cast<size_t>(at - cursor_) + bytes;
  // In powers of two, which most of the requests are; they lie in the page that the last block ends in.
  while (cursor_ != at) {
    const size_t part = size_t{1} << FloorLog2(static_cast<size_t>(at - cursor_));
    Push(cursor_, ClassOf(part));
    cursor_ += part;
  }
  cursor_ = at + bytes;
  return at;
}

bool MetaAllocator::WantsHuge() {
  if (os::HugePageSize() != kHugepage) return false;
  const auto thp = static_cast<MetadataThp>(g_options.metadata_thp);
  return thp == MetadataThp::kAlways || (thp == MetadataThp::kAuto && allocated_bytes() >= kHugeFrom);
}

// The rest of the old chunk is given up: less than one block, untouched.
bool MetaAllocator::AddChunk(size_t at_least) {
  lock_.Acquire(os::Rank::kMeta);
  size_t bytes = Max(Min(chunk_bytes_ * 2, kLargestChunk), kFirstChunk);
  lock_.Release(os::Rank::kMeta);
  void* chunk = nullptr;
  if (WantsHuge()) {
    chunk = MapHuge();
    if (chunk != nullptr) bytes = kHugepage;
  }
  const bool huge = chunk != nullptr;
  if (chunk == nullptr) chunk = pages_->map(bytes);
  while (chunk == nullptr && bytes / 2 >= Max(at_least + kMostAligned, os::PageSize())) {
    bytes /= 2;
    chunk = pages_->map(bytes);
  }
  if (chunk == nullptr) {
    bytes = AlignUp(Max(at_least + kMostAligned, kSpareStep), os::PageSize());
    chunk = TakeSpare(bytes);
  }
  if (chunk == nullptr) return false;
  os::Guard<os::Rank::kMeta> guard(lock_);
  huge_ += huge ? bytes : 0;
  cursor_ = static_cast<char*>(chunk);
  end_ = cursor_ + bytes;
  chunk_bytes_ = bytes;
  return true;
}

// A hugepage of its own, aligned. Null: refused.
char* MetaAllocator::MapHuge() {
  constexpr size_t kMapped = 2 * kHugepage;
  auto* at = static_cast<char*>(pages_->map(kMapped));
  if (at == nullptr) return nullptr;
  auto* aligned = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(at), kHugepage));
  if (aligned != at) pages_->unmap(at, static_cast<size_t>(aligned - at));
  pages_->unmap(aligned + kHugepage, static_cast<size_t>(at + kMapped - aligned - kHugepage));
  pages_->advise_huge(aligned, kHugepage, true);
  return aligned;
}

void MetaAllocator::SetSpare(char* at, size_t bytes) {
  os::Guard<os::Rank::kMeta> guard(lock_);
  spare_ = at;
  spare_end_ = at + bytes;
}

char* MetaAllocator::TakeSpare(size_t bytes) {
  lock_.Acquire(os::Rank::kMeta);
  char* taken = static_cast<size_t>(spare_end_ - spare_) >= bytes ? spare_ : nullptr;
  if (taken != nullptr) spare_ += bytes;
  lock_.Release(os::Rank::kMeta);
  return taken != nullptr && pages_->commit(taken, bytes) ? taken : nullptr;
}

}  // namespace xalloc
