// SPDX-License-Identifier: MIT
// The heap under a stream of operations: each input is read as one, over all entry points and several threads' caches. After each
// input everything is freed: all invariants hold and nothing is left in use.
//
//   byte 0: options.  Then operations: one byte (low 4 bits what, high 4 bits a small number), slots and sizes from the bytes after it.
#include <cstdint>

#include "cache/fast_path.h"
#include "purge/purge.h"
#include "shadow.h"
#include "stats/stats.h"
#include "workers.h"

namespace fuzz {
namespace {

using namespace xalloc;

constexpr unsigned kSlots = 256;
constexpr size_t kMostBytes = size_t{256} << 20;  // live at once, mostly untouched

class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}
  bool more() const { return at_ != end_; }
  unsigned Byte() { return more() ? *at_++ : 0; }
  // 12 bits scaled by up to 2^14: dense where size classes are, up to 64 MiB.
  size_t Size() {
    const unsigned low = Byte(), high = Byte();
    return size_t{low | (high & 15) << 8} << Min(high >> 4, 14u);
  }

 private:
  const uint8_t *at_, *end_;
};

struct Machine {
  Shadow shadow;
  Workers workers;
  Block slots[kSlots];
  Input* in = nullptr;
  unsigned op = 0;

  Block& Slot() { return slots[in->Byte()]; }
  void Put(Block& b, void* p, size_t size, size_t alignment, bool zero) {
    if (p == nullptr) {
      if (size < kMostBytes) Shadow::Fail("refused", {nullptr, size, 0});
      return;
    }
    b = {static_cast<unsigned char*>(p), size, 0};
    const size_t usable = UsableSize(p, Act::kUsableSize);
    if (usable != GoodSize(Max(size, size_t{1}), alignment)) Shadow::Fail("not the size that was promised", b);
    if (zero) Shadow::CheckZero(b, 0);
    shadow.Add(b, usable, size < 9 && alignment < 9 ? 8 : Max(alignment, size_t{16}));
  }
  bool Room(size_t size) const { return shadow.bytes() + size <= kMostBytes; }

  void Release(Block& b, unsigned how, size_t wrong_size) {
    if (b.p == nullptr) return;
    shadow.Remove(b);
    if (how == 0) {
      Free(b.p);
    } else {
      FreeSized(b.p, how == 1 ? b.size : wrong_size);
    }
    b.p = nullptr;
  }
  void Allocate(unsigned variant) {
    Block& b = Slot();
    Release(b, 0, 0);
    const size_t size = in->Size();
    if (!Room(size)) return;
    Put(b, variant == 0 ? Malloc(size) : Calloc(size), size, 1, variant != 0);
  }
  void Aligned() {
    Block& b = Slot();
    Release(b, 0, 0);
    const unsigned how = in->Byte();
    const size_t size = in->Size(), alignment = size_t{1} << how % 24;
    if (Room(size + alignment)) Put(b, MallocAligned(size, alignment, how >= 128), size, alignment, how >= 128);
  }
  void Resize() {
    Block& b = Slot();
    const size_t size = Max(in->Size(), size_t{1});
    if (b.p == nullptr || !Room(size)) return;
    const Block old = b;
    shadow.Remove(b);
    b.p = static_cast<unsigned char*>(Realloc(old.p, size));
    if (b.p == nullptr) Shadow::Fail("realloc refused", old);
    const Block kept = {b.p, old.size, old.stamp};
    Shadow::CheckStamp(kept, Min(size, old.size));
    b.size = size;
    shadow.Add(b, UsableSize(b.p, Act::kUsableSize), size < 9 ? 8 : 16);
  }
  void InPlace() {
    Block& b = Slot();
    const bool zero = (op & 16) != 0;
    const size_t least = Max(in->Size(), size_t{1}), most = least + in->Size();
    if (b.p == nullptr || !Room(most)) return;
    const size_t old_usable = UsableSize(b.p, Act::kUsableSize);
    const Block old = b;
    shadow.Remove(b);
    const size_t usable = ResizeInPlace(b.p, least, most, zero);
    if (usable != UsableSize(b.p, Act::kUsableSize)) Shadow::Fail("resized to another size than it says", b);
    if (usable != old_usable && usable < least) Shadow::Fail("resized below what was wanted", b);
    b.size = Min(Max(old.size, least), usable);
    Shadow::CheckStamp(old, Min(old.size, usable));
    if (zero && usable > old_usable) Shadow::CheckZero({b.p, usable, 0}, old_usable);
    shadow.Add(b, usable, 8);
  }
  // A run of equal blocks, as programs make them: slabs and depots fill and drain.
  void Burst() {
    const unsigned first = in->Byte(), n = in->Byte();
    const size_t size = in->Size() & 0xffff;
    for (unsigned i = 0; i < n; ++i) {
      Block& b = slots[(first + i) % kSlots];
      Release(b, 0, 0);
      if (Room(size)) Put(b, Malloc(size), size, 1, false);
    }
  }
  void ReleaseRun() {
    const unsigned first = in->Byte(), n = in->Byte(), step = (op >> 4) + 1;
    for (unsigned i = 0; i < n; ++i) Release(slots[(first + i * step) % kSlots], 0, 0);
  }

