// SPDX-License-Identifier: MIT
// Huge pages for blocks longer than a hugepage, in a program that fills such blocks. Of a live block nobody knows what of it is used; one
// that comes back tells. Apart from extent_huge.cc, because few programs run it: see XALLOC_RUN_LATE.
#include "extent/extent_heap.h"
#include "os/system.h"

namespace xalloc {
namespace {
constexpr size_t kLooks = 8, kMostZero = 2, kStep = 4096, kLineWords = 8;
constexpr uint64_t kSlowLookNs = 300'000;
constexpr unsigned kLooksSkipped = 256;

// Whether a line is other than zero in nearly all of a few pages, in the middle of each eighth. What was never touched reads as zero, at the price
// of a page fault: the end comes first, for who uses a part of a block uses its start. (The kernel could be asked what has memory; sandboxes that
// know all that libc's malloc needs kill for it.)
bool LooksFilled(const char* base, size_t bytes) {
  const size_t part = bytes / kLooks;
  size_t zero = 0;
  for (size_t i = kLooks; i-- > 0 && zero <= kMostZero;) {
    const auto* line = reinterpret_cast<const uint64_t*>(base + AlignDown(i * part + part / 2, kStep));
    uint64_t any = 0;
    for (size_t k = 0; k < kLineWords; ++k) any |= line[k];
    zero += any == 0;
  }
  return zero <= kMostZero;
}
}  // namespace

// A block that was not filled halves what is known, so that a program may have some. Not those with mappings of their own: of these a program
// may have taken a part away from itself, and nobody has to know when they go. Where a look is slow, for what it reads was swapped out, many
// blocks go by before the next.
void ExtentHeap::LearnFrom(const Extent* freed) {
  if (freed->kind == Extent::Kind::kMapped || !MayBeHuge() || Sizes().Resident() < kHugeFrom) return;
  if (const unsigned skip = look_skip_.Relaxed(); skip != 0) return look_skip_.SetRelaxed(skip - 1);
  const size_t bytes = freed->block.usable, known = filled_.Relaxed();
  const uint64_t begin = os::NowNs();
  filled_.SetRelaxed(LooksFilled(freed->base, bytes) ? Min(known + bytes, kMostFilled) : known / 2);
  if (os::NowNs() - begin > kSlowLookNs) look_skip_.SetRelaxed(kLooksSkipped);
}

bool ExtentHeap::FillsBlocks() const {
  return MayBeHuge() && (g_options.thp == static_cast<int64_t>(Thp::kAlways) || filled_.Relaxed() >= kFilledEnough);
}

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
