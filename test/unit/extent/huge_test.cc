// SPDX-License-Identifier: MIT
// Huge pages and memory populated ahead: when, and when not.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "extent/extent_heap.h"
#include "unit/fake_pages.h"
#include "unit/own_heap.h"

namespace xalloc {
namespace {

constexpr size_t kMiB = size_t{1} << 20, kAll = SIZE_MAX / 2;

class Huge : public testing::Test {
 protected:
  void SetUp() override {
    g_options = Options();
    if (os::PageSize() != 4096) GTEST_SKIP() << "a huge page is not 2 MiB";
  }
  void TearDown() override {
    heap_.Validate(true);
    FakePages::Reset();
    g_options = Options();
  }
  void Want(Thp thp) { g_options.thp = static_cast<int64_t>(thp); }
  Extent* Get(size_t granules, Extent::Kind kind = Extent::Kind::kLarge) {
    bool zeroed = false;
    Extent* e = heap_.Allocate(granules, kGranule, kind, &zeroed);
    if (kind == Extent::Kind::kSlab) heap_.SetOwners(e);
    return e;
  }
  void Free(Extent* e) {
    if (e->kind == Extent::Kind::kSlab) heap_.ClearOwners(e);
    heap_.Free(e);
  }
  void Fill(size_t bytes, Extent::Kind kind = Extent::Kind::kLarge) {
    for (size_t sum = 0; sum < bytes; sum += 4 * kGranule) blocks_.push_back(Get(4, kind));
  }
  const PageCounters pages() { return heap_.Stats().pages; }