  void Step() {
    switch (op & 15) {
      case 0: return Allocate(0);
      case 1: return Allocate(1);
      case 2: return Aligned();
      case 3: return Release(Slot(), 0, 0);
      case 4: return Release(Slot(), 1, 0);
      case 5: return Release(Slot(), 2, in->Size());
      case 6:
      case 7: return Resize();
      case 8: return InPlace();
      case 9: return Burst();
      case 10: return ReleaseRun();
      case 11: return (op & 16) != 0 ? PurgeCold(static_cast<Arena::Relief>((op >> 5) % 3)) : static_cast<void>(DrainOtherCaches());
      case 12: PurgeEverything(); return;
      case 13: FlushOwnCache((op & 16) != 0); return;
      case 14: return (op & 16) != 0 ? Stage() : PurgeTick(Event::kAllocated);
      default: break;
    }
    if (Arena* arena = g_arenas.Current(); arena != nullptr) arena->AgeDepots((op & 16) != 0 ? Arena::Ageing::kHalf : Arena::Ageing::kBatch);
  }

  static void PurgeCold(Arena::Relief which) {
    for (unsigned i = 0; i < g_arenas.count(); ++i) {
      unsigned budget = ~0u;
      if (Arena* arena = g_arenas.At(i); arena != nullptr) arena->PurgeColdSlabs(which, budget);
    }
  }
  void Stage() {
    const size_t bytes = in->Size();
    switch (op >> 5) {
      case 0: g_extents.Offer(bytes, Manner::kAnyRun); return;
      case 1: g_extents.PurgeOffered(bytes); return;
      case 2: g_extents.Purge(bytes, Manner::kLongRuns); return;
      case 3: g_extents.Purge(bytes, Manner::kAnyRun); return;
      case 4: g_extents.TakeIdle(); return;
      default: g_extents.CollapseStep(); return;
    }
  }
};

void Validate() {
  ForEachCache([](ThreadCache* cache, void*) { ValidateCache(cache); }, nullptr);
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i); arena != nullptr) arena->Validate();
  }
  g_extents.Validate(true);
}

void Finish(Machine& m) {
  Validate();
  for (Block& b : m.slots) m.Release(b, 0, 0);
  for (unsigned i = 0; i < Workers::kCount; ++i) m.workers.Run(i, [](void*) { FlushOwnCache(true); }, nullptr);
  PurgeEverything();
  Validate();
  const Totals totals = CollectTotals();
  if (totals.extents.used != 0 || totals.extents.mapped_blocks != 0 || totals.allocated() != 0) {
    Shadow::Fail("everything is freed, and still in use is", {nullptr, totals.extents.used + totals.extents.mapped_blocks, 0});
  }
}

void SetOptions(unsigned byte) {
  OwnCache();  // the environment's are read by now
  constexpr int64_t kDecay[] = {5000, 0, -1, 1};
  g_options.dirty_decay_ms = kDecay[byte & 3];
  g_options.oversize_threshold = (byte & 4) != 0 ? 2 << 20 : 32 << 20;
  g_options.dirty_limit = (byte & 8) != 0 ? 0 : 25;
  g_options.tcache_max = (byte & 16) != 0 ? 1024 : 32768;
  g_options.narenas = (byte & 32) != 0 ? 1 : 0;
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const machine = new fuzz::Machine;  // its threads live as long as the process
  fuzz::Input input(data, size);
  machine->in = &input;
  fuzz::SetOptions(input.Byte());
  unsigned worker = 0;
  while (input.more()) {
    // 255 and 254: another thread runs from here on, or ends and begins anew.
    machine->op = input.Byte();
    if (machine->op >= 254) {
      worker = input.Byte() % fuzz::Workers::kCount;
      if (machine->op == 254) machine->workers.Restart(worker);
      continue;
    }
    machine->workers.Run(worker, [](void* m) { static_cast<fuzz::Machine*>(m)->Step(); }, machine);
  }
  fuzz::Finish(*machine);
  return 0;
}
