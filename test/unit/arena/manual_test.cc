// SPDX-License-Identifier: MIT
// Manual arenas over the default hooks: their blocks, their life, and the directory of indices.
#include "arena/manual.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "arena/manual_arena.h"
#include "extent/large.h"

namespace xalloc {
namespace {

class Manual : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CreateArena(nullptr, &index_));
    arena_ = ArenaOf(index_).manual;
    ASSERT_NE(arena_, nullptr);
  }
  void TearDown() override {
    if (arena_ != nullptr) {
      ValidateManual(arena_);
      EXPECT_EQ(DestroyArena(index_), ArenaDone::kDone);
    }
  }
  void* Small(unsigned cls) {
    void* p = nullptr;
    return ManualRefill(arena_, cls, &p, 1) == 1 ? p : nullptr;
  }
  static Misuse Free(void* p) {
    bool owned = false;
    const FlushResult bad = ManualFree(p, &owned);
    EXPECT_TRUE(owned);
    return bad.misuse;
  }
  unsigned index_ = 0;
  ManualArena* arena_ = nullptr;
};

TEST_F(Manual, EveryClassGivesSlotsThatAreItsOwn) {
  std::map<char*, size_t> live;
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    for (int i = 0; i < 20; ++i) {
      auto* p = static_cast<char*>(Small(cls));
      ASSERT_NE(p, nullptr);
      const ManualBlock block = LookAtManual(p);
      ASSERT_EQ(block.arena, arena_);
      ASSERT_EQ(block.cls, cls);
      ASSERT_EQ(block.usable, ClassSize(cls));
      ASSERT_EQ(block.misuse, Misuse::kNone);
      ASSERT_EQ(g_page_map.CodeOf(p), 0u);
      memset(p, static_cast<int>(cls), ClassSize(cls));
      live[p] = ClassSize(cls);
    }
  }
  char* end = nullptr;
  for (auto& [p, size] : live) {
    ASSERT_GE(p, end);
    end = p + size;
  }
  ValidateManual(arena_);
  EXPECT_EQ(StatsOf(arena_).nmalloc_small, live.size());
  for (auto& [p, size] : live) ASSERT_EQ(Free(p), Misuse::kNone);
  const ManualStats stats = StatsOf(arena_);
  EXPECT_EQ(stats.small_allocated, 0u);
  EXPECT_EQ(stats.ndalloc_small, live.size());
}

TEST_F(Manual, LargeBlocksAreAlignedSizedAndZero) {
  for (size_t alignment : {size_t{1}, size_t{4096}, kGranule, size_t{1} << 16, size_t{1} << 20, size_t{1} << 22}) {
    for (size_t size : {size_t{1}, size_t{40000}, size_t{700000}, size_t{3} << 20, size_t{70} << 20}) {
      for (int round = 0; round < 2; ++round) {
        auto* p = static_cast<char*>(ManualAllocateLarge(arena_, size, alignment, true));
        ASSERT_NE(p, nullptr) << size << " " << alignment;
        ASSERT_TRUE(IsAligned(p, alignment));
        ASSERT_EQ(LookAtManual(p).usable, LargeUsableSize(size, alignment));
        for (size_t i = 0; i < size; i += 1021) ASSERT_EQ(p[i], 0);
        for (size_t i = 0; i < size; i += 1021) p[i] = 1;
        ASSERT_EQ(Free(p), Misuse::kNone);
      }
    }
  }
  EXPECT_EQ(StatsOf(arena_).large_allocated, 0u);
  EXPECT_EQ(StatsOf(arena_).active, 0u);
}

TEST_F(Manual, ImpossibleSizesAreRefused) {
  EXPECT_EQ(ManualAllocateLarge(arena_, SIZE_MAX, 1, false), nullptr);
  EXPECT_EQ(ManualAllocateLarge(arena_, PTRDIFF_MAX, 1, false), nullptr);
  EXPECT_EQ(ManualAllocateLarge(arena_, size_t{1} << 62, 1, false), nullptr);
  EXPECT_EQ(ManualAllocateLarge(arena_, 1, size_t{1} << 63, false), nullptr);
  EXPECT_EQ(ManualAllocateLarge(arena_, 1, size_t{1} << 62, false), nullptr);
}

