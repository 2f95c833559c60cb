// SPDX-License-Identifier: MIT
#include "arena/arena.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <latch>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "unit/fake_pages.h"
#include "unit/own_heap.h"

namespace xalloc {
namespace {

TEST(SizeClass, EverySizeGetsTheSmallestClassThatHoldsIt) {
  for (size_t size = 1; size <= kMaxSmall; ++size) {
    const unsigned cls = SizeToClass(size);
    ASSERT_GE(ClassSize(cls), size);
    if (cls > 1) {
      ASSERT_LT(ClassSize(cls - 1), size) << size;
    }
  }
}

TEST(SizeClass, SmallBlocksAreAlignedAsPromised) {
  EXPECT_EQ(ClassSize(SizeToClass(8)), 8u);
  for (size_t size = 9; size <= kMaxSmall; ++size) ASSERT_EQ(ClassSize(SizeToClass(size)) % 16, 0u);
}

TEST(SizeClass, SlabsWasteLittleAndHoldEnough) {
  for (unsigned c = 1; c <= kNumClasses; ++c) {
    const SlabShape& s = ShapeOf(c);
    const size_t bytes = s.granules * kGranule;
    EXPECT_GE(s.slots, kMinSlots);
    EXPECT_LT(bytes - size_t{s.slots} * s.slot_size, bytes / 50) << c;
  }
}

TEST(SizeClass, AlignedRequestsGetAClassThatIsAMultiple) {
  for (size_t alignment = 8; alignment <= kGranule; alignment *= 2) {
    for (size_t size : {1, 8, 9, 100, 257, 1000, 5000, 16000, 30000, 32768}) {
      const unsigned c = AlignedSizeToClass(size, alignment);
      if (c == 0) continue;
      EXPECT_GE(ClassSize(c), size);
      EXPECT_EQ(ClassSize(c) % alignment, 0u);
    }
  }
  EXPECT_EQ(AlignedSizeToClass(kMaxSmall + 1, 8), 0u);
  EXPECT_EQ(AlignedSizeToClass(8, kGranule * 2), 0u);
}

class Slabs : public testing::TestWithParam<unsigned> {
 protected:
  void TearDown() override { FakePages::Reset(); }
  PageMap map_;
  MetaAllocator meta_{&kFakePages};
  OwnHeap heap_{kFakePages, map_, meta_};
};

TEST_P(Slabs, EverySlotGoesOutOnceLowestFirstAndComesBackOnce) {
  const unsigned cls = GetParam();
  const SlabShape& shape = ShapeOf(cls);
  Extent* slab = NewSlabs(heap_, map_, meta_, cls, 0, 1);
  ASSERT_NE(slab, nullptr);
  std::vector<void*> out(shape.slots);
  ASSERT_EQ(TakeSlots(slab, out.data(), shape.slots), shape.slots);
  EXPECT_EQ(out.back(), slab->base);
  EXPECT_EQ(std::set<void*>(out.begin(), out.end()).size(), shape.slots);
  EXPECT_EQ(TakeSlots(slab, out.data(), 1), 0u);
  ValidateSlab(slab);
  for (void* p : out) {
    ASSERT_TRUE(SlotIsOut(slab, p));
    void* inside = static_cast<char*>(p) + 1;
    ASSERT_EQ(PutSlots(slab, shape, &inside, 1).result, PutResult::kInterior);
    void* twice[2] = {p, p};
    const PutCount put = PutSlots(slab, shape, twice, 2);
    ASSERT_EQ(put.count, 1u);
    ASSERT_EQ(put.result, PutResult::kDoubleFree);
  }
  EXPECT_EQ(slab->free_count, shape.slots);
  ValidateSlab(slab);
  void* tail = slab->base + size_t{shape.slots} * shape.slot_size;
  if (tail < slab->base + shape.granules * kGranule) {
    EXPECT_EQ(PutSlots(slab, shape, &tail, 1).result, PutResult::kInterior);
  }
  void* elsewhere = &tail;
  EXPECT_EQ(PutSlots(slab, shape, &elsewhere, 1).count, 0u);
  heap_.ClearOwners(slab);
  ReleaseSlabs(heap_, map_, meta_, slab);
  EXPECT_EQ(heap_.Stats().used, 0u);
  heap_.Validate();
}
INSTANTIATE_TEST_SUITE_P(AllClasses, Slabs, testing::Range(1u, kNumClasses + 1));

TEST(SlabsRefused, NothingIsLostWhenTheKernelRefuses) {
  for (long n = 1; n < 12; ++n) {
    PageMap map;
    MetaAllocator meta(&kFakePages);
    auto heap = std::make_unique<OwnHeap>(kFakePages, map, meta);
    FakePages::Get().refuse_at = n;
    for (unsigned cls = 1; cls <= kNumClasses; cls += 6) {
      Extent* slabs = NewSlabs(*heap, map, meta, cls, 0, 1 + cls % 3);
      for (Extent* slab = slabs; slab != nullptr; slab = slab->next) heap->ClearOwners(slab);
      ReleaseSlabs(*heap, map, meta, slabs);
    }
    EXPECT_EQ(heap->Stats().used, 0u);
    heap->Validate();
    FakePages::Reset();
  }
}

unsigned Fill(Arena* arena, unsigned cls, void** out, unsigned n) {
  unsigned got = 0;
  while ((got = arena->Refill(cls, out, n)) == 0 && arena->AddSlabs(cls)) {
  }
  return got;
}

Arena* FirstArena() { return g_arenas.Current(); }

TEST(ArenaTest, RefilledObjectsAreDistinctAndComeBack) {
  Arena* arena = FirstArena();
  const unsigned cls = SizeToClass(100);
  std::set<void*> seen;
  std::vector<void*> all;
  for (int i = 0; i < 50; ++i) {
    void* out[kMaxBatch];
    const unsigned n = Fill(arena, cls, out, ShapeOf(cls).batch);
    ASSERT_GE(n, 1u);
    for (unsigned k = 0; k < n; ++k) {
      ASSERT_TRUE(seen.insert(out[k]).second);
      ASSERT_EQ(g_page_map.CodeOf(out[k]), cls * 2);
      all.push_back(out[k]);
    }
  }
  EXPECT_EQ(Arena::FlushToSlabs(cls, all.data(), static_cast<unsigned>(all.size())).misuse, Misuse::kNone);
  arena->Validate();
}

TEST(ArenaTest, AnEmptiedBinGivesItsSlabsBack) {
  Arena* arena = FirstArena();
  const unsigned cls = SizeToClass(2000);
  arena->DrainDepots();
  arena->ReleaseEmptySlabs();
  const size_t before = g_extents.Stats().used;
  std::vector<void*> all(2000);
  unsigned n = 0;
  while (n < all.size()) n += Fill(arena, cls, &all[n], 1);
  EXPECT_GT(g_extents.Stats().used, before + all.size() * 2000);
  Arena::FlushToSlabs(cls, all.data(), n);
  arena->DrainDepots();
  arena->ReleaseEmptySlabs();
  EXPECT_EQ(g_extents.Stats().used, before);
  EXPECT_EQ(arena->StatsOf(cls).slabs, 0u);
}

TEST(ArenaTest, ALargeBinGetsSeveralSlabsAtOnce) {
  Arena* arena = FirstArena();
  const unsigned cls = SizeToClass(2000);
  arena->DrainDepots();
  arena->ReleaseEmptySlabs();
  const size_t before = g_extents.Stats().used;
  unsigned most = 0;
  for (unsigned slabs = 0, now = 0; now < 640; slabs = now) {
    ASSERT_TRUE(arena->AddSlabs(cls));
    now = arena->StatsOf(cls).slabs;
    EXPECT_LE((now - slabs - 1) * 64, slabs) << "no more than a 64th lies ready";
    most = std::max(most, now - slabs);
  }
  EXPECT_EQ(most, 8u);
  arena->Validate();
  arena->ReleaseEmptySlabs();
  EXPECT_EQ(g_extents.Stats().used, before);
  EXPECT_EQ(arena->StatsOf(cls).slabs, 0u);
}

TEST(ArenaTest, DoubleAndInteriorFreesAreFoundAtTheSlab) {
  Arena* arena = FirstArena();
  const unsigned cls = SizeToClass(500);
  void* out[2];
  ASSERT_EQ(Fill(arena, cls, out, 2), 2u);
  void* twice[2] = {out[0], out[0]};
  const FlushResult bad = Arena::FlushToSlabs(cls, twice, 2);
  EXPECT_EQ(bad.misuse, Misuse::kDoubleFree);
  EXPECT_EQ(bad.pointer, out[0]);
  void* inside = static_cast<char*>(out[1]) + 16;
  EXPECT_EQ(Arena::FlushToSlabs(cls, &inside, 1).misuse, Misuse::kInterior);
  EXPECT_EQ(Arena::FlushToSlabs(cls, &out[1], 1).misuse, Misuse::kNone);
  arena->Validate();
}

// A class whose slabs are as long as those of `cls`, both with their bits in the descriptor.
unsigned ClassAsLong(unsigned cls) {
  for (unsigned other = cls + 1; other <= kNumClasses; ++other) {
    if (ShapeOf(other).granules == ShapeOf(cls).granules) return other;
  }
  return 0;
}

TEST(ArenaTest, ABlockFreedTwiceIsNoneOfTheSlabThatLiesThereAnew) {
  Arena* arena = FirstArena();
  const unsigned cls = SizeToClass(2048), other = ClassAsLong(cls);
  ASSERT_NE(other, 0u);
  Extent* const slab = NewSlabs(g_extents, g_page_map, g_meta, cls, arena->slot(), 1);
  ASSERT_NE(slab, nullptr);
  void* block = nullptr;
  ASSERT_EQ(TakeSlots(slab, &block, 1), 1u);
  ASSERT_EQ(block, slab->base);
  slab->next = nullptr;

  // Its second owner waits for the bin, and has seen the slab; the first gives it back, and the descriptor serves for another class there.
  os::Lock& lock = g_arena_locks[arena->slot()].of_bin[cls];
  lock.Acquire(os::Rank::kBin);
  FlushResult result;
  std::thread second([&] { result = Arena::FlushToSlabs(cls, &block, 1); });
  while ((__atomic_load_n(reinterpret_cast<const uint32_t*>(&lock), __ATOMIC_ACQUIRE) & 2) == 0) std::this_thread::yield();
  g_extents.ClearOwners(slab);
  ReleaseSlabs(g_extents, g_page_map, g_meta, slab);
  Extent* const anew = NewSlabs(g_extents, g_page_map, g_meta, other, arena->slot(), 1);
  const bool same = anew == slab && anew->base == block;
  std::vector<void*> all(ShapeOf(other).slots);
  EXPECT_EQ(TakeSlots(anew, all.data(), ShapeOf(other).slots), ShapeOf(other).slots);
  lock.Release(os::Rank::kBin);
  second.join();

  EXPECT_TRUE(same) << "what was given back last serves first, or this shows nothing";
  EXPECT_EQ(result.misuse, Misuse::kDoubleFree);
  EXPECT_EQ(anew->free_count, 0u);
  g_extents.ClearOwners(anew);
  anew->next = nullptr;
  ReleaseSlabs(g_extents, g_page_map, g_meta, anew);
  arena->Validate();
}

TEST(ArenaTest, DepotsPassBatchesOnUntouched) {
  Arena* arena = FirstArena();
  const unsigned cls = SizeToClass(64);
  const unsigned batch = ShapeOf(cls).batch;
  std::vector<void*> a(batch), b(batch);
  unsigned n = 0;
  while (n < batch) n += Fill(arena, cls, &a[n], batch - n);
  EXPECT_EQ(arena->Flush(cls, a.data(), batch).misuse, Misuse::kNone);
  EXPECT_EQ(Fill(arena, cls, b.data(), batch), batch);
  EXPECT_EQ(a, b);
  Arena::FlushToSlabs(cls, b.data(), batch);
}

// `n` of them, each on its own.
std::vector<void*> Objects(Arena* arena, unsigned cls, unsigned n) {
  std::vector<void*> all(n);
  for (void*& p : all) EXPECT_EQ(Fill(arena, cls, &p, 1), 1u);
  return all;
}

TEST(ArenaTest, ADepotTakesWhatComesUpToABatch) {
  Arena* arena = FirstArena();
  const unsigned cls = SizeToClass(80), batch = ShapeOf(cls).batch;
  std::vector<void*> all = Objects(arena, cls, 2 * batch);
  const size_t metadata = g_meta.allocated_bytes();
  arena->Flush(cls, all.data(), 3);
  EXPECT_EQ(arena->StatsOf(cls).depot, 3u);
  EXPECT_LE(g_meta.allocated_bytes() - metadata, 64u) << "for three objects there is no room for a batch";
  unsigned n = 3;
  for (const unsigned more : {5u, 1u, 60u, batch - 69}) {
    arena->Flush(cls, &all[n], more);
    n += more;
    EXPECT_EQ(arena->StatsOf(cls).depot, n);
  }
  ASSERT_EQ(n, batch);
  // No refill had to go without.
  arena->Flush(cls, &all[n], batch);
  EXPECT_EQ(arena->StatsOf(cls).depot, batch);
  arena->DrainDepots();
  arena->Validate();
}

TEST(ArenaTest, ADepotThatCannotGrowLeavesTheRestToTheSlabs) {
  MetaAllocator meta(&kFakePages);
  auto table = std::make_unique<ArenaTable>(Backing{&g_extents, &g_page_map, &meta});
  Arena* arena = table->Current();
  ASSERT_NE(arena, nullptr);
  const unsigned cls = SizeToClass(112), batch = ShapeOf(cls).batch;
  std::vector<void*> all = Objects(FirstArena(), cls, batch);
  arena->Flush(cls, all.data(), 3);
  FakePages::Get().refuse_map = true;
  for (size_t size = 64 << 10; size != 0; size -= 64) {
    while (meta.Allocate(size) != nullptr) {
    }
  }
  EXPECT_EQ(arena->Flush(cls, &all[3], batch - 3).misuse, Misuse::kNone);
  EXPECT_EQ(arena->StatsOf(cls).depot, 8u);
  EXPECT_EQ(arena->StatsOf(cls).counters.ndepot_grown, 0u);
  EXPECT_EQ(arena->DrainDepots().misuse, Misuse::kNone);
  FakePages::Reset();
}

TEST(ArenaTest, UnusedDepotsAge) {
  Arena* arena = FirstArena();
  const unsigned cls = SizeToClass(64);
  const unsigned batch = ShapeOf(cls).batch;
  std::vector<void*> a(batch);
  unsigned n = 0;
  while (n < batch) n += Fill(arena, cls, &a[n], batch - n);
  arena->Flush(cls, a.data(), batch);
  for (int i = 0; i < 20; ++i) arena->AgeDepots(Arena::Ageing::kBatch);
  EXPECT_EQ(arena->StatsOf(cls).depot, 0u);
}

// Another one, which asks `first` among the few that it asks. Arenas go by the thread here, and by 64 threads at once nearly all are made.
Arena* OtherArena(Arena* first) {
  const int64_t before = std::exchange(g_options.percpu_arena, 0);
  std::vector<std::thread> threads;
  std::latch all(64);
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&all] {
      g_arenas.Current();
      all.arrive_and_wait();
    });
  }
  for (auto& t : threads) t.join();
  g_options.percpu_arena = before;
  const unsigned count = g_arenas.count();
  for (unsigned distance = 1; distance < Min(count, 8u); ++distance) {
    if (Arena* other = g_arenas.At((first->slot() + count - distance) % count); other != nullptr) return other;
  }
  return first;
}

