// SPDX-License-Identifier: MIT
// Huge pages for long blocks: for a program that fills them, and not for others.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "extent/extent_heap.h"
#include "unit/fake_pages.h"

namespace xalloc {
namespace {

constexpr size_t kMiB = size_t{1} << 20, kAll = SIZE_MAX / 2;

class Filled : public testing::Test {
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
  Extent* Get(size_t bytes) {
    bool zeroed = false;
    Extent* e = heap_.Allocate(bytes / kGranule, kGranule, Extent::Kind::kLarge, &zeroed);
    e->block.usable = bytes;
    return e;
  }
  // The first and last byte of each page of a part of it.
  static void Write(char* at, size_t bytes, char value) {
    for (size_t i = 0; i < bytes; i += 4096) at[i] = at[i + 4095] = value;
  }
  void Replace(size_t bytes, size_t times, double part = 1) {
    for (; times > 0; --times) {
      Extent* e = Get(bytes);
      Write(e->base, bytes, 0);
      Write(e->base, AlignDown(static_cast<size_t>(static_cast<double>(bytes) * part), kGranule), 1);
      heap_.LearnFrom(e);
      heap_.Free(e);
    }
  }
  // A heap in which this counts.
  void Begin() { Get(16 * kMiB); }
  FakePages::State& kernel() { return FakePages::Get(); }