TEST_F(Manual, LargeBlocksGrowAndShrinkInPlace) {
  auto* p = static_cast<char*>(ManualAllocateLarge(arena_, 100000, 1, false));
  ASSERT_NE(p, nullptr);
  EXPECT_TRUE(ManualResize(p, 500000));
  EXPECT_EQ(LookAtManual(p).usable, LargeUsableSize(500000, 1));
  memset(p, 1, 500000);
  void* after = ManualAllocateLarge(arena_, 100000, 1, false);
  EXPECT_TRUE(ManualResize(p, 50000));
  EXPECT_FALSE(ManualResize(p, size_t{1} << 40));
  EXPECT_FALSE(ManualResize(p, SIZE_MAX));
  EXPECT_EQ(LookAtManual(p).usable, LargeUsableSize(50000, 1));
  ValidateManual(arena_);
  EXPECT_EQ(Free(after), Misuse::kNone);
  EXPECT_EQ(Free(p), Misuse::kNone);
}

TEST_F(Manual, MisuseIsToldApart) {
  auto* p = static_cast<char*>(Small(SizeToClass(64)));
  void* other = Small(SizeToClass(64));
  EXPECT_EQ(Free(p + 8), Misuse::kInterior);
  EXPECT_EQ(Free(p + 1), Misuse::kMisaligned);
  EXPECT_EQ(LookAtManual(p + 8).misuse, Misuse::kInterior);
  EXPECT_EQ(Free(p), Misuse::kNone);
  EXPECT_EQ(LookAtManual(p).misuse, Misuse::kUnallocated);
  EXPECT_EQ(Free(p), Misuse::kDoubleFree);
  EXPECT_EQ(Free(other), Misuse::kNone);
  auto* large = static_cast<char*>(ManualAllocateLarge(arena_, 100000, 1, false));
  EXPECT_EQ(Free(large + 16), Misuse::kInterior);
  EXPECT_EQ(Free(large + 40000), Misuse::kInterior);
  EXPECT_EQ(Free(large + 150000), Misuse::kUnallocated);
  EXPECT_EQ(Free(large), Misuse::kNone);
  EXPECT_EQ(Free(large), Misuse::kUnallocated);
  ValidateManual(arena_);
  bool owned = true;
  int local = 0;
  ManualFree(&local, &owned);
  EXPECT_FALSE(owned);
}

TEST_F(Manual, PurgingAnEmptyArenaReturnsAllOfIt) {
  std::vector<void*> all;
  for (int i = 0; i < 3000; ++i) all.push_back(Small(1 + static_cast<unsigned>(i) % kNumClasses));
  all.push_back(ManualAllocateLarge(arena_, size_t{10} << 20, 1, false));
  for (void* p : all) ASSERT_EQ(Free(p), Misuse::kNone);
  EXPECT_GT(StatsOf(arena_).mapped, size_t{10} << 20);
  EXPECT_GT(PurgeArena(arena_), size_t{10} << 20);
  const ManualStats stats = StatsOf(arena_);
  EXPECT_EQ(stats.mapped, 0u);
  EXPECT_EQ(stats.dirty, 0u);
  EXPECT_EQ(stats.of_dirty.rounds, 1u);
  void* again = Small(5);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(Free(again), Misuse::kNone);
}

TEST_F(Manual, PurgedRunsReadAsZeroAndKeepTheirNeighbours) {
  auto* kept = static_cast<char*>(ManualAllocateLarge(arena_, 65536, 1, false));
  auto* gone = static_cast<char*>(ManualAllocateLarge(arena_, 262144, 1, false));
  memset(kept, 7, 65536);
  memset(gone, 7, 262144);
  ASSERT_EQ(Free(gone), Misuse::kNone);
  EXPECT_EQ(StatsOf(arena_).dirty, 262144u);
  EXPECT_EQ(PurgeArena(arena_), 262144u);
  EXPECT_EQ(StatsOf(arena_).dirty, 0u);
  for (int i = 0; i < 65536; ++i) ASSERT_EQ(kept[i], 7);
  auto* again = static_cast<char*>(ManualAllocateLarge(arena_, 262144, 1, true));
  for (int i = 0; i < 262144; ++i) ASSERT_EQ(again[i], 0);
  ValidateManual(arena_);
}

