// SPDX-License-Identifier: MIT
// Giving memory back in its stages and manners, and the soft limit.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "extent/extent_heap.h"
#include "os/thread.h"
#include "unit/fake_pages.h"
#include "unit/own_heap.h"

namespace xalloc {
namespace {

constexpr size_t kAll = SIZE_MAX / 2;

class GiveBack : public testing::Test {
 protected:
  void SetUp() override { g_options = Options(); }
  void TearDown() override {
    heap_.Validate(true);
    FakePages::Reset();
    g_options = Options();
  }
  Extent* Get(size_t granules = 4) {
    bool zeroed = false;
    return heap_.Allocate(granules, kGranule, Extent::Kind::kLarge, &zeroed);
  }
  // Blocks of four granules (64 KiB, a whole page of any kernel), of which every second one is free.
  void EverySecondFree(int n) {
    for (int i = 0; i < n; ++i) blocks_.push_back(Get());
    for (size_t i = 0; i < blocks_.size(); i += 2) {
      memset(blocks_[i]->base, 0xff, kGranule);
      heap_.Free(blocks_[i]);
    }
  }
  size_t purged() { return heap_.Stats().pages.purged; }
  // Batches are for threads of our own.
  size_t PurgeInOwnThread(size_t bytes) {
    static ExtentHeap* heap;
    static size_t wanted, got;
    static std::atomic<bool> done;
    heap = &heap_;
    wanted = bytes;
    done = false;
    EXPECT_TRUE(os::StartThread([] {
      got = heap->Purge(wanted);
      done = true;
    }));
    while (!done) std::this_thread::yield();
    return got;
  }