  PageMap map_;
  MetaAllocator meta_{&kFakePages};
  OwnHeap heap_{kFakePages, map_, meta_};
  std::vector<Extent*> blocks_;
};

TEST_F(Huge, ASmallHeapAsksForNothing) {
  Fill(5 * kMiB, Extent::Kind::kSlab);
  Fill(kMiB);
  EXPECT_EQ(FakePages::Get().huge_advice, 0);
  EXPECT_EQ(FakePages::Get().populated_bytes, 0u);
}

TEST_F(Huge, BelowTheThresholdHugepagesAreCommittedInHalves) {
  Fill(12 * kMiB);
  // The kernel makes a page huge at its first touch, if all of it may be touched: half of one never is.
  EXPECT_GE(FakePages::Get().commits, 11);
}

TEST_F(Huge, ALargeDenseHeapGetsHugePagesAtBirth) {
  Fill(64 * kMiB, Extent::Kind::kSlab);
  EXPECT_GE(FakePages::Get().told_huge, 52 * kMiB);
  EXPECT_GE(pages().huge, 52 * kMiB);
  EXPECT_LE(pages().huge, 58 * kMiB);
  EXPECT_LE(heap_.Stats().dirty, kHugepage) << "what is populated and not used yet";
}

TEST_F(Huge, ALargeHeapIsMadeReadyInSteps) {
  Fill(20 * kMiB, Extent::Kind::kSlab);
  const FakePages::State before = FakePages::Get();
  Fill(236 * kMiB, Extent::Kind::kSlab);
  EXPECT_LE(FakePages::Get().commits - before.commits, 16) << "of 118 hugepages";
  EXPECT_LE(FakePages::Get().huge_advice - before.huge_advice, 16);
  EXPECT_LE(FakePages::Get().told_huge, 256 * kMiB + 16 * kHugepage) << "ahead of use";
  EXPECT_LE(heap_.Stats().committed, 258 * kMiB) << "what is ready is not open";
}

TEST_F(Huge, WhatWasMadeReadyForBlocksIsToldAtOnceWhenSlabsComeToIt) {
  Fill(40 * kMiB, Extent::Kind::kSlab);
  const FakePages::State before = FakePages::Get();
  const size_t huge = pages().huge;
  for (int i = 0; i < 24; ++i) {
    Get(2 * kGranulesPerHugepage);
    Fill(8 * kMiB, Extent::Kind::kSlab);
  }
  EXPECT_GE(pages().huge - huge, 180 * kMiB);
  EXPECT_LE(FakePages::Get().huge_advice - before.huge_advice, 24) << "for 96 hugepages of slabs";
}

TEST_F(Huge, WhereAStepIsRefusedOneHugepageIsMadeReady) {
  Fill(40 * kMiB, Extent::Kind::kSlab);
  FakePages::Get().most_committed = kHugepage;
  const long before = FakePages::Get().commits;
  Fill(20 * kMiB, Extent::Kind::kSlab);  // within the first region: the page map is committed in larger pieces
  EXPECT_GE(FakePages::Get().commits - before, 5) << "one by one, after what was ready";
  EXPECT_GE(pages().huge, 48 * kMiB);
}

TEST_F(Huge, WhereThereIsNoAddressSpaceABlockGetsWhatIsReady) {
  Fill(40 * kMiB, Extent::Kind::kSlab);
  FakePages::Get().refuse_reserve = true;
  for (int i = 0; i < 3; ++i) EXPECT_NE(Get(kGranulesPerHugepage - 1), nullptr);
}

TEST_F(Huge, OfWhatIsReadyABlockGetsNone) {
  Fill(40 * kMiB, Extent::Kind::kSlab);
  while (heap_.Stats().committed - heap_.Stats().used >= kGranule) blocks_.push_back(Get(1, Extent::Kind::kSlab));
  blocks_.push_back(Get(1, Extent::Kind::kSlab));  // opens a hugepage; some more are ready
  while (heap_.Stats().committed - heap_.Stats().used >= kGranule) blocks_.push_back(Get(1, Extent::Kind::kSlab));
  const size_t huge = pages().huge, dirty = heap_.Stats().dirty;
  Get(kGranulesPerHugepage / 2);
  EXPECT_EQ(heap_.Stats().dirty, dirty) << "nothing but the block has memory";
  EXPECT_EQ(FakePages::Get().told_plain, 0u) << "where the kernel makes huge pages unasked it may do so";
  Get(kGranulesPerHugepage / 2 - 1, Extent::Kind::kSlab);
  EXPECT_EQ(pages().huge, huge);
}

TEST_F(Huge, BlocksOfTheProgramsOwnDoNot) {
  Fill(64 * kMiB, Extent::Kind::kSlab);
  const size_t before = pages().huge;
  for (int i = 0; i < 30; ++i) Get(3 * kGranulesPerHugepage / 2);
  for (int i = 0; i < 100; ++i) Get(40);
  EXPECT_LE(pages().huge, before) << "it may touch one page in a thousand of them";
  for (int i = 0; i < 1000; ++i) heap_.CollapseStep();
  EXPECT_LE(FakePages::Get().collapses, 8) << "those that were opened below the threshold";
}

TEST_F(Huge, ABlockThatReallocGrowsIsInWholeHugePages) {
  Extent* e = heap_.Map(5 * kMiB, 1);
  ASSERT_TRUE(heap_.Remap(e, 7 * kMiB, true));
  EXPECT_EQ(FakePages::Get().huge_advice, 0);
  EXPECT_EQ(e->block.mapping_bytes, 7 * kMiB);
  ASSERT_TRUE(heap_.Remap(e, 9 * kMiB - 5000, true));
  EXPECT_EQ(FakePages::Get().huge_advice, 1);
  EXPECT_EQ(e->block.mapping_bytes, 10 * kMiB);
  EXPECT_EQ(e->block.usable, 9 * kMiB - 4096) << "a page more than asked for at most: sizes given to a free are compared with it";
  const long calls = FakePages::Get().calls;
  ASSERT_TRUE(heap_.Remap(e, 10 * kMiB, false));
  EXPECT_EQ(FakePages::Get().calls, calls) << "there is room already";
  EXPECT_EQ(e->block.usable, 10 * kMiB);
  ASSERT_TRUE(heap_.Remap(e, 11 * kMiB, true));
  EXPECT_EQ(FakePages::Get().huge_advice, 1) << "once";
  ASSERT_TRUE(heap_.Remap(e, 9 * kMiB, true));
  EXPECT_EQ(e->block.mapping_bytes, 9 * kMiB) << "what is given up goes back";
  EXPECT_EQ(heap_.Stats().mapped_blocks, 9 * kMiB);
  heap_.Unmap(e);
  Want(Thp::kNever);
  e = heap_.Map(9 * kMiB, 1);
  ASSERT_TRUE(heap_.Remap(e, 11 * kMiB - 1, true));
  EXPECT_EQ(e->block.mapping_bytes, 11 * kMiB);
  EXPECT_EQ(FakePages::Get().huge_advice, 1);
  heap_.Unmap(e);
  EXPECT_EQ(heap_.Stats().mapped_blocks, 0u);
}

TEST_F(Huge, AFragmentedHeapDoesNot) {
  Fill(26 * kMiB);
  for (size_t i = 0; i < blocks_.size(); i += 3) Free(blocks_[i]);
  for (int i = 0; i < 30; ++i) Get(kGranulesPerHugepage - 1, Extent::Kind::kSlab);  // longer than any free run
  EXPECT_EQ(FakePages::Get().huge_advice, 0);
  EXPECT_EQ(pages().huge, 0u);
}

TEST_F(Huge, WhatThreadsThatGrowAtOnceHaveInHandIsNoHole) {
  Fill(40 * kMiB, Extent::Kind::kSlab);
  for (size_t i = 0; i < blocks_.size(); i += 9) Free(blocks_[i]);
  const size_t before = pages().huge;
  for (int i = 0; i < 3; ++i) Get(kGranulesPerHugepage - 1, Extent::Kind::kSlab);
  EXPECT_EQ(pages().huge, before + 3 * kHugepage) << "a ninth of the heap is free";
}

TEST_F(Huge, NeverTellsTheKernelSoAndDefaultTellsItNothing) {
  Want(Thp::kNever);
  Fill(64 * kMiB, Extent::Kind::kSlab);
  EXPECT_GE(FakePages::Get().huge_advice, 1) << "of each region, that it is not to be huge";
  EXPECT_EQ(pages().huge, 0u);
}

TEST_F(Huge, DefaultLeavesTheKernelAlone) {
  Want(Thp::kDefault);
  Fill(64 * kMiB, Extent::Kind::kSlab);
  EXPECT_EQ(FakePages::Get().huge_advice, 0);
  EXPECT_EQ(FakePages::Get().populated_bytes, 0u);
}

TEST_F(Huge, AlwaysBeginsWithTheFirst) {
  Want(Thp::kAlways);
  Get(1, Extent::Kind::kSlab);
  EXPECT_EQ(pages().huge, kHugepage);
  EXPECT_EQ(heap_.Stats().dirty, kHugepage - kGranule);
}

TEST_F(Huge, AHugePageIsNotBrokenForLessThanHalf) {
  Want(Thp::kAlways);
  for (unsigned i = 0; i < kGranulesPerHugepage; ++i) blocks_.push_back(Get(1));
  for (unsigned i = 0; i < 60; ++i) Free(blocks_[i]);
  EXPECT_EQ(heap_.Purge(kAll, Manner::kAnyRun), 0u);
  EXPECT_EQ(heap_.Purge(kAll, Manner::kLongRuns), 0u);
  EXPECT_GE(pages().spared, 2u);
  EXPECT_EQ(heap_.PinnedByHugePages(), 60 * kGranule);
  for (unsigned i = 60; i < 64; ++i) Free(blocks_[i]);
  EXPECT_EQ(heap_.PinnedByHugePages(), 0u);
  EXPECT_EQ(heap_.Purge(kAll, Manner::kLongRuns), 64 * kGranule);
  Free(blocks_[64]);
  EXPECT_EQ(heap_.Purge(kAll, Manner::kAnyRun), kGranule) << "broken once, it is an ordinary hugepage";
}

TEST_F(Huge, WhatWasBrokenIsNotMadeHugeAgainUntilItIsAllFree) {
  Want(Thp::kAlways);
  for (unsigned i = 0; i < kGranulesPerHugepage; ++i) blocks_.push_back(Get(1));
  const long before = FakePages::Get().huge_advice;
  for (unsigned i = 0; i < 64; ++i) Free(blocks_[i]);
  heap_.Purge(kAll, Manner::kLongRuns);
  EXPECT_EQ(FakePages::Get().huge_advice, before + 1);
  Free(blocks_[64]);
  heap_.Purge(kAll);
  EXPECT_EQ(FakePages::Get().huge_advice, before + 1) << "the kernel knows";
  for (unsigned i = 65; i < kGranulesPerHugepage; ++i) Free(blocks_[i]);
  // All free, but not all of it dirty: it is taken and given back once more.
  Free(Get(kGranulesPerHugepage));
  heap_.Purge(kAll);
  EXPECT_EQ(FakePages::Get().huge_advice, before + 2);
}

TEST_F(Huge, MallocTrimBreaksThemAll) {
  Want(Thp::kAlways);
  Get(1, Extent::Kind::kSlab);
  Free(Get(1));
  EXPECT_EQ(heap_.Purge(kAll), kHugepage - kGranule);
}

TEST_F(Huge, OneTouchOfAnEmptyHugepageBringsAllOfItIn) {
  Want(Thp::kAlways);
  Get(kGranulesPerHugepage);
  Free(Get(kGranulesPerHugepage));
  heap_.Purge(kAll);
  EXPECT_EQ(heap_.Stats().dirty, 0u);
  bool zeroed = false;
  Extent* a = heap_.Allocate(100, kGranule, Extent::Kind::kLarge, &zeroed);
  EXPECT_TRUE(zeroed);
  EXPECT_EQ(heap_.Stats().dirty, 28 * kGranule) << "the rest of it is there, too";
  Free(a);
}

TEST_F(Huge, ALongBlockMakesRoomForAllThatItBringsIn) {
  Want(Thp::kAlways);
  constexpr size_t kHalf = kGranulesPerHugepage / 2;
  for (int i = 0; i < 120; ++i) blocks_.push_back(Get(kHalf));
  for (size_t i = 0; i < blocks_.size(); i += 2) Free(blocks_[i]);
  const auto resident = [this] { return heap_.Stats().used + heap_.Stats().dirty; };
  const size_t before = resident();
  ASSERT_NE(Get(3 * kHalf), nullptr);
  EXPECT_EQ(resident(), before) << "the fourth half came in with the third";
}

TEST_F(Huge, SlabsOfAGrowingHeapArePopulatedAhead) {
  Fill(5 * kMiB, Extent::Kind::kSlab);
  EXPECT_EQ(FakePages::Get().populated_bytes, 0u);
  Fill(8 * kMiB, Extent::Kind::kSlab);
  EXPECT_GE(FakePages::Get().populated_bytes + pages().huge, 4 * kMiB);
  EXPECT_EQ(pages().populated, FakePages::Get().populated_bytes);
  EXPECT_LE(heap_.Stats().dirty, heap_.Stats().used / 20 + kHugepage / 2) << "a few percent ahead of what is used, and of a huge page";
  const size_t before = FakePages::Get().populated_bytes;
  Fill(2 * kMiB, Extent::Kind::kLarge);
  EXPECT_LE(FakePages::Get().populated_bytes, before + kMiB) << "only the program knows what it will touch of its large blocks";
}

TEST_F(Huge, WhatWasPopulatedStillReadsAsZero) {
  Fill(10 * kMiB, Extent::Kind::kSlab);
  bool zeroed = false;
  for (int i = 0; i < 10 && heap_.Stats().dirty == 0; ++i) Get(4, Extent::Kind::kSlab);
  ASSERT_GT(heap_.Stats().dirty, 0u);
  heap_.Allocate(1, kGranule, Extent::Kind::kLarge, &zeroed);
  EXPECT_TRUE(zeroed);
}

TEST_F(Huge, AKernelThatCannotPopulateIsAskedOnce) {
  FakePages::Get().no_populate = true;
  Fill(8 * kMiB, Extent::Kind::kSlab);
  const long calls = FakePages::Get().calls;
  Fill(kMiB, Extent::Kind::kSlab);
  EXPECT_LE(FakePages::Get().calls, calls + 3);
  EXPECT_EQ(heap_.Stats().dirty, 0u);
}

TEST_F(Huge, AKernelThatCannotPopulateMakesHugePagesAtTheFirstTouch) {
  FakePages::Get().no_populate = true;
  Fill(64 * kMiB, Extent::Kind::kSlab);
  EXPECT_GE(FakePages::Get().told_huge, 52 * kMiB);
  EXPECT_GE(pages().huge, 52 * kMiB);
  EXPECT_LE(heap_.Stats().dirty, kHugepage);
}

TEST_F(Huge, DenseHugepagesAreMovedIntoHugePagesOneAStep) {
  Fill(24 * kMiB, Extent::Kind::kSlab);
  ASSERT_LE(pages().huge, 18 * kMiB);
  for (int i = 0; i < 19; ++i) EXPECT_FALSE(heap_.CollapseStep()) << "they may be young";
  int moved = 0;
  for (int i = 0; i < 100; ++i) moved += heap_.CollapseStep();
  EXPECT_EQ(moved, FakePages::Get().collapses);
  EXPECT_GE(moved, 3);
  EXPECT_LE(moved, 5) << "each once";
  EXPECT_EQ(pages().collapses, static_cast<uint64_t>(moved));
}

TEST_F(Huge, WhatWasGivenBackInsideOfSlabsIsNotBroughtBack) {
  Fill(24 * kMiB, Extent::Kind::kSlab);
  for (Extent* e : blocks_) heap_.PurgeInside(e->base, kGranule);
  for (int i = 0; i < 200; ++i) heap_.CollapseStep();
  EXPECT_EQ(FakePages::Get().collapses, 0);
  for (Extent* e : blocks_) Free(e);
  heap_.Purge(kAll);
  for (int i = 0; i < 20; ++i) heap_.CollapseStep();
  Fill(24 * kMiB, Extent::Kind::kSlab);
  for (int i = 0; i < 200; ++i) heap_.CollapseStep();
  EXPECT_GE(FakePages::Get().collapses, 3) << "it had been empty";
}

TEST_F(Huge, NeverAsksForNoneWhenAllIsGivenBack) {
  Want(Thp::kNever);
  heap_.SetHugeUnasked();
  Fill(24 * kMiB, Extent::Kind::kSlab);
  const long advice = FakePages::Get().huge_advice;
  for (size_t i = 0; i < blocks_.size(); i += 2) Free(blocks_[i]);
  heap_.Purge(kAll);
  for (size_t i = 1; i < blocks_.size(); i += 2) Free(blocks_[i]);
  heap_.Purge(kAll);
  EXPECT_EQ(FakePages::Get().huge_advice, advice);
}

TEST_F(Huge, HugepagesWithHolesStayAsTheyAre) {
  Fill(24 * kMiB, Extent::Kind::kSlab);
  for (size_t i = 0; i < blocks_.size(); i += 8) Free(blocks_[i]);
  for (int i = 0; i < 100; ++i) heap_.CollapseStep();
  EXPECT_LE(FakePages::Get().collapses, 1);
}

TEST_F(Huge, AForkChildGetsBackWhatWasInNobodysHands) {
  Fill(7 * kMiB, Extent::Kind::kSlab);
  const ExtentStats before = heap_.Stats();
  heap_.ReturnFlights();
  EXPECT_EQ(heap_.Stats().dirty, before.dirty) << "nothing is on its way";
  int forks = 0, status = -1;
  FakePages::Get().in_populate = [&] {
    if (forks++ != 0) return;
    const pid_t child = fork();
    if (child != 0) {
      waitpid(child, &status, 0);
      return;
    }
    const size_t dirty = heap_.Stats().dirty;
    heap_.ReturnFlights();
    heap_.Validate(true);  // ends by a signal if something is in nobody's hands
    _exit(heap_.Stats().dirty > dirty ? 0 : 1);
  };
  for (int i = 0; i < 40 && forks == 0; ++i) Get(4, Extent::Kind::kSlab);
  EXPECT_EQ(forks, 1);
  EXPECT_EQ(status, 0) << "what was populated when it was forked is dirty there";
}

TEST_F(Huge, MoreThreadsPopulateAtOnceThanThereAreRecords) {
  Fill(7 * kMiB, Extent::Kind::kSlab);
  int depth = 0;
  FakePages::Get().in_populate = [&] {
    if (++depth < 40) Get(4, Extent::Kind::kSlab);
  };
  for (int i = 0; i < 40 && depth == 0; ++i) Get(4, Extent::Kind::kSlab);
  EXPECT_GE(depth, 20) << "each inside of the one before";
}

// A huge page takes 3 ms here, and small ones next to nothing, unless a test says otherwise.
class SlowHuge : public Huge {
 protected:
  void SetUp() override {
    Huge::SetUp();
    FakePages::Get().in_touch = [this] {
      ++touched_;
      Spin(3'000'000);
    };
  }
  static void Spin(uint64_t ns) {
    const uint64_t begin = os::ThreadCpuNs();
    while (os::ThreadCpuNs() - begin < ns) {
    }
  }
  int touched_ = 0;
};

TEST_F(SlowHuge, TheNextHugepagesGoWithoutTheLongerTheMoreOftenItHappens) {
  while (touched_ == 0) Fill(kMiB, Extent::Kind::kSlab);
  EXPECT_EQ(pages().stalls, 1u);
  Fill(16 * kMiB, Extent::Kind::kSlab);
  EXPECT_EQ(touched_, 1) << "eight go without";
  Fill(4 * kMiB, Extent::Kind::kSlab);
  EXPECT_EQ(touched_, 2);
  Fill(30 * kMiB, Extent::Kind::kSlab);
  EXPECT_EQ(touched_, 2) << "then sixteen";
  FakePages::Get().in_touch = [this] { ++touched_; };
  Fill(64 * kMiB, Extent::Kind::kSlab);
  EXPECT_GE(touched_, 2 + 64 / 2 - 16) << "fast again, so for good";
  EXPECT_EQ(pages().stalls, 2u);
  EXPECT_EQ(pages().huge, static_cast<size_t>(touched_) * kHugepage) << "and the slow ones are huge pages, too";
}

TEST_F(SlowHuge, ItsMemoryIsPopulatedAsInAHeapWithoutHugePages) {
  Fill(20 * kMiB, Extent::Kind::kSlab);
  const size_t before = FakePages::Get().populated_bytes;
  Fill(6 * kMiB, Extent::Kind::kSlab);
  EXPECT_GE(FakePages::Get().populated_bytes, before + 5 * kMiB);
}

TEST_F(SlowHuge, WhereSmallPagesAreNoFasterNothingIsSlow) {
  FakePages::Get().in_populate = [] { Spin(1'000'000); };
  Fill(40 * kMiB, Extent::Kind::kSlab);
  EXPECT_EQ(pages().stalls, 0u);
  EXPECT_GE(touched_, 12);
}

TEST_F(SlowHuge, WhoAlwaysWantsThemGetsThem) {
  Want(Thp::kAlways);
  Fill(40 * kMiB, Extent::Kind::kSlab);
  EXPECT_GE(touched_, 12);
}

TEST_F(SlowHuge, WhatWasToldBeforeGoesWithout) {
  FakePages::Get().in_touch = nullptr;
  Fill(80 * kMiB, Extent::Kind::kSlab);  // from here on hugepages are told in steps of ten and more
  ASSERT_EQ(FakePages::Get().told_plain, 0u);
  FakePages::Get().in_touch = [this] {
    ++touched_;
    Spin(3'000'000);
  };
  Fill(16 * kMiB, Extent::Kind::kSlab);
  EXPECT_EQ(touched_, 1);
  EXPECT_GT(FakePages::Get().told_plain, 0u);
  EXPECT_LE(FakePages::Get().told_plain, 7 * kHugepage);
}

TEST_F(SlowHuge, ABlockThatReallocGrowsGoesWithoutToo) {
  while (touched_ == 0) Fill(kMiB, Extent::Kind::kSlab);
  Extent* block = heap_.Map(4 * kMiB, kGranule);
  const size_t told = FakePages::Get().told_huge;
  ASSERT_TRUE(heap_.Remap(block, 10 * kMiB, true));
  EXPECT_EQ(FakePages::Get().told_huge, told);
  FakePages::Get().in_touch = nullptr;
  Fill(24 * kMiB, Extent::Kind::kSlab);
  const size_t told_slabs = FakePages::Get().told_huge;
  EXPECT_GT(told_slabs, told);
  ASSERT_TRUE(heap_.Remap(block, 12 * kMiB, true));
  EXPECT_EQ(FakePages::Get().told_huge, told_slabs + 12 * kMiB) << "when slabs get them again, it does, too";
  heap_.Unmap(block);
}

}  // namespace
}  // namespace xalloc