TEST_F(Manual, DecayComesAfterATimeWithoutChange) {
  SetDirtyDecayMs(arena_, 1000);
  void* kept = ManualAllocateLarge(arena_, 65536, 1, false);
  void* gone = ManualAllocateLarge(arena_, 262144, 1, false);
  ASSERT_EQ(Free(gone), Misuse::kNone);
  EXPECT_EQ(DecayArena(arena_, 5000), 0u);
  EXPECT_EQ(DecayArena(arena_, 5999), 0u);
  gone = ManualAllocateLarge(arena_, 262144, 1, false);
  ASSERT_EQ(Free(gone), Misuse::kNone);
  EXPECT_EQ(DecayArena(arena_, 6500), 0u);
  EXPECT_EQ(DecayArena(arena_, 7499), 0u);
  EXPECT_EQ(DecayArena(arena_, 7500), 262144u);
  gone = ManualAllocateLarge(arena_, 262144, 1, false);
  SetDirtyDecayMs(arena_, -1);
  ASSERT_EQ(Free(gone), Misuse::kNone);
  EXPECT_EQ(DecayArena(arena_, 8000), 0u);
  EXPECT_EQ(DecayArena(arena_, 80000), 0u);
  SetDirtyDecayMs(arena_, 0);
  EXPECT_EQ(StatsOf(arena_).dirty, 0u);
  gone = ManualAllocateLarge(arena_, 262144, 1, false);
  ASSERT_EQ(Free(gone), Misuse::kNone);
  EXPECT_EQ(StatsOf(arena_).dirty, 0u);
  ASSERT_EQ(Free(kept), Misuse::kNone);
}

TEST_F(Manual, ResetForgetsAllBlocksAndKeepsTheMemory) {
  std::set<void*> before;
  for (int i = 0; i < 2000; ++i) before.insert(Small(1 + static_cast<unsigned>(i) % kNumClasses));
  void* large = ManualAllocateLarge(arena_, size_t{5} << 20, 1, false);
  const size_t mapped = StatsOf(arena_).mapped;
  EXPECT_EQ(ResetArena(index_), ArenaDone::kDone);
  ManualStats stats = StatsOf(arena_);
  EXPECT_EQ(stats.mapped, mapped);
  EXPECT_EQ(stats.active, 0u);
  EXPECT_EQ(stats.small_allocated + stats.large_allocated, 0u);
  EXPECT_EQ(stats.nmalloc_small, stats.ndalloc_small);
  EXPECT_EQ(LookAtManual(large).misuse, Misuse::kUnallocated);
  ValidateManual(arena_);
  for (int i = 0; i < 2000; ++i) ASSERT_NE(Small(1 + static_cast<unsigned>(i) % kNumClasses), nullptr);
  EXPECT_EQ(StatsOf(arena_).mapped, mapped);
}

TEST_F(Manual, DestroyedArenasAreGoneAndTheirIndexComesBack) {
  void* p = Small(3);
  ASSERT_EQ(DestroyArena(index_), ArenaDone::kDone);
  EXPECT_FALSE(ArenaOf(index_).exists());
  EXPECT_EQ(LookAtManual(p).arena, nullptr);
  EXPECT_EQ(DestroyArena(index_), ArenaDone::kNoSuch);
  EXPECT_EQ(ResetArena(index_), ArenaDone::kNoSuch);
  EXPECT_EQ(PurgeArena(arena_), 0u);
  void* out = nullptr;
  EXPECT_EQ(ManualRefill(arena_, 3, &out, 1), 0u);
  EXPECT_EQ(ManualAllocateLarge(arena_, 100000, 1, false), nullptr);
  const unsigned count = ArenaCount();
  unsigned again = 0;
  ASSERT_TRUE(CreateArena(nullptr, &again));
  EXPECT_EQ(again, index_);
  EXPECT_EQ(ArenaCount(), count);
  EXPECT_EQ(StatsOf(ArenaOf(again).manual).nmalloc_small, 0u);
}

TEST_F(Manual, NamesAndSettings) {
  char name[32];
  NameOf(arena_, name);
  EXPECT_EQ(std::string(name), "manual_" + std::to_string(index_));
  SetName(arena_, "a name that has more than thirty-one characters");
  NameOf(arena_, name);
  EXPECT_EQ(std::string(name), "a name that has more than thirt");
  SetName(arena_, "b");
  NameOf(arena_, name);
  EXPECT_EQ(std::string(name), "b");
  SetMuzzyDecayMs(arena_, 17);
  EXPECT_EQ(MuzzyDecayMsOf(arena_), 17);
  SetDirtyDecayMs(arena_, 18);
  EXPECT_EQ(DirtyDecayMsOf(arena_), 18);
  EXPECT_EQ(HooksOf(arena_), DefaultExtentHooks());
}

TEST_F(Manual, BinCountersAddUp) {
  const unsigned cls = SizeToClass(100);
  std::vector<void*> all(1000);
  for (void*& p : all) p = Small(cls);
  BinStats stats = BinStatsOf(arena_, cls);
  EXPECT_EQ(stats.counters.nmalloc, 1000u);
  EXPECT_EQ(stats.slabs * ShapeOf(cls).slots - stats.free_slots, 1000u);
  for (void* p : all) Free(p);
  stats = BinStatsOf(arena_, cls);
  EXPECT_EQ(stats.counters.ndalloc, 1000u);
  EXPECT_EQ(stats.slabs, 1u);
  EXPECT_EQ(stats.counters.nslabs - stats.counters.nslabs_freed, 1u);
}