TEST(ArenaTest, AHalfEmptySlabOfAnotherArenaServesBeforeANewOne) {
  Arena* const theirs = FirstArena();
  Arena* const ours = OtherArena(theirs);
  ASSERT_NE(ours, theirs);
  const unsigned cls = SizeToClass(5000);
  if (ours->BinInUse(cls)) GTEST_SKIP() << "an arena makes its first slab once in a process";
  const unsigned slots = ShapeOf(cls).slots;
  std::vector<void*> a(slots), b(slots + 1);
  for (void*& p : a) ASSERT_EQ(Fill(theirs, cls, &p, 1), 1u);
  Arena::FlushToSlabs(cls, a.data(), slots - 1);
  ASSERT_EQ(theirs->StatsOf(cls).free_slots, slots - 1);
  // The first slab is an arena's own.
  for (unsigned i = 0; i < slots; ++i) ASSERT_EQ(Fill(ours, cls, &b[i], 1), 1u);
  EXPECT_EQ(ours->StatsOf(cls).slabs, 1u);
  EXPECT_EQ(theirs->StatsOf(cls).free_slots, slots - 1);
  // ... and so is all that a thread gets which is bound to it.
  t_bound = 1;
  EXPECT_EQ(ours->Refill(cls, &b[slots], 1), 0u);
  t_bound = 0;
  // Then theirs are taken while half of a slab is free there, one new one is made, and it all goes back to where it came from.
  ASSERT_EQ(Fill(ours, cls, &b[slots], 1), 1u);
  EXPECT_EQ(ours->StatsOf(cls).slabs, 1u);
  EXPECT_EQ(theirs->StatsOf(cls).free_slots, slots - 2);
  unsigned more = 0;
  while (ours->StatsOf(cls).slabs == 1) {
    b.push_back(nullptr);
    ASSERT_EQ(Fill(ours, cls, &b.back(), 1), 1u);
    ++more;
  }
  EXPECT_EQ(theirs->StatsOf(cls).free_slots, (slots - 1) / 2);
  EXPECT_EQ(more, slots - 1 - (slots - 1) / 2);
  Arena::FlushToSlabs(cls, b.data(), static_cast<unsigned>(b.size()));
  Arena::FlushToSlabs(cls, &a.back(), 1);
  for (Arena* arena : {theirs, ours}) {
    arena->ReleaseEmptySlabs();
    arena->Validate();
    EXPECT_EQ(arena->StatsOf(cls).slabs, 0u);
  }
}

