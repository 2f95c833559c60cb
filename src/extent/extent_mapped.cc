// SPDX-License-Identifier: MIT
// Blocks with a mapping of their own: very large ones, alignments above a hugepage, and blocks that realloc keeps growing.
// Found by a small hash of their address, under the heap's lock.
#include "extent/extent_heap.h"
#include "os/system.h"

namespace xalloc {

// Here, in a file that is linked late, it lies apart from all that small programs touch.
constinit ExtentHeap::Seldom g_seldom;

Extent* ExtentHeap::Map(size_t bytes, size_t alignment) {
  const size_t page = os::PageSize();
  const size_t usable = AlignUp(bytes, page);
  const size_t slack = alignment > page ? alignment - page : 0;
  if (usable < bytes || usable + slack < usable || usable + slack > PTRDIFF_MAX) return nullptr;
  Extent* extent = NewExtent();
  if (extent == nullptr) return nullptr;
  auto* mapping = static_cast<char*>(pages_.map(usable + slack));
  if (mapping == nullptr) {
    meta_.Free(extent, sizeof(Extent));
    return nullptr;
  }
  char* base = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(mapping), Max(alignment, page)));
  const auto head = static_cast<size_t>(base - mapping);
  if (head != 0) pages_.unmap(mapping, head);
  if (slack != head) pages_.unmap(base + usable, slack - head);
  EnterMapped(extent, base, usable);
  // All of it, so that it stays one mapping for the kernel.
  if (usable >= 2 * kHugepage && FillsBlocks(usable)) extent->huge = MakeHuge(base, usable);
  return extent;
}

Extent* ExtentHeap::MoveOut(const Extent* block) {
  Extent* extent = NewExtent();
  if (extent == nullptr) return nullptr;
  ForgetLast(block->base);
  auto* moved = static_cast<char*>(pages_.move_out(block->base, block->block.usable));
  if (moved != nullptr) return EnterMapped(extent, moved, block->block.usable);
  meta_.Free(extent, sizeof(Extent));
  return nullptr;
}

Extent* ExtentHeap::EnterMapped(Extent* extent, char* base, size_t usable) {
  extent->kind = Extent::Kind::kMapped;
  extent->huge = false;
  extent->base = base;
  extent->block = {usable, base, usable};
  lock_.Acquire(os::Rank::kExtents);
  seldom_.mapped[BucketOf(base)].PushFront(extent);
  stats_.mapped_blocks += usable;
  stats_.blocks++;
  NotePeak();
  const size_t stranded = Stranded();
  lock_.Release(os::Rank::kExtents);
  if (stranded != 0) Purge(stranded << kLgGranule);
  return extent;
}

void ExtentHeap::Unmap(Extent* extent) {
  lock_.Acquire(os::Rank::kExtents);
  seldom_.mapped[BucketOf(extent->base)].Remove(extent);
  stats_.mapped_blocks -= extent->block.mapping_bytes;
  lock_.Release(os::Rank::kExtents);
  pages_.unmap(extent->block.mapping, extent->block.mapping_bytes);
  os::Guard<os::Rank::kExtents> guard(lock_);
  KeepSpare(extent);
}

Extent* ExtentHeap::FindAround(const void* p) {
  const auto at = reinterpret_cast<uintptr_t>(p);
  auto inside = [at](const Extent* e, size_t bytes) { return at - reinterpret_cast<uintptr_t>(e->base) < bytes; };
  if (Hugepage* h = HugepageOf(p); h != nullptr) {
    // Back to the last extent that begins before p, over the hugepages of its region.
    for (size_t i = IndexOf(h) * size_t{kGranulesPerHugepage} + GranuleOf(p) + 1; i-- > 0;) {
      Extent* e = OwnerAt(&h->region->pages[i / kGranulesPerHugepage], i % kGranulesPerHugepage);
      if (e != nullptr) return e->kind == Extent::Kind::kLarge && inside(e, size_t{e->granules} << kLgGranule) ? e : nullptr;
    }
    return nullptr;
  }
  os::Guard<os::Rank::kExtents> guard(lock_);
  for (auto& chain : seldom_.mapped) {
    for (Extent* e = chain.front(); e != nullptr; e = e->next) {
      if (inside(e, e->block.usable)) return e;
    }
  }
  return nullptr;
}

bool ExtentHeap::Remap(Extent* extent, size_t bytes, bool may_move) {
  const size_t usable = AlignUp(bytes, os::PageSize());
  const size_t old_usable = extent->block.usable;
  const size_t old_bytes = extent->block.mapping_bytes;
  if (usable < bytes || usable > PTRDIFF_MAX) return false;
  if (usable == old_usable) return true;
  ForgetLast(extent->base);
  if (usable > old_usable && usable <= old_bytes) {
    os::Guard<os::Rank::kExtents> guard(lock_);
    extent->block.usable = usable;
    return true;
  }
  const bool huge = usable > old_usable && usable >= kHugeGrown && MayBeHuge() && (huge_skip_.Relaxed() == 0 || extent->huge);
  size_t new_bytes = huge ? AlignUp(usable, kHugepage) : usable;
  // Out of the table first: the moment the kernel moves it, its old address may become somebody else's block.
  lock_.Acquire(os::Rank::kExtents);
  seldom_.mapped[BucketOf(extent->base)].Remove(extent);
  lock_.Release(os::Rank::kExtents);
  auto* moved = static_cast<char*>(pages_.remap(extent->base, old_bytes, new_bytes, may_move));
  if (moved == nullptr && new_bytes != usable && may_move) {
    new_bytes = usable;
    moved = static_cast<char*>(pages_.remap(extent->base, old_bytes, new_bytes, may_move));
  }
  // Who lets a block grow fills it. All of it, so that it stays one mapping for the kernel, which can be moved as a whole.
  if (moved != nullptr && huge && !extent->huge) {
    extent->huge = pages_.advise_huge(moved, new_bytes, true);
    if (!extent->huge) no_huge_.SetRelaxed(true);
  }
  size_t stranded = 0;
  lock_.Acquire(os::Rank::kExtents);
  if (moved != nullptr) {
    extent->base = moved;
    extent->block = {usable, moved, new_bytes};
    stats_.mapped_blocks += new_bytes - old_bytes;
    NotePeak();
    if (new_bytes > old_bytes) stranded = Stranded();
  }
  seldom_.mapped[BucketOf(extent->base)].PushFront(extent);
  lock_.Release(os::Rank::kExtents);
  if (stranded != 0) Purge(stranded << kLgGranule);
  return moved != nullptr;
}

}  // namespace xalloc