TEST_F(Manual, RandomTraffic) {
  std::mt19937 random(3);
  std::vector<std::pair<unsigned char*, size_t>> live;
  for (int i = 0; i < 30000; ++i) {
    if (live.size() < 300 && random() % 2 == 0) {
      const size_t size = random() % 4 == 0 ? 1 + random() % 400000 : 1 + random() % kMaxSmall;
      void* p = size <= kMaxSmall ? Small(SizeToClass(size)) : ManualAllocateLarge(arena_, size, size_t{1} << random() % 18, false);
      ASSERT_NE(p, nullptr);
      memset(p, static_cast<int>(size), Min<size_t>(size, 64));
      live.emplace_back(static_cast<unsigned char*>(p), size);
    } else if (!live.empty()) {
      const size_t at = random() % live.size();
      for (size_t b = 0; b < Min<size_t>(live[at].second, 64); ++b) ASSERT_EQ(live[at].first[b], static_cast<unsigned char>(live[at].second));
      ASSERT_EQ(Free(live[at].first), Misuse::kNone);
      live[at] = live.back();
      live.pop_back();
    }
    if (random() % 1000 == 0) PurgeArena(arena_);
    if (i % 500 == 0) ValidateManual(arena_);
  }
}

// ---- the directory ------------------------------------------------------------------------------------------------------

TEST(Directory, IndexZeroIsAutomatic) {
  EXPECT_GE(ArenaCount(), 1u);
  const ArenaRef first = ArenaOf(0);
  ASSERT_NE(first.automatic, nullptr);
  EXPECT_EQ(first.manual, nullptr);
  EXPECT_EQ(IndexOfSlot(first.automatic->slot()), 0u);
  EXPECT_EQ(DestroyArena(0), ArenaDone::kNotManual);
  EXPECT_EQ(ResetArena(0), ArenaDone::kNotManual);
}

TEST(Directory, WhatIsNotThereIsNotThere) {
  for (const unsigned index : {ArenaCount(), ArenaCount() + 7, kMostArenas - 1, kMostArenas, ~0u}) {
    EXPECT_FALSE(ArenaOf(index).exists());
    EXPECT_EQ(DestroyArena(index), ArenaDone::kNoSuch);
  }
  EXPECT_EQ(IndexOfSlot(kMaxArenas), kMostArenas);
}

TEST(Directory, LookupNamesTheOwner) {
  unsigned index = 0;
  unsigned mine = 0;
  ASSERT_TRUE(CreateArena(nullptr, &mine));
  void* p = nullptr;
  ASSERT_EQ(ManualRefill(ArenaOf(mine).manual, 4, &p, 1), 1u);
  EXPECT_TRUE(LookupArena(p, &index));
  EXPECT_EQ(index, mine);
  ASSERT_EQ(DestroyArena(mine), ArenaDone::kDone);
  EXPECT_FALSE(LookupArena(p, &index));
  void* large = LargeAllocate(g_extents, 100000, 1, false);
  EXPECT_TRUE(LookupArena(large, &index));
  EXPECT_EQ(index, 0u);
  LargeFree(g_extents, g_extents.Find(large));
  int local = 0;
  EXPECT_FALSE(LookupArena(&local, &index));
  EXPECT_FALSE(LookupArena(nullptr, &index));
  Arena* shared = g_arenas.Current();
  while (shared->Refill(4, &p, 1) != 1) ASSERT_TRUE(shared->AddSlabs(4));
  EXPECT_TRUE(LookupArena(p, &index));
  EXPECT_NE(ArenaOf(index).automatic, nullptr);
  Arena::FlushToSlabs(4, &p, 1);
}

TEST(Directory, FillsUpAndEmptiesAgain) {
  std::vector<unsigned> all;
  unsigned index = 0;
  while (CreateArena(nullptr, &index)) all.push_back(index);
  EXPECT_GE(all.size(), kMostArenas - kMaxArenas - 1);
  EXPECT_LT(all.back(), kMostArenas);
  EXPECT_EQ(std::set<unsigned>(all.begin(), all.end()).size(), all.size());
  for (const unsigned i : all) ASSERT_EQ(DestroyArena(i), ArenaDone::kDone);
  ASSERT_TRUE(CreateArena(nullptr, &index));
  EXPECT_EQ(DestroyArena(index), ArenaDone::kDone);
}

}  // namespace
}  // namespace xalloc