  PageMap map_;
  MetaAllocator meta_{&kFakePages};
  ExtentHeap heap_{kFakePages, map_, meta_};
};

TEST_F(Filled, AfterEnoughFilledBlocksFreshHugepagesOfTheNextAreHuge) {
  Begin();
  Replace(8 * kMiB, 8);
  ASSERT_EQ(kernel().told_huge, 0u);
  heap_.Purge(kAll);
  Extent* e = Get(8 * kMiB + kGranule);
  EXPECT_EQ(kernel().told_huge, 8 * kMiB) << "those that are whole in it";
  EXPECT_EQ(heap_.Stats().pages.huge, 8 * kMiB);
  heap_.Free(e);
  Get(8 * kMiB);
  EXPECT_EQ(kernel().told_huge, 8 * kMiB) << "it has memory already";
}

TEST_F(Filled, BeforeThatNoneIs) {
  Begin();
  Replace(8 * kMiB, 7);
  heap_.Purge(kAll);
  Get(8 * kMiB);
  EXPECT_EQ(kernel().huge_advice, 0);
}

TEST_F(Filled, WhatTheKernelKnowsIsNotToldAgain) {
  Begin();
  Replace(8 * kMiB, 8);
  for (int i = 0; i < 5; ++i) {
    heap_.Purge(kAll);
    Replace(8 * kMiB, 1);
  }
  EXPECT_EQ(kernel().huge_advice, 1);
  EXPECT_EQ(heap_.Stats().pages.huge, 5 * 8 * kMiB);
}

TEST_F(Filled, BlocksThatAreNotFilledEndIt) {
  Begin();
  Replace(16 * kMiB, 100);
  Replace(8 * kMiB, 2, 0.5);
  heap_.Purge(kAll);
  Get(24 * kMiB);
  EXPECT_EQ(kernel().told_huge, 0u);
}

TEST_F(Filled, OneInTenThatIsNotDoesNot) {
  Begin();
  for (int i = 0; i < 5; ++i) {
    Replace(12 * kMiB, 9);
    Replace(12 * kMiB, 1, 0.5);
  }
  heap_.Purge(kAll);
  Get(12 * kMiB);
  EXPECT_EQ(kernel().told_huge, 12 * kMiB);
}

TEST_F(Filled, BlocksOfWhichAQuarterIsZeroAreFilled) {
  Begin();
  Replace(16 * kMiB, 4, 0.75);
  heap_.Purge(kAll);
  Get(16 * kMiB);
  EXPECT_EQ(kernel().told_huge, 16 * kMiB);
}

TEST_F(Filled, ASmallHeapLearnsNothing) {
  Replace(4 * kMiB, 100);
  heap_.Purge(kAll);
  Get(16 * kMiB);
  EXPECT_EQ(kernel().told_huge, 0u);
}

TEST_F(Filled, NorDoesOneThatIsToHaveNoHugePages) {
  Begin();
  g_options.thp = static_cast<int64_t>(Thp::kNever);
  Replace(16 * kMiB, 100);
  heap_.Purge(kAll);
  Get(16 * kMiB);
  EXPECT_EQ(kernel().told_huge, 0u);
}

TEST_F(Filled, SoIsAMappingOfItsOwn) {
  Begin();
  Replace(16 * kMiB, 4);
  Extent* e = heap_.Map(40 * kMiB, 1);
  EXPECT_EQ(kernel().told_huge, 40 * kMiB);
  EXPECT_TRUE(e->huge);
  heap_.Unmap(e);
}

TEST_F(Filled, WhereTheKernelIsSlowTheyGoWithout) {
  Begin();
  Replace(16 * kMiB, 4);
  heap_.Purge(kAll);
  kernel().in_touch = [] {
    const uint64_t begin = os::ThreadCpuNs();
    while (os::ThreadCpuNs() - begin < 3'000'000) {
    }
  };
  Get(16 * kMiB);
  EXPECT_EQ(kernel().told_plain, kernel().told_huge) << "it found out by the first of them";
  EXPECT_EQ(heap_.Stats().pages.stalls, 1u);
  EXPECT_EQ(heap_.Stats().pages.huge, 0u);
  const size_t told = kernel().told_huge;
  Get(16 * kMiB);
  EXPECT_EQ(kernel().told_huge, told) << "nor is the next one told";
}

TEST_F(Filled, ARefusalIsTheEndOfIt) {
  Begin();
  Replace(16 * kMiB, 4);
  heap_.Purge(kAll);
  kernel().refuse_at = kernel().calls + 1;
  ASSERT_NE(Get(8 * kMiB), nullptr);
  Get(24 * kMiB);
  EXPECT_EQ(kernel().told_huge, 0u);
}

// The first touch of a hugepage that was told brings in all of it.
TEST_F(Filled, ABlockBeginsWhereLeastComesIn) {
  Begin();
  Replace(16 * kMiB, 4);
  heap_.Purge(kAll);
  Replace(16 * kMiB, 1);
  ASSERT_EQ(kernel().told_huge, 16 * kMiB);
  heap_.Purge(kAll);
  Get(8 * kMiB - 20 * kGranule);
  heap_.Purge(kAll);
  Get(3 * kMiB);
  EXPECT_EQ(heap_.Stats().dirty, kMiB) << "the rest of two; with its first 20 granules in the hugepage before them the rest of two and 20 more";
}

TEST_F(Filled, AtTheFirstWholeHugepageTooWhereTheRestOfAnotherComesBeforeIt) {
  Begin();
  Replace(16 * kMiB, 4);
  heap_.Purge(kAll);
  Replace(16 * kMiB, 1);
  heap_.Purge(kAll);
  Extent* before = Get(8 * kMiB - 20 * kGranule);
  Extent* between = Get(6 * kMiB + 80 * kGranule);
  Get(kMiB);
  heap_.Free(between);
  heap_.Purge(kAll);
  EXPECT_EQ(Get(3 * kMiB)->base, before->base + 8 * kMiB) << "neither its first 20 granules before that, nor its last in the hugepage of the block that follows";
}

TEST_F(Filled, AMappingIsHugeWhereTheyAreAlwaysWanted) {
  g_options.thp = static_cast<int64_t>(Thp::kAlways);
  Extent* e = heap_.Map(40 * kMiB, 1);
  EXPECT_EQ(kernel().told_huge, 40 * kMiB);
  heap_.Unmap(e);
}

TEST_F(Filled, ABlockThatIsNotFilledIsNotHugeWhereOneWas) {
  Begin();
  Replace(16 * kMiB, 4);
  heap_.Purge(kAll);
  Replace(16 * kMiB, 1);
  Replace(16 * kMiB, 5, 0.1);
  heap_.Purge(kAll);
  const size_t huge = heap_.Stats().pages.huge;
  Get(3 * kMiB);
  EXPECT_EQ(kernel().told_plain, 2 * kHugepage) << "nor is that of which it has a part";
  EXPECT_EQ(heap_.Stats().pages.huge, huge);
}

// A guard page at either end, and one who gives up what he has no right to touch any more.
TEST_F(Filled, NobodyReadsWhatTheProgramClosed) {
  Begin();
  Extent* guarded = Get(4 * kMiB);
  Write(guarded->base, 4 * kMiB, 1);  // so that all of it is looked at
  ASSERT_EQ(mprotect(guarded->base, 4096, PROT_NONE), 0);
  ASSERT_EQ(mprotect(guarded->base + 4 * kMiB - 4096, 4096, PROT_NONE), 0);
  heap_.LearnFrom(guarded);
  heap_.Free(guarded);
  Extent* mapped = heap_.Map(40 * kMiB, 1);
  ASSERT_EQ(mprotect(mapped->base, 40 * kMiB, PROT_NONE), 0);
  heap_.LearnFrom(mapped);
  heap_.Unmap(mapped);
}

// As where what is freed was swapped out: each page that is read takes its time.
TEST_F(Filled, ASlowLookIsNotRepeatedSoon) {
  static int faults;
  static size_t page;
  faults = 0;
  page = os::PageSize();
  struct sigaction slow = {}, before;
  slow.sa_flags = SA_SIGINFO;
  slow.sa_sigaction = [](int, siginfo_t* info, void*) {
    ++faults;
    usleep(200);
    mprotect(reinterpret_cast<void*>(AlignDown(reinterpret_cast<uintptr_t>(info->si_addr), page)), page, PROT_READ | PROT_WRITE);
  };
  sigaction(SIGSEGV, &slow, &before);
  Begin();
  for (int i = 0; i < 257; ++i) {
    Extent* e = Get(2 * kMiB);
    mprotect(e->base, 2 * kMiB, PROT_NONE);
    heap_.LearnFrom(e);
    mprotect(e->base, 2 * kMiB, PROT_READ | PROT_WRITE);
    heap_.Free(e);
    EXPECT_LE(faults, 8);
  }
  EXPECT_GT(faults, 2);
  faults = 0;
  Extent* e = Get(2 * kMiB);
  mprotect(e->base, 2 * kMiB, PROT_NONE);
  heap_.LearnFrom(e);
  mprotect(e->base, 2 * kMiB, PROT_READ | PROT_WRITE);
  EXPECT_GT(faults, 2);
  sigaction(SIGSEGV, &before, nullptr);
}

}  // namespace
}  // namespace xalloc
