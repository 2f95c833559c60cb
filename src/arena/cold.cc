// SPDX-License-Identifier: MIT
// Giving back pages inside of slabs. A slab with a few live blocks keeps all of its memory, and caches leave one object a class even when
// they are drained: in a process that has shrunk, most of what is left are such slabs.
//
// Extent::cold of a slab: 0 a slot has moved since the last look, 1 none has, 2 its free pages have been given back, 3 they were not worth it. While that happens,
// the free slots are taken out of it, as if they were handed out; one slab at a time, in the whole process.
#include "arena/arena.h"
#include "os/system.h"

namespace xalloc {
namespace {

enum Cold : uint8_t { kTouched, kStill, kGivenBack, kNotWorthIt };

// Whose free slots are out. A fork child, in which the thread that took them is no more, finds them here.
struct OnLoan {
  Atomic<uint32_t> busy{0};    // by who gives pages back (acquire, release)
  Extent* slab = nullptr;      // written under the lock of its bin
  uint64_t free[kMostSlots / 64] = {};
};
constinit OnLoan g_loan;

constexpr unsigned kLooksUnderLock = 64;
// Of a slab that lives: what is less is not worth a system call.
constexpr size_t kWorthACall = size_t{16} << 10;
constexpr unsigned kSparseFrom = kBuckets - 1;  // the list of slabs of which seven eighths are free

// Calls fn(from, bytes) for each run of whole pages of the kernel that are free in the slab.
template <class Fn>
void ForEachFreeRun(const Extent* slab, const uint64_t* free, Fn fn) {
  const SlabShape& shape = ShapeOf(slab->size_class);
  const auto is_free = [free](unsigned i) { return (free[i / 64] >> (i % 64) & 1) != 0; };
  for (unsigned i = 0; i < shape.slots;) {
    if (!is_free(i)) {
      ++i;
      continue;
    }
    const unsigned begin = i;
    while (i < shape.slots && is_free(i)) ++i;
    char* const end = i == shape.slots ? slab->base + size_t{shape.granules} * kGranule : slab->base + size_t{i} * shape.slot_size;
    const uintptr_t from = AlignUp(reinterpret_cast<uintptr_t>(slab->base + size_t{begin} * shape.slot_size), os::PageSize());
    const uintptr_t to = AlignDown(reinterpret_cast<uintptr_t>(end), os::PageSize());
    if (from < to) fn(reinterpret_cast<char*>(from), to - from);
  }
}

size_t FreePages(const Extent* slab, const uint64_t* free) {
  size_t bytes = 0;
  ForEachFreeRun(slab, free, [&](char*, size_t run) { bytes += run; });
  return bytes;
}

}  // namespace

size_t Arena::PurgeColdSlabs(Relief which, unsigned& budget) {
  uint32_t idle = 0;
  if (!g_loan.busy.CompareExchangeAcquire(idle, 1)) return 0;  // somebody else is at it
  size_t back = 0;
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    if (!BinInUse(cls)) continue;
    // The emptiest first: they are what is handed out last.
    for (unsigned b = kBuckets; b-- > (which == Relief::kSparse ? kSparseFrom : 0);) {
      locks_[cls].Acquire(os::Rank::kBin);
      Extent* const last = bins_[cls].partial[b].back();
      unsigned looks = bins_[cls].partial_slabs * 2;  // each comes round once more when it is put back; `last` may leave meanwhile
      locks_[cls].Release(os::Rank::kBin);
      while (looks != 0 && last != nullptr && budget != 0) {
        Extent* slab = TakeCold(cls, b, last, which, looks);
        if (slab == nullptr) continue;
        ForEachFreeRun(slab, g_loan.free, [&](char* from, size_t bytes) { back += backing_.heap->PurgeInside(from, bytes); });
        PutBackCold();
        --budget;
      }
    }
  }
  g_loan.busy.SetRelease(0);
  return back;
}

// Looks at the next slabs of the list, which go round; sets `looks` to 0 at the end of it. The first that is cold comes back, its free slots
// taken out.
Extent* Arena::TakeCold(unsigned cls, unsigned bucket, Extent* last, Relief which, unsigned& looks) {
  Bin& bin = bins_[cls];
  const SlabShape& shape = ShapeOf(cls);
  os::Guard<os::Rank::kBin> guard(locks_[cls]);
  for (unsigned i = 0; i < kLooksUnderLock && looks != 0; ++i) {
    Extent* slab = bin.partial[bucket].front();
    if (slab == nullptr) {
      looks = 0;
      break;
    }
    --looks;
    if (slab == last) looks = 0;
    bin.partial[bucket].Remove(slab);
    bin.partial[bucket].PushBack(slab);
    if (slab->cold == kGivenBack || (which != Relief::kAll && slab->cold == kNotWorthIt)) continue;
    if (which == Relief::kCold && slab->cold == kTouched) {
      slab->cold = kStill;
      continue;
    }
    slab->cold = kGivenBack;
    const uint64_t* bits = SlabBits(slab);
    const size_t pages = FreePages(slab, bits);
    if (pages == 0) continue;
    if (which != Relief::kAll && pages < Min(kWorthACall, size_t{shape.granules} * kGranule / 2)) {
      slab->cold = kNotWorthIt;
      continue;
    }
    for (unsigned w = 0; w < CeilDiv(shape.slots, 64); ++w) {
      g_loan.free[w] = SlabBits(slab)[w];
      SlabBits(slab)[w] = 0;
    }
    g_loan.slab = slab;
    bin.CountFree(-int64_t{slab->free_count});
    slab->free_count = 0;
    Rebucket(bin, slab, kNoBucket);
    return slab;
  }
  return nullptr;
}

void Arena::PutBackCold() {
  Extent* slab = g_loan.slab;
  const unsigned cls = slab->size_class;
  const SlabShape& shape = ShapeOf(cls);
  Bin& bin = bins_[cls];
  locks_[cls].Acquire(os::Rank::kBin);
  void* twice = nullptr;
  unsigned count = 0;
  const unsigned freed = slab->free_count;
  for (unsigned w = 0; w < CeilDiv(shape.slots, 64); ++w) {
    uint64_t& bits = SlabBits(slab)[w];
    // A slot that was free already has been freed once more meanwhile.
    if (const uint64_t both = bits & g_loan.free[w]; both != 0) twice = slab->base + (size_t{w} * 64 + LowestBit(both)) * shape.slot_size;
    bits |= g_loan.free[w];
    count += PopCount(bits);
  }
  g_loan.slab = nullptr;
  bin.CountFree(int64_t{count} - freed);
  slab->free_count = static_cast<uint16_t>(count);
  const bool release = Settle(bin, slab, shape);
  if (release) {
    backing_.heap->ClearOwners(slab);
  } else {
    slab->cold = freed == 0 ? kGivenBack : kTouched;
  }
  locks_[cls].Release(os::Rank::kBin);
  if (release) ReleaseSlabs(*backing_.heap, *backing_.map, *backing_.meta, slab);
  if (twice != nullptr && g_options.harden != static_cast<int64_t>(Harden::kOff)) ReportMisuse(Misuse::kDoubleFree, Act::kFree, twice, shape.slot_size);
}

void ReturnColdSlab() {
  if (Extent* slab = g_loan.slab; slab != nullptr) g_arenas.At(slab->arena)->PutBackCold();
  g_loan.busy.SetRelaxed(0);
}

}  // namespace xalloc