  PageMap map_;
  MetaAllocator meta_{&kFakePages};
  OwnHeap heap_{kFakePages, map_, meta_};
  std::vector<Extent*> blocks_;
};

TEST_F(GiveBack, ManyRunsGoInOneCall) {
  FakePages::Get().no_batches = false;
  EverySecondFree(200);
  const size_t first = heap_.Purge(4 * kGranule);  // one by one: the first is looked at
  EXPECT_EQ(FakePages::Get().batches, 0);
  const size_t calls = heap_.Stats().pages.purge_calls, left = 100 - first / (4 * kGranule);
  EXPECT_EQ(PurgeInOwnThread(kAll), left * 4 * kGranule);
  EXPECT_EQ(FakePages::Get().batches, static_cast<long>(CeilDiv(left, 32)));
  EXPECT_EQ(heap_.Stats().pages.purge_calls, calls + CeilDiv(left, 32));
  bool zeroed = false;
  Extent* again = heap_.Allocate(4, kGranule, Extent::Kind::kLarge, &zeroed);
  EXPECT_TRUE(zeroed);
  EXPECT_EQ(*again->base, 0);
}

TEST_F(GiveBack, WhereABatchStopsTheRestGoesOneByOne) {
  FakePages::Get().no_batches = false;
  FakePages::Get().short_after = 2;
  EverySecondFree(60);
  EXPECT_EQ(PurgeInOwnThread(kAll), 30 * 4 * kGranule);
  EXPECT_EQ(heap_.Stats().dirty, 0u);
  EXPECT_GT(FakePages::Get().purges, 20);
  for (int i = 0; i < 30; ++i) {
    bool zeroed = false;
    EXPECT_EQ(*heap_.Allocate(4, kGranule, Extent::Kind::kLarge, &zeroed)->base, 0);
    EXPECT_TRUE(zeroed);
  }
}

TEST_F(GiveBack, OfferedMemoryIsMuzzyUntilItIsUsedOrGivenBack) {
  EverySecondFree(40);
  EXPECT_EQ(heap_.Offer(kAll, Manner::kAnyRun), 20 * 4 * kGranule);
  EXPECT_EQ(heap_.Stats().dirty, 0u);
  EXPECT_EQ(heap_.Stats().muzzy, 20 * 4 * kGranule);
  EXPECT_EQ(FakePages::Get().purged_bytes, 0u);
  EXPECT_EQ(heap_.Offer(kAll, Manner::kAnyRun), 0u) << "once is enough";
  bool zeroed = true;
  blocks_[0] = heap_.Allocate(4, kGranule, Extent::Kind::kLarge, &zeroed);
  EXPECT_FALSE(zeroed) << "the kernel may not have taken it";
  EXPECT_EQ(heap_.Stats().muzzy, 19 * 4 * kGranule);
  EXPECT_EQ(heap_.PurgeOffered(kAll), 19 * 4 * kGranule);
  EXPECT_EQ(heap_.Stats().muzzy, 0u);
  heap_.Free(blocks_[0]);
  EXPECT_EQ(heap_.Stats().dirty, 4 * kGranule);
}

TEST_F(GiveBack, AllGoesAtOnceWhereNothingCanBeOffered) {
  FakePages::Get().no_offer = true;
  EverySecondFree(40);
  heap_.Offer(kAll, Manner::kAnyRun);
  heap_.Offer(kAll, Manner::kAnyRun);
  EXPECT_EQ(heap_.Stats().dirty + heap_.Stats().muzzy, 0u);
  EXPECT_EQ(purged(), 20 * 4 * kGranule);
}

TEST_F(GiveBack, EverythingTakesWhatWasOfferedToo) {
  EverySecondFree(40);
  heap_.Offer(10 * 4 * kGranule, Manner::kAnyRun);
  EXPECT_EQ(heap_.Purge(kAll), 20 * 4 * kGranule);
  EXPECT_EQ(heap_.Stats().muzzy, 0u);
}

TEST_F(GiveBack, WholeFreeHugepagesGoFirst) {
  EverySecondFree(32);  // the oldest dirty memory lies between used blocks
  Extent* whole = Get(kGranulesPerHugepage);
  char* base = whole->base;
  heap_.Free(whole);
  EXPECT_EQ(heap_.Purge(kGranule), kHugepage);
  bool zeroed = false;
  EXPECT_EQ(heap_.Allocate(kGranulesPerHugepage, kHugepage, Extent::Kind::kLarge, &zeroed)->base, base);
  EXPECT_TRUE(zeroed);
}

TEST_F(GiveBack, ShortRunsWaitForTheirNeighboursUnlessAskedFor) {
  if (os::PageSize() > kGranule) GTEST_SKIP() << "a granule is less than a page";
  for (int i = 0; i < 40; ++i) blocks_.push_back(Get(1));
  for (size_t i = 0; i < blocks_.size(); i += 2) heap_.Free(blocks_[i]);
  EXPECT_EQ(heap_.Purge(kAll, Manner::kLongRuns), 0u);
  EXPECT_EQ(heap_.Purge(kAll, Manner::kAnyRun), 20 * kGranule);
}

TEST_F(GiveBack, WhatIsPassedOverDoesNotHideWhatLiesBehind) {
  if (os::PageSize() > kGranule) GTEST_SKIP() << "a granule is less than a page";
  // More hugepages with short runs than one look takes in, then one with a long one.
  for (int i = 0; i < 600; ++i) {
    Extent* small = Get(1);
    blocks_.push_back(Get(kGranulesPerHugepage - 1));
    blocks_.push_back(small);
  }
  for (size_t i = 1; i < blocks_.size(); i += 2) heap_.Free(blocks_[i]);
  heap_.Free(blocks_.back() == nullptr ? nullptr : blocks_[blocks_.size() - 2]);
  size_t back = 0;
  for (int look = 0; look < 3; ++look) back += heap_.Purge(kAll, Manner::kLongRuns);
  EXPECT_GE(back, (kGranulesPerHugepage - 1) * kGranule);
}

TEST_F(GiveBack, AboveTheSoftLimitNothingLiesDirtyWhenTheHeapGrows) {
  heap_.SetSoftLimit(size_t{12} << 20);
  EverySecondFree(160);
  EXPECT_EQ(heap_.Stats().dirty, size_t{5} << 20);
  EXPECT_FALSE(heap_.OverSoftLimit());
  ASSERT_NE(Get(2 * kGranulesPerHugepage), nullptr) << "what is free does not fit";
  EXPECT_EQ(heap_.Stats().dirty, 0u) << "also what is more than the block takes";
  EXPECT_EQ(heap_.Stats().used, size_t{9} << 20);
}

TEST_F(GiveBack, TheLeastThatLayDirtyIsWhatNobodyWanted) {
  Extent* kept = Get(8);
  Extent* used = Get(8);
  heap_.Free(kept);
  heap_.Free(used);
  heap_.TakeIdle();
  for (int i = 0; i < 10; ++i) heap_.Free(Get(8));
  EXPECT_EQ(heap_.TakeIdle().dirty.least, 8 * kGranule);
  EXPECT_EQ(heap_.TakeIdle().dirty.least, 16 * kGranule);
  heap_.Offer(kAll, Manner::kEverything);
  ExtentHeap::IdleStages idle = heap_.TakeIdle();
  EXPECT_EQ(idle.dirty.now, 0u);
  EXPECT_EQ(idle.dirty.gone, 16 * kGranule);
  EXPECT_EQ(idle.dirty.least, 16 * kGranule) << "what went to the kernel was not taken by the program";
  EXPECT_EQ(idle.muzzy.now, 16 * kGranule);
  heap_.PurgeOffered(kAll);
  idle = heap_.TakeIdle();
  EXPECT_EQ(idle.muzzy.now, 0u);
  EXPECT_EQ(idle.muzzy.least, 16 * kGranule);
}

TEST_F(GiveBack, PagesInsideOfWhatIsInUse) {
  Extent* block = Get(8);
  memset(block->base, 1, 8 * kGranule);
  EXPECT_EQ(heap_.PurgeInside(block->base + os::PageSize(), os::PageSize()), os::PageSize());
  EXPECT_EQ(block->base[0], 1);
  EXPECT_EQ(block->base[os::PageSize()], 0);
  EXPECT_EQ(heap_.Stats().pages.inside, os::PageSize());
  EXPECT_EQ(heap_.Stats().used, 8 * kGranule);
}

}  // namespace
}  // namespace xalloc
