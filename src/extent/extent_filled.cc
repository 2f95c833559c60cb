// SPDX-License-Identifier: MIT
// Huge pages for blocks longer than a hugepage, in a program that fills such blocks. Of a live block nobody knows what of it is used; one
// that comes back tells. Apart from extent_huge.cc, because few programs run it: see XALLOC_RUN_LATE.
#include "extent/extent_heap.h"

namespace xalloc {

// One that was not filled halves what is known, so that a program may have some. A look at it leaves pages that read as zero where there were
// none, and so the next come after longer and longer pauses. Of a huge page all has memory, used or not: what reads as zero there says
// little, and is forgotten slowly; what reads as zero in small pages was written.
void ExtentHeap::LearnFrom(const Extent* freed) {
  constexpr unsigned kLongestSkip = 1024, kForgets = 4;
  if (!MayBeHuge()) return;
  lock_.Acquire(os::Rank::kExtents);
  const size_t bytes = freed->block.usable;
  const bool looks = Resident() >= kHugeFrom;
  const bool huge = freed->kind == Extent::Kind::kMapped ? freed->huge : HugepageOf(freed->base + bytes / 2)->huge;
  lock_.Release(os::Rank::kExtents);
  if (!looks) return;
  const unsigned skip = filled_skip_.Relaxed(), pause = filled_pause_.Relaxed();
  if (skip != 0) return filled_skip_.SetRelaxed(skip - 1);
  const os::Filling found = pages_.look_inside(freed->base, bytes, filled_where_.AddRelaxed(0x9E3779B9u));
  const bool part = found == os::Filling::kPart;
  const size_t known = filled_.Relaxed();
  if (part) {
    filled_.SetRelaxed(known / 2);
    filled_skip_.SetRelaxed(pause);
  } else {
    filled_.SetRelaxed(found == os::Filling::kZeroes && huge ? known - Min(known, bytes / kForgets) : Min(known + bytes, kMostFilled));
  }
  filled_pause_.SetRelaxed(part ? Min(pause * 2 + 1, kLongestSkip) : pause / 2);
}

bool ExtentHeap::FillsBlocks() const { return MayBeHuge() && (g_options.thp == static_cast<int64_t>(Thp::kAlways) || filled_.Relaxed() >= kFilledEnough); }

// The block is the caller's, and nobody has touched it. True: as soon as it is, it is huge.
bool ExtentHeap::MakeHuge(char* at, size_t bytes) {
  if (SkipsHuge(static_cast<unsigned>(bytes / kHugepage)) || !AdviseHuge(at, bytes)) return false;
  char* first = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(at), kHugepage));
  if (!TouchHuge(first)) return true;
  pages_.advise_huge(at, bytes, false);
  os::Guard<os::Rank::kExtents> guard(lock_);
  stats_.pages.stalls++;
  return false;
}

// Those of a block that nobody has touched.
void ExtentHeap::Tell(FreshHugepages fresh) {
  const bool fills = FillsBlocks();
  if (fills && !MakeHuge(fresh.first->base, fresh.count * kHugepage)) return;
  lock_.Acquire(os::Rank::kExtents);
  const bool may_be_plain = plain_ + fresh.count <= kMostPlain + used_ / kLivePerPlain;
  for (unsigned i = 0; i < fresh.count; ++i) {
    Hugepage* h = &fresh.first[i];
    const bool plain = !fills && may_be_plain;
    plain_ = plain_ - h->plain + plain;
    h->plain = plain;
    h->wanted = !plain;
    if (!plain) MarkHuge(h);
  }
  lock_.Release(os::Rank::kExtents);
  if (!fills && may_be_plain) pages_.advise_huge(fresh.first->base, fresh.count * kHugepage, false);
}

}  // namespace xalloc
