// SPDX-License-Identifier: MIT
// Huge pages for blocks longer than a hugepage, in a program that fills such blocks: those that come back tell, and the one before the next.
// Apart from extent_huge.cc, because few programs run it: see XALLOC_RUN_LATE.
#include "extent/extent_heap.h"

namespace xalloc {
namespace {
constexpr size_t kLooks = 8, kMostZero = 2, kStep = 4096, kLineWords = 16, kForgets = 4;
constexpr uint64_t kSlowLookNs = 300'000;
constexpr unsigned kLooksSkipped = 256;

bool IsOther(const uint32_t* word) { return *word != 0; }

// Whether a line is other than zero in all but `most_zero` of a few pages, in the middle of each eighth. What was never touched reads as zero, at
// the price of a page fault: the end comes first, for who uses a part of a block uses its start. (The kernel could be asked what has memory;
// sandboxes that know all that libc's malloc needs kill for it.)
bool LooksFilled(const char* base, size_t bytes, size_t most_zero, bool (*holds)(const uint32_t*)) {
  const size_t part = bytes / kLooks;
  size_t zero = 0;
  for (size_t i = kLooks; i-- > 0 && zero <= most_zero;) {
    const auto* line = reinterpret_cast<const uint32_t*>(base + AlignDown(i * part + part / 2, kStep));
    bool any = false;
    for (size_t k = 0; k < kLineWords && !any; ++k) any = holds(line + k);
    zero += !any;
  }
  return zero <= most_zero;
}

// In one word: where a long block is, how many hugepages long, as far as there is room for it, and whether they were told to be huge.
constexpr size_t kTold = kGranule / 2;
uintptr_t LongBlock(const void* base, size_t bytes) { return AlignDown(reinterpret_cast<uintptr_t>(base), kGranule) | Min(bytes / kHugepage, kTold - 1); }
}  // namespace

// Where a look is slow, for what it reads was swapped out, many blocks go by before the next.
bool ExtentHeap::Look(const char* base, size_t bytes, size_t most_zero, bool kernel_looks) {
  const uint64_t begin = pages_.now();
  const bool filled = LooksFilled(base, bytes, most_zero, kernel_looks ? pages_.holds : IsOther);
  if (pages_.now() - begin > kSlowLookNs) look_skip_.SetRelaxed(kLooksSkipped);
  return filled;
}

bool ExtentHeap::Learns() { return MayBeHuge() && Sizes().Resident() >= kHugeFrom; }

// The last block that was handed out is its owner's, who may have closed a part of it or may be about to free it. If it was given huge pages and is
// not filled by now, the next one gets none, for many may be meant to be sparse and to stay. If it was given none, only all of it counts: what is
// not filled may be later.
void ExtentHeap::LearnFromLast() {
  const uintptr_t last = last_.Relaxed();
  if (XALLOC_LIKELY(last == 0) || look_skip_.Relaxed() != 0 || !Learns()) return;
  const bool told = (last & kTold) != 0;
  const size_t bytes = last % kTold * kHugepage, known = filled_.Relaxed();
  const bool filled = Look(reinterpret_cast<const char*>(AlignDown(last, kGranule)), bytes, told ? kMostZero : 0, true);
  if (filled != told) filled_.SetRelaxed(filled ? Min(known + bytes, kMostFilled) : known / kForgets);
}

void ExtentHeap::NoteLast(const void* base, size_t bytes) { last_.SetRelaxed(LongBlock(base, bytes) | (FillsBlocks(bytes) ? kTold : 0)); }

void ExtentHeap::ForgetLast(const void* base) {
  if (AlignDown(last_.Relaxed() ^ reinterpret_cast<uintptr_t>(base), kGranule) == 0) last_.SetRelaxed(0);
}

// A block that was not filled takes three quarters of what is known away, so that a program may have some. Of a mapping of its own a program may
// have taken a part away from itself.
void ExtentHeap::LearnFrom(const Extent* freed) {
  ForgetLast(freed->base);
  if (!Learns()) return;
  if (const unsigned skip = look_skip_.Relaxed(); skip != 0) return look_skip_.SetRelaxed(skip - 1);
  const size_t bytes = freed->block.usable, known = filled_.Relaxed();
  const bool filled = Look(freed->base, bytes, kMostZero, freed->kind == Extent::Kind::kMapped);
  filled_.SetRelaxed(filled ? Min(known + bytes, kMostFilled) : known / kForgets);
}

// At least half as much as the block has was filled: one long array of which little is used is not huge for the sake of a few buffers.
bool ExtentHeap::FillsBlocks(size_t bytes) const {
  return MayBeHuge() && (g_options.thp == static_cast<int64_t>(Thp::kAlways) || filled_.Relaxed() >= Min(Max(bytes / 2, kFilledEnough), kMostFilled));
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
  if (fresh.huge && !MakeHuge(fresh.first->base, fresh.count * kHugepage)) return;
  lock_.Acquire(os::Rank::kExtents);
  const bool may_be_plain = plain_ + fresh.count <= kMostPlain + used_ / kLivePerPlain;
  for (unsigned i = 0; i < fresh.count; ++i) {
    Hugepage* h = &fresh.first[i];
    const bool plain = !fresh.huge && may_be_plain;
    plain_ = plain_ - h->plain + plain;
    h->plain = plain;
    h->wanted = !plain;
    if (!plain) MarkHuge(h);
  }
  lock_.Release(os::Rank::kExtents);
  if (!fresh.huge && may_be_plain) pages_.advise_huge(fresh.first->base, fresh.count * kHugepage, false);
}

}  // namespace xalloc