TEST(ArenaTest, EightNextToEachOtherHaveOneSetOfBinsForLargeClasses) {
  const int64_t before = std::exchange(g_options.percpu_arena, 0);  // by the thread: on two CPUs there would be two
  std::vector<std::thread> threads;
  std::latch all(64);
  std::atomic<int> apart{0};
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&] {
      const unsigned own = g_arenas.Current()->slot();
      if (own % 8 != 0) ++apart;
      for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
        EXPECT_EQ(g_arenas.Current(cls)->slot(), ClassSize(cls) > 512 ? own - own % 8 : own) << ClassSize(cls);
      }
      all.arrive_and_wait();
    });
  }
  for (auto& t : threads) t.join();
  g_options.percpu_arena = before;
  EXPECT_GT(apart, 0);
}

TEST(ArenaTest, ThreadsFreeEachOthersObjects) {
  const unsigned cls = SizeToClass(48);
  std::vector<std::vector<void*>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&mine] {
      for (int i = 0; i < 200; ++i) {
        void* out[64];
        const unsigned n = Fill(g_arenas.Current(), cls, out, 64);
        mine.insert(mine.end(), out, out + n);
      }
    });
  }
  for (auto& t : threads) t.join();
  threads.clear();
  for (unsigned i = 0; i < 4; ++i) {
    threads.emplace_back([&made, i] {
      auto& theirs = made[(i + 1) % 4];
      ASSERT_EQ(Arena::FlushToSlabs(cls, theirs.data(), static_cast<unsigned>(theirs.size())).misuse, Misuse::kNone);
    });
  }
  for (auto& t : threads) t.join();
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i)) arena->Validate();
  }
}

}  // namespace
}  // namespace xalloc
