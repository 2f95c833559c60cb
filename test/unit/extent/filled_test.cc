// SPDX-License-Identifier: MIT
// Huge pages for long blocks: for a program that fills them, and not for others.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>

#include "extent/extent_heap.h"
#include "extent/large.h"
#include "unit/fake_pages.h"
#include "unit/own_heap.h"

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
  OwnHeap heap_{kFakePages, map_, meta_};
};

TEST_F(Filled, AfterEnoughFilledBlocksFreshHugepagesOfTheNextAreHuge) {
  Begin();
  Replace(8 * kMiB, 2);
  ASSERT_EQ(kernel().told_huge, 0u);
  heap_.Purge(kAll);
  Extent* e = Get(8 * kMiB + kGranule);
  EXPECT_EQ(kernel().told_huge, 10 * kMiB) << "that of which it has the start, too";
  EXPECT_EQ(heap_.Stats().pages.huge, 10 * kMiB);
  EXPECT_EQ(heap_.Stats().dirty, 2 * kMiB - kGranule) << "what the touch of its start brings in";
  heap_.Free(e);
  Get(8 * kMiB);
  EXPECT_EQ(kernel().told_huge, 10 * kMiB) << "it has memory already";
}

TEST_F(Filled, BeforeThatNoneIs) {
  Begin();
  Replace(8 * kMiB, 1);
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

// One that begins in the middle of a hugepage cannot have it made huge by its first touch, which is another's.
TEST_F(Filled, NotTheHugepageInWhichItBegins) {
  Begin();
  Extent* fresh = Get(4 * kMiB);
  Extent* dirty = Get(2 * kMiB);
  Get(kMiB);
  ASSERT_EQ(dirty->base, fresh->base + 4 * kMiB);
  Write(dirty->base, 2 * kMiB, 1);
  for (int i = 0; i < 8; ++i) heap_.LearnFrom(dirty);
  char* first = fresh->base;
  heap_.Free(fresh);
  heap_.Purge(kAll);
  heap_.Free(dirty);
  EXPECT_EQ(Get(5 * kMiB)->base, first + kMiB);
  EXPECT_EQ(kernel().told_huge, 2 * kMiB);
}

TEST_F(Filled, OfALongerOneHalfAsMuchHasToHaveBeen) {
  Begin();
  Replace(16 * kMiB, 1);
  heap_.Unmap(heap_.Map(33 * kMiB, 1));
  ASSERT_EQ(kernel().told_huge, 0u);
  heap_.Unmap(heap_.Map(32 * kMiB, 1));
  EXPECT_EQ(kernel().told_huge, 32 * kMiB);
  Replace(16 * kMiB, 8);
  heap_.Purge(kAll);
  const size_t told = kernel().told_huge;
  heap_.Unmap(heap_.Map(600 * kMiB, 1));
  EXPECT_EQ(kernel().told_huge - told, 600 * kMiB) << "more than 128 MiB is not remembered";
}

TEST_F(Filled, SayMappingsToo) {
  Begin();
  Extent* e = heap_.Map(40 * kMiB, 1);
  Write(e->base, 40 * kMiB, 1);
  heap_.LearnFrom(e);
  heap_.Unmap(e);
  heap_.Unmap(heap_.Map(40 * kMiB, 1));
  EXPECT_EQ(kernel().told_huge, 40 * kMiB);
  for (int i = 0; i < 2; ++i) {
    e = heap_.Map(40 * kMiB, 1);
    heap_.LearnFrom(e);
    heap_.Unmap(e);
  }
  const size_t told = kernel().told_huge;
  heap_.Unmap(heap_.Map(40 * kMiB, 1));
  EXPECT_EQ(kernel().told_huge, told);
}

// The blocks of the tests below are not freed: it is the next request that looks.
class FilledLast : public Filled {
 protected:
  char* Allocate(size_t bytes) { return static_cast<char*>(LargeAllocate(heap_, bytes, 16, false)); }
  void Release(void* p) { LargeFree(heap_, heap_.Find(p)); }
  void SetUp() override {
    Filled::SetUp();
    looks = 0;
    kernel().in_look = [] { ++looks; };
  }
  static inline int looks;
};

TEST_F(FilledLast, CountsWhenTheNextIsAllocated) {
  Begin();
  for (int i = 0; i < 2; ++i) {
    Write(Allocate(8 * kMiB), 8 * kMiB, 1);
    EXPECT_EQ(kernel().told_huge, 0u);
  }
  Allocate(8 * kMiB);
  EXPECT_EQ(kernel().told_huge, 8 * kMiB);
  EXPECT_EQ(looks, 16);
}

TEST_F(FilledLast, AMappingCountsToo) {
  Begin();
  Write(Allocate(40 * kMiB), 40 * kMiB, 1);
  Allocate(40 * kMiB);
  EXPECT_EQ(kernel().told_huge, 40 * kMiB);
}

TEST_F(FilledLast, SaysNothingUnlessAllOfItIs) {
  Begin();
  Write(Allocate(8 * kMiB), 8 * kMiB, 1);
  Write(Allocate(8 * kMiB), 7 * kMiB, 1);
  Allocate(8 * kMiB);
  EXPECT_EQ(kernel().told_huge, 0u);
  EXPECT_EQ(looks, 8 + 16) << "one line of zeroes, and no more";
  Write(Allocate(8 * kMiB), 8 * kMiB, 1);
  Allocate(8 * kMiB);
  EXPECT_EQ(kernel().told_huge, 8 * kMiB) << "what was known is known";
}

// Arrays that stay, and of which little is used: nothing is freed that would tell.
TEST_F(FilledLast, CountsAgainstThemWhereItIsHugeAndNotFilled) {
  Begin();
  Replace(16 * kMiB, 8);
  heap_.Purge(kAll);
  size_t before = 0;
  for (int i = 0; i < 8; ++i) {
    before = kernel().told_huge;
    Write(Allocate(4 * kMiB), 64 << 10, 1);
  }
  EXPECT_EQ(kernel().told_huge, before);
  EXPECT_LE(kernel().told_huge, 3 * 4 * kMiB);
}

TEST_F(FilledLast, AHugeOneMayHaveZeroes) {
  Begin();
  Replace(16 * kMiB, 1);
  heap_.Purge(kAll);
  for (size_t i = 1; i <= 6; ++i) {
    Write(Allocate(8 * kMiB), 6 * kMiB, 1);
    EXPECT_EQ(kernel().told_huge, i * 8 * kMiB);
  }
}

TEST_F(FilledLast, AHugeOneThatIsFilledCountsWhenItIsFreed) {
  Begin();
  Replace(16 * kMiB, 1);
  heap_.Purge(kAll);
  char* block = Allocate(8 * kMiB);
  Write(block, 8 * kMiB, 1);
  ASSERT_EQ(kernel().told_huge, 8 * kMiB);
  Allocate(33 * kMiB);
  EXPECT_EQ(kernel().told_huge, 8 * kMiB) << "16 MiB are not half of it";
  Release(block);
  Allocate(33 * kMiB);
  EXPECT_EQ(kernel().told_huge, 41 * kMiB);
}

TEST_F(FilledLast, OneCountsForNoMoreThanIsRemembered) {
  Begin();
  const size_t bytes = 1024 * kMiB;
  char* block = Allocate(bytes);
  for (size_t i = 0; i < 8; ++i) Write(block + bytes / 16 * (2 * i + 1), 4096, 1);
  Allocate(8 * kMiB);
  Replace(8 * kMiB, 2, 0);
  heap_.Purge(kAll);
  const size_t told = kernel().told_huge;
  EXPECT_NE(told, 0u);
  heap_.Unmap(heap_.Map(20 * kMiB, 1));
  EXPECT_EQ(kernel().told_huge, told);
}

TEST_F(FilledLast, ANumberAnywhereInTheLineIsOne) {
  Begin();
  for (int i = 0; i < 2; ++i) {
    auto* numbers = reinterpret_cast<double*>(Allocate(8 * kMiB));
    for (size_t k = 7; k < kMiB; k += 8) numbers[k] = 1;
  }
  Allocate(8 * kMiB);
  EXPECT_EQ(kernel().told_huge, 8 * kMiB);
}

TEST_F(FilledLast, MayBeClosed) {
  Begin();
  for (const size_t bytes : {8 * kMiB, 40 * kMiB}) {
    char* block = Allocate(bytes);
    Write(block, bytes, 1);
    ASSERT_EQ(mprotect(block + bytes / 16 * 9, 4096, PROT_NONE), 0);
    Allocate(bytes);
    EXPECT_EQ(kernel().told_huge, 0u);
  }
  EXPECT_GE(looks, 2 * 4);
}

TEST_F(FilledLast, IsNotLookedIntoOnceItIsFreeOrElsewhere) {
  Begin();
  Release(Allocate(8 * kMiB));
  Allocate(4 * kMiB);
  EXPECT_EQ(looks, 0);
  Extent* mapped = heap_.Find(Allocate(40 * kMiB));
  looks = 0;
  ASSERT_TRUE(heap_.Remap(mapped, 50 * kMiB, true));
  Extent* block = heap_.Find(Allocate(4 * kMiB));
  EXPECT_EQ(looks, 0);
  Extent* moved = heap_.MoveOut(block);
  ASSERT_NE(moved, nullptr);
  Allocate(4 * kMiB);
  EXPECT_EQ(looks, 0);
  heap_.Unmap(moved);
}

TEST_F(FilledLast, SmallHeapsAndThoseWithoutHugePagesDoNotLook) {
  Write(Allocate(4 * kMiB), 4 * kMiB, 1);
  Allocate(2 * kMiB);
  EXPECT_EQ(looks, 0);
  Begin();
  g_options.thp = static_cast<int64_t>(Thp::kNever);
  for (int i = 0; i < 4; ++i) Write(Allocate(8 * kMiB), 8 * kMiB, 1);
  EXPECT_EQ(looks, 0);
}

TEST_F(FilledLast, ASlowLookIsNotRepeated) {
  kernel().in_look = [] {
    ++looks;
    FakePages::Get().now += 200'000;
  };
  Begin();
  for (int i = 0; i < 4; ++i) Write(Allocate(4 * kMiB), 4 * kMiB, 1);
  EXPECT_EQ(looks, 8);
}

// A guard page at either end of a block, and all of a mapping.
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
    FakePages::Get().now += 200'000;
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
