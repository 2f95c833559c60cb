// SPDX-License-Identifier: MIT
#include "extent/extent_heap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "extent/large.h"
#include "unit/fake_pages.h"
#include "unit/own_heap.h"

namespace xalloc {
namespace {

constexpr auto kLarge = Extent::Kind::kLarge;

class Extents : public testing::Test {
 protected:
  void TearDown() override {
    heap_.Validate();
    FakePages::Reset();
  }
  Extent* Get(size_t granules, size_t alignment = kGranule) {
    bool zeroed = false;
    return heap_.Allocate(granules, alignment, kLarge, &zeroed);
  }
  // Descriptors of what was freed, and nothing dirty: no more slabs are made at once than that.
  void HaveSpares() {
    std::vector<Extent*> all;
    for (int i = 0; i < 12; ++i) all.push_back(Get(1));
    for (Extent* e : all) heap_.Free(e);
    heap_.Purge(SIZE_MAX / 2);
  }
  void EverySecondFree(int blocks, size_t granules) {
    std::vector<Extent*> all;
    for (int i = 0; i < blocks; ++i) all.push_back(Get(granules));
    for (int i = 0; i < blocks; i += 2) heap_.Free(all[static_cast<size_t>(i)]);
  }
  // From the lowest on.
  std::vector<char*> GetSlabs(size_t granules, unsigned most) {
    bool zeroed = false;
    std::vector<char*> bases;
    for (Extent* e = heap_.AllocateSeveral(granules, kGranule, Extent::Kind::kSlab, &zeroed, most); e != nullptr; e = e->next) {
      heap_.SetOwners(e);
      bases.insert(bases.begin(), e->base);
    }
    return bases;
  }
  PageMap map_;
  MetaAllocator meta_{&kFakePages};
  OwnHeap heap_{kFakePages, map_, meta_};
};

TEST_F(Extents, FirstHugepageIsCommittedInGrowingSteps) {
  Extent* a = Get(1);
  ASSERT_NE(a, nullptr);
  const long after_first = FakePages::Get().commits;
  Get(15);
  EXPECT_EQ(FakePages::Get().commits, after_first) << "256 KiB were committed";
  Get(1);
  EXPECT_EQ(FakePages::Get().commits, after_first + 1);
}

TEST_F(Extents, FreshRunsReadAsZeroAndReusedOnesDoNot) {
  bool zeroed = false;
  Extent* a = heap_.Allocate(4, kGranule, kLarge, &zeroed);
  EXPECT_TRUE(zeroed);
  char* base = a->base;
  heap_.Free(a);
  Extent* b = heap_.Allocate(4, kGranule, kLarge, &zeroed);
  EXPECT_EQ(b->base, base) << "dirty memory is used first";
  EXPECT_FALSE(zeroed);
}

TEST_F(Extents, ASlabOnItsWayOutIsNotFoundByItsBlocks) {
  bool zeroed = false;
  Extent* slab = heap_.Allocate(3, kGranule, Extent::Kind::kSlab, &zeroed);
  heap_.SetOwners(slab);
  char* const base = slab->base;
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(heap_.Find(base + i * kGranule + 100), slab);
  heap_.ClearOwners(slab);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(heap_.Find(base + i * kGranule + 100), nullptr);
  EXPECT_NE(Get(3)->base, base) << "it is not free before it is freed";
  heap_.Free(slab);
  EXPECT_EQ(Get(3)->base, base);
}

TEST_F(Extents, SlabsMadeTogetherFollowEachOther) {
  const std::vector<char*> slabs = GetSlabs(2, 4);
  ASSERT_EQ(slabs.size(), 4u);
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(slabs[i], slabs[0] + i * 2 * kGranule);
  EXPECT_EQ(heap_.Stats().used, 8 * kGranule);
}

TEST_F(Extents, SlabsMadeTogetherHaveMemoryBehindAllOfThemOrNone) {
  HaveSpares();
  Extent* dirty = Get(5);
  char* const base = dirty->base;
  heap_.Free(dirty);
  EXPECT_EQ(GetSlabs(2, 8), (std::vector<char*>{base, base + 2 * kGranule}));
  EXPECT_EQ(GetSlabs(2, 8), (std::vector<char*>{base + 4 * kGranule})) << "half of it has memory";
  EXPECT_EQ(GetSlabs(3, 8).size(), 3u) << "of 10 granules that have none";
  Extent* rest = Get(1);
  EXPECT_EQ(rest->base, base + 15 * kGranule);
}

TEST_F(Extents, SlabsMadeTogetherEndWhereMemoryBegins) {
  HaveSpares();
  Extent* clean = Get(8);
  Extent* dirty = Get(4);
  char* const base = clean->base;
  heap_.Free(clean);
  heap_.Purge(SIZE_MAX / 2);
  heap_.Free(dirty);
  EXPECT_EQ(GetSlabs(5, 8), (std::vector<char*>{base})) << "the next would be of each";
}

TEST_F(Extents, SlabsAreMadeTogetherWhereOneWouldGo) {
  HaveSpares();
  Extent* hole = Get(5);
  Get(1);
  char* const base = hole->base;
  heap_.Free(hole);
  heap_.Purge(SIZE_MAX / 2);
  EXPECT_EQ(GetSlabs(2, 8), (std::vector<char*>{base, base + 2 * kGranule})) << "although there is a longer run";
  EXPECT_EQ(Get(1)->base, base + 4 * kGranule);
}

TEST_F(Extents, PurgedRunsReadAsZeroAgain) {
  Extent* a = Get(8);
  memset(a->base, 0xff, 8 * kGranule);
  heap_.Free(a);
  EXPECT_EQ(heap_.Stats().dirty, 8 * kGranule);
  EXPECT_EQ(heap_.Purge(SIZE_MAX / 2), 8 * kGranule);
  EXPECT_EQ(heap_.Stats().dirty, 0u);
  bool zeroed = false;
  Extent* b = heap_.Allocate(8, kGranule, kLarge, &zeroed);
  EXPECT_TRUE(zeroed);
  for (size_t i = 0; i < 8 * kGranule; i += 512) ASSERT_EQ(b->base[i], 0);
}

TEST_F(Extents, AKernelWhosePurgeDoesNotZeroIsFoundOut) {
  FakePages::Get().purge_lies = true;
  Extent* a = Get(8);
  memset(a->base, 0xff, 8 * kGranule);
  heap_.Free(a);
  heap_.Purge(SIZE_MAX / 2);
  bool zeroed = true;
  heap_.Allocate(8, kGranule, kLarge, &zeroed);
  EXPECT_FALSE(zeroed);
}

TEST_F(Extents, APurgeRefusedOnceIsAskedAgain) {
  heap_.Free(Get(8));
  FakePages::Get().refuse_at = FakePages::Get().calls + 1;
  EXPECT_EQ(heap_.Purge(SIZE_MAX / 2), 0u);
  EXPECT_EQ(heap_.Stats().dirty, 8 * kGranule);
  EXPECT_EQ(heap_.Purge(SIZE_MAX / 2), 8 * kGranule);
  EXPECT_EQ(heap_.Stats().dirty, 0u);
}

TEST_F(Extents, APurgeRefusedAgainAndAgainIsNotAskedAnyMoreAndNothingIsLost) {
  heap_.Free(Get(8));
  FakePages::Get().refuse_at = FakePages::Get().calls + 1;
  FakePages::Get().refuse_all_from = true;
  for (int i = 0; i < 8; ++i) EXPECT_EQ(heap_.Purge(SIZE_MAX / 2), 0u);
  FakePages::Get().refuse_at = -1;
  FakePages::Get().refuse_all_from = false;
  EXPECT_EQ(heap_.Purge(SIZE_MAX / 2), 0u);
  EXPECT_EQ(FakePages::Get().purges, 0);
  EXPECT_EQ(heap_.Stats().dirty, 8 * kGranule);
  EXPECT_NE(Get(8), nullptr);
}

TEST_F(Extents, ASpanDonatesItsTail) {
  Extent* span = Get(kGranulesPerHugepage + 10);
  ASSERT_NE(span, nullptr);
  EXPECT_TRUE(IsAligned(span->base, kHugepage));
  EXPECT_EQ(heap_.Find(span->base), span);
  Extent* in_tail = Get(20);
  EXPECT_EQ(in_tail->base, span->base + (kGranulesPerHugepage + 10) * kGranule);
  heap_.Free(span);
  heap_.Free(in_tail);
  EXPECT_EQ(heap_.Stats().used, 0u);
}

TEST_F(Extents, ASpanBeginsInTheTailOfAnother) {
  Extent* a = Get(200);
  Extent* b = Get(200);
  EXPECT_EQ(b->base, a->base + 200 * kGranule);
  Extent* aligned = Get(200, kHugepage);
  EXPECT_TRUE(IsAligned(aligned->base, kHugepage));
}

TEST_F(Extents, ASpanTakesADirtyPlaceBeforeAFreshOne) {
  Extent* fresh = Get(300);
  Get(84);
  Extent* dirty = Get(300);
  Get(84);
  char* const base = dirty->base;
  heap_.Free(fresh);
  heap_.Purge(SIZE_MAX / 2);
  heap_.Free(dirty);
  EXPECT_EQ(Get(300)->base, base);
}

TEST_F(Extents, ASpanTakesTheTighterOfTwoPlaces) {
  Extent* wide = Get(500);
  Get(12);
  Extent* tight = Get(300);
  Get(84);
  char* const base = tight->base;
  heap_.Free(wide);
  heap_.Free(tight);
  EXPECT_EQ(Get(290)->base, base);
}

TEST_F(Extents, ASpanCoversAllThatIsDirtyAtTheEndOfARun) {
  Extent* blocks[] = {Get(256), Get(256), Get(256)};
  char* const dirty = blocks[2]->base;
  heap_.Free(blocks[0]);
  heap_.Free(blocks[1]);
  heap_.Purge(SIZE_MAX / 2);
  heap_.Free(blocks[2]);
  EXPECT_EQ(Get(300)->base, dirty - 44 * kGranule);
}

// A program of buffers of many sizes: what one leaves has to serve the next, or the bound on dirty memory gives it back each time.
TEST_F(Extents, BuffersOfManySizesLiveOnDirtyMemory) {
  std::mt19937 random(1);
  std::vector<Extent*> live(40);
  size_t taken = 0;
  for (int i = 0; i < 4000; ++i) {
    const size_t granules = kGranulesPerHugepage + 1 + random() % (3 * kGranulesPerHugepage);
    Extent*& block = live[random() % live.size()];
    Extent* next = Get(granules);
    ASSERT_NE(next, nullptr);
    if (block != nullptr) heap_.Free(block);
    block = next;
    taken += granules * kGranule;
  }
  EXPECT_LT(heap_.Stats().pages.purged, taken / 100);
}

TEST_F(Extents, GrowsInPlaceOnlyIntoFreeGranules) {
  Extent* a = Get(2);
  Extent* b = Get(2);
  ASSERT_EQ(b->base, a->base + 2 * kGranule);
  EXPECT_FALSE(heap_.Extend(a, 3));
  heap_.Free(b);
  EXPECT_TRUE(heap_.Extend(a, 4));
  EXPECT_EQ(a->granules, 4);
  heap_.Shrink(a, 1);
  EXPECT_EQ(heap_.Stats().used, kGranule);
  EXPECT_TRUE(heap_.Extend(a, 10));
}

TEST_F(Extents, AlignmentsUpToAHugepage) {
  for (size_t alignment = kGranule; alignment <= kHugepage; alignment *= 2) {
    Get(1);
    Extent* e = Get(3, alignment);
    ASSERT_NE(e, nullptr);
    EXPECT_TRUE(IsAligned(e->base, alignment)) << alignment;
  }
}

TEST_F(Extents, TheFullestSufficientHugepageIsUsedFirst) {
  // Three hugepages: nearly empty, half full, and full but for 4 granules.
  std::vector<Extent*> all;
  for (unsigned i = 0; i < 3 * kGranulesPerHugepage; ++i) all.push_back(Get(1));
  auto free_range = [&](unsigned from, unsigned to) {
    for (unsigned i = from; i < to; ++i) heap_.Free(all[i]);
  };
  free_range(0, 120);
  free_range(128, 192);
  free_range(256, 260);
  char* tight = all[256]->base;
  EXPECT_EQ(Get(4)->base, tight);
}

TEST_F(Extents, ALittleDirtyMemoryComesBeforeATighterFreshRun) {
  Get(60);
  Extent* middle = Get(8);
  Get(60);
  Get(60);  // half of a second hugepage is committed: four fresh granules are left
  char* base = middle->base;
  heap_.Free(middle);
  EXPECT_EQ(Get(4)->base, base);
  EXPECT_EQ(heap_.Stats().dirty, 4 * kGranule);
}

TEST_F(Extents, DirtyMemoryIsFoundAmongFreshRunsOfAnyLength) {
  for (unsigned left = 4; left < 40; ++left) Get(kGranulesPerHugepage - left);
  Extent* dirty = Get(60);
  char* const base = dirty->base;
  Get(50);
  heap_.Free(dirty);
  EXPECT_EQ(Get(4)->base, base);
}

TEST_F(Extents, DirtyMemoryIsFoundInTheMiddleOfAFreshRun) {
  Extent* before = Get(8);
  Extent* dirty = Get(4);
  char* const base = dirty->base;
  heap_.Free(before);
  heap_.Purge(SIZE_MAX / 2);
  heap_.Free(dirty);
  EXPECT_EQ(Get(3)->base, base);
}

TEST_F(Extents, ResidencyDoesNotGrowWhileMuchLiesDirty) {
  EverySecondFree(120, kGranulesPerHugepage / 2);
  EXPECT_EQ(heap_.Stats().dirty, 30 * kHugepage);
  EXPECT_EQ(FakePages::Get().purged_bytes, 0u);
  // Longer than any free run: the heap must grow, and gives back first.
  ASSERT_NE(Get(kGranulesPerHugepage), nullptr);
  EXPECT_LE(heap_.Stats().dirty, heap_.Stats().used / 4);
  EXPECT_GE(heap_.Stats().dirty, heap_.Stats().used / 8) << "more went back than has to";
}

// What else its neighbours left may serve the next long block.
TEST_F(Extents, ALongBlockGivesBackOnlyWhatItTakes) {
  EverySecondFree(60, kGranulesPerHugepage);
  ASSERT_NE(Get(2 * kGranulesPerHugepage), nullptr);
  EXPECT_EQ(heap_.Stats().dirty, 28 * kHugepage);
  ASSERT_NE(Get(kGranulesPerHugepage + 1), nullptr) << "all but a granule of it where a free hugepage is";
  EXPECT_EQ(heap_.Stats().dirty, 26 * kHugepage) << "a hugepage was used, and for the granule one went back";
  for (int i = 0; i < 6; ++i) ASSERT_NE(Get(4 * kGranulesPerHugepage), nullptr);
  EXPECT_LE(heap_.Stats().dirty, heap_.Stats().used / 4) << "what may lie dirty was reached";
  EXPECT_GT(heap_.Stats().dirty, heap_.Stats().used / 8);
}

TEST_F(Extents, MappedBlocksAreFoundAndMove) {
  Extent* e = heap_.Map(100000, size_t{1} << 23);
  ASSERT_NE(e, nullptr);
  EXPECT_TRUE(IsAligned(e->base, size_t{1} << 23));
  EXPECT_EQ(heap_.Find(e->base), e);
  EXPECT_EQ(heap_.FindAround(e->base + 5000), e);
  e->base[99999] = 7;
  ASSERT_TRUE(heap_.Remap(e, size_t{10} << 20, true));
  EXPECT_EQ(heap_.Find(e->base), e);
  EXPECT_EQ(e->base[99999], 7);
  char* base = e->base;
  heap_.Unmap(e);
  EXPECT_EQ(heap_.Find(base), nullptr);
  EXPECT_EQ(heap_.Stats().mapped_blocks, 0u);
}

TEST_F(Extents, WildPointersAreNobodys) {
  Extent* a = Get(2);
  EXPECT_EQ(heap_.Find(nullptr), nullptr);
  EXPECT_EQ(heap_.Find(&map_), nullptr);
  EXPECT_EQ(heap_.Find(a->base + kGranule), nullptr) << "only the first granule of a block leads to it";
  EXPECT_EQ(heap_.FindAround(a->base + kGranule + 3), a);
}

// Every call to the kernel refused once: null or success, the structures whole, and afterwards everything works.
TEST(ExtentsRefused, EveryCallOnce) {
  for (long n = 1; n < 60; ++n) {
    PageMap map;
    MetaAllocator meta(&kFakePages);
    auto heap = std::make_unique<OwnHeap>(kFakePages, map, meta);
    FakePages::Get().refuse_at = n;
    std::vector<void*> blocks;
    for (size_t size : {40000ul, 100000ul, 3000000ul, 9000000ul, 40000000ul, 50000ul, 2500000ul}) {
      void* p = LargeAllocate(*heap, size, 1, true);
      if (p == nullptr) continue;
      memset(p, 1, 64);
      blocks.push_back(p);
    }
    for (void*& p : blocks) {
      Extent* e = heap->Find(p);
      ASSERT_NE(e, nullptr);
      void* moved = LargeResize(*heap, e, 6000000);
      if (moved != nullptr) p = moved;
      ASSERT_EQ(*static_cast<char*>(p), 1);
    }
    heap->Validate();
    for (void* p : blocks) LargeFree(*heap, heap->Find(p));
    heap->Purge(SIZE_MAX / 2);
    heap->Validate();
    EXPECT_EQ(heap->Stats().used, 0u);
    EXPECT_EQ(heap->Stats().mapped_blocks, 0u);
    FakePages::Get().refuse_at = -1;
    EXPECT_NE(LargeAllocate(*heap, 100000, 1, false), nullptr);
    FakePages::Reset();
  }
}

TEST(ExtentsRefused, WhenAllIsRefusedTheAnswerIsNull) {
  PageMap map;
  MetaAllocator meta(&kFakePages);
  auto heap = std::make_unique<OwnHeap>(kFakePages, map, meta);
  FakePages::Get().refuse_at = 1;
  FakePages::Get().refuse_all_from = true;
  EXPECT_EQ(LargeAllocate(*heap, 100000, 1, false), nullptr);
  EXPECT_EQ(LargeAllocate(*heap, size_t{1} << 40, 1, false), nullptr);
  FakePages::Reset();
}

TEST_F(Extents, RandomWorkKeepsTheInvariants) {
  std::mt19937 random(3);
  std::vector<Extent*> live;
  for (int i = 0; i < 20000; ++i) {
    const unsigned what = random() % 10;
    if (what < 5 || live.empty()) {
      live.push_back(Get(random() % 20 == 0 ? 1 + random() % 400 : 1 + random() % 20));
      ASSERT_NE(live.back(), nullptr);
    } else {
      const size_t at = random() % live.size();
      Extent* e = live[at];
      if (what == 5) {
        heap_.Extend(e, e->granules + 1 + random() % 8);
      } else if (what == 6 && e->granules > 1) {
        heap_.Shrink(e, 1 + random() % (e->granules - 1u));
      } else {
        heap_.Free(e);
        live[at] = live.back();
        live.pop_back();
      }
    }
    if (i % 1000 == 0) heap_.Purge(random() % (size_t{16} << 20));
    if (i % 500 == 0) heap_.Validate();
  }
  size_t used = 0;
  for (Extent* e : live) used += e->granules * kGranule;
  EXPECT_EQ(heap_.Stats().used, used);
}

TEST_F(Extents, ThreadsShareOneHeap) {
  std::vector<std::thread> threads;
  ASSERT_NE(Get(1), nullptr);
  FakePages::Get().mappings.clear();  // not thread-safe: the real kernel serves this test
  MetaAllocator meta(&os::kKernelPages);
  PageMap map;
  auto heap = std::make_unique<OwnHeap>(os::kKernelPages, map, meta);
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<Extent*> mine;
      for (int i = 0; i < 3000; ++i) {
        bool zeroed = false;
        Extent* e = heap->Allocate(1 + random() % 60, kGranule, kLarge, &zeroed);
        ASSERT_NE(e, nullptr);
        if (zeroed) {
          ASSERT_EQ(*e->base, 0);
        }
        memset(e->base, static_cast<int>(t + 1), 64);
        mine.push_back(e);
        if (mine.size() > 20) {
          ASSERT_EQ(mine[0]->base[63], static_cast<char>(t + 1));
          heap->Free(mine[0]);
          mine.erase(mine.begin());
        }
        if (i % 200 == 0) heap->Purge(size_t{4} << 20);
      }
      for (Extent* e : mine) heap->Free(e);
    });
  }
  for (auto& t : threads) t.join();
  heap->Validate();
  EXPECT_EQ(heap->Stats().used, 0u);
}

}  // namespace
}  // namespace xalloc
