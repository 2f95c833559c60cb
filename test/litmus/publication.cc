// SPDX-License-Identifier: MIT
// Slabs and large blocks are made, entered in the page map, handed over, given back, and their granules used again for another class, while
// threads look up the blocks they were given, and one looks up addresses that nobody gave it. Who was given a block finds its code and its
// extent; the other finds nothing, or a whole extent. The model of the same: docs/design/models/page_map.pml.
#include "arena/arena.h"
#include "extent/large.h"
#include "litmus.h"

using namespace xalloc;
using namespace litmus;

namespace {

// Few blocks to a slab, so that slabs come and go; the last two are large.
constexpr size_t kSizes[] = {3000, 5000, 9000, 14000, 20000, 30000, 50000, 150000};
constexpr unsigned kNumSizes = sizeof kSizes / sizeof *kSizes, kBoxes = 64, kGranules = 4096;

struct Block {
  uint64_t size_index;  // plain: the hand-over orders it
};
constinit Atomic<Block*> g_box[kBoxes];       // given by release, taken by acquire
constinit Atomic<uintptr_t> g_hint[64];       // relaxed: where blocks were, for who looks at random
constinit Atomic<uint8_t> g_last[kGranules];  // relaxed: one more than the size of the last block there
constinit Atomic<uint64_t> g_given{0}, g_reused{0}, g_found{0}, g_missed{0};
Arena* g_arena;

bool IsLarge(uint64_t index) { return kSizes[index] > kMaxSmall; }

// Up to four blocks of a size; 0: there is a new slab of it.
unsigned Make(unsigned index, Block** out) {
  if (IsLarge(index)) {
    out[0] = static_cast<Block*>(LargeAllocate(g_extents, kSizes[index], 1, false));
    return out[0] != nullptr ? 1 : 0;
  }
  const unsigned cls = SizeToClass(kSizes[index]);
  const unsigned n = g_arena->TakeFromSlabs(cls, reinterpret_cast<void**>(out), 4);
  if (n == 0) REQUIRE(g_arena->AddSlabs(cls));
  return n;
}

void LookUpAndFree(Block* block) {
  const uint64_t index = block->size_index;
  REQUIRE(index < kNumSizes);
  Extent* extent = g_extents.Find(block);
  REQUIRE(extent != nullptr);
  if (IsLarge(index)) {
    REQUIRE(g_page_map.CodeOf(block) == 0);
    REQUIRE(extent->kind == Extent::Kind::kLarge && extent->base == reinterpret_cast<char*>(block) && extent->block.usable >= kSizes[index]);
    LargeFree(g_extents, extent);
    return;
  }
  const unsigned cls = SizeToClass(kSizes[index]);
  REQUIRE(g_page_map.CodeOf(block) == cls * 2);
  REQUIRE(extent->kind == Extent::Kind::kSlab && extent->size_class == cls && FindSlot(extent, ShapeOf(cls), block).exact);
  void* object = block;
  REQUIRE(Arena::FlushToSlabs(cls, &object, 1).misuse == Misuse::kNone);
}

void GiveAndTake(unsigned me) {
  Random random(me + 1);
  uint64_t given = 0, reused = 0;
  while (!g_stop.Relaxed()) {
    const unsigned index = random.Below(kNumSizes);
    Block* blocks[4];
    const unsigned n = Make(index, blocks);
    for (unsigned i = 0; i < n; ++i) {
      blocks[i]->size_index = index;
      const uintptr_t at = reinterpret_cast<uintptr_t>(blocks[i]);
      g_hint[random.Below(64)].SetRelaxed(at);
      Atomic<uint8_t>& last = g_last[(at >> kLgGranule) % kGranules];
      if (last.Relaxed() != 0 && last.Relaxed() != index + 1) ++reused;
      last.SetRelaxed(static_cast<uint8_t>(index + 1));
      Block* nobody = nullptr;
      if (g_box[random.Below(kBoxes)].CompareExchangeRelease(nobody, blocks[i])) {
        ++given;
      } else {
        LookUpAndFree(blocks[i]);
      }
    }
    for (unsigned i = 0; i < 4; ++i) {
      if (Block* block = g_box[random.Below(kBoxes)].ExchangeAcquire(nullptr); block != nullptr) LookUpAndFree(block);
    }
    if (random.Below(8) == 0) g_arena->ReleaseEmptySlabs();
  }
  g_given.AddRelaxed(given);
  g_reused.AddRelaxed(reused);
}

// What an extent says of itself. It may be ended and used again meanwhile, for another block at the same place, too: two looks that say the same,
// with the extent found there before, between and after, are the whole of one. The sanitizer cannot know that, so it is not asked.
struct Look {
  const char* base;
  unsigned granules, cls;
  Extent::Kind kind;
  bool operator==(const Look&) const = default;
};
[[gnu::no_sanitize_thread]] Look LookOnce(const Extent* extent) {
  const Look look = {*const_cast<char* const volatile*>(&extent->base), *const_cast<const volatile uint16_t*>(&extent->granules),
                     *const_cast<const volatile uint8_t*>(&extent->size_class), *const_cast<const volatile Extent::Kind*>(&extent->kind)};
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  return look;
}

[[gnu::no_sanitize_thread]] bool LookAt(const char* p) {
  const unsigned code = g_page_map.CodeOf(p);
  REQUIRE(code % 2 == 0 && code / 2 <= kNumClasses);
  const Extent* extent = g_extents.Find(p);
  if (extent == nullptr) return false;
  const Look look = LookOnce(extent);
  if (g_extents.Find(p) != extent || LookOnce(extent) != look || g_extents.Find(p) != extent) return false;
  REQUIRE(look.base <= p && static_cast<size_t>(p - look.base) < look.granules * kGranule);
  REQUIRE(look.kind == Extent::Kind::kLarge ||
          (look.kind == Extent::Kind::kSlab && look.cls >= 1 && look.cls <= kNumClasses && ShapeOf(look.cls).granules == look.granules));
  return true;
}

void LookAround(unsigned me) {
  Random random(me + 1);
  uint64_t found = 0, missed = 0;
  while (!g_stop.Relaxed()) {
    const uintptr_t hint = g_hint[random.Below(64)].Relaxed();
    if (hint == 0) continue;
    const bool there = LookAt(reinterpret_cast<const char*>(hint & ~(kGranule - 1)) + random.Below(kGranule));
    (there ? found : missed) += 1;
  }
  g_found.AddRelaxed(found);
  g_missed.AddRelaxed(missed);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = Parse(argc, argv);
  g_arena = g_arenas.Current();
  LargeFree(g_extents, g_extents.Find(LargeAllocate(g_extents, 100000, 1, false)));  // the first region is there: see I3 of the page map
  RunThreads(a.threads, a.ms, [](unsigned me) { me == 0 ? LookAround(me) : GiveAndTake(me); });
  for (Atomic<Block*>& box : g_box) {
    if (Block* block = box.ExchangeAcquire(nullptr); block != nullptr) LookUpAndFree(block);
  }
  g_arena->Validate();
  g_extents.Validate();
  printf(
      "publication: %llu blocks handed over, %llu times one lay where one of another size had lain; looked at random: %llu found, %llu nothing "
      "there\n",
      static_cast<unsigned long long>(g_given.Relaxed()), static_cast<unsigned long long>(g_reused.Relaxed()),
      static_cast<unsigned long long>(g_found.Relaxed()), static_cast<unsigned long long>(g_missed.Relaxed()));
  REQUIRE(g_given.Relaxed() > 100 && g_reused.Relaxed() > 100 && g_found.Relaxed() > 100);
  return 0;
}
