// SPDX-License-Identifier: MIT
#include <errno.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "os/cpu.h"
#include "os/lock.h"
#include "os/pages.h"
#include "os/system.h"

namespace xalloc::os {
namespace {

TEST(System, PageSizeIsTheKernelsOrWhatTheKnobSays) {
  const char* knob = std::getenv("XALLOC_DEBUG_PAGE_SIZE");
  EXPECT_EQ(PageSize(), knob != nullptr ? static_cast<size_t>(atol(knob)) : getauxval(AT_PAGESZ));
}

TEST(System, EnvironmentFindsWholeNamesOnly) {
  EXPECT_STREQ(Environment("PATH"), std::getenv("PATH"));
  EXPECT_EQ(Environment("PAT"), nullptr);
  EXPECT_EQ(Environment("XALLOC_NO_SUCH_NAME"), nullptr);
}

TEST(System, TimeGoesForward) {
  const uint64_t before = NowMs();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_GE(NowMs(), before + 10);
}

TEST(Lock, ExcludesAndWakesUnderContention) {
  Lock lock;
  long counter = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        Guard<Rank::kBin> guard(lock);
        ++counter;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(counter, 160000);
}

#if XALLOC_DEBUG
TEST(LockDeathTest, DebugBuildsRefuseALowerRankUnderAHigher) {
  Lock high, low;
  EXPECT_DEATH(
      {
        Guard<Rank::kMeta> a(high);
        Guard<Rank::kBin> b(low);
      },
      "lock rank violated");
}

TEST(PagesDeathTest, DebugBuildsRefuseUnalignedRangesAndCallsUnderALock) {
  char* at = static_cast<char*>(kKernelPages.map(4 * PageSize()));
  ASSERT_NE(at, nullptr);
  EXPECT_DEATH(kKernelPages.purge(at + 512, PageSize()), "not page-aligned");
  EXPECT_DEATH(kKernelPages.purge(at, PageSize() / 2), "not page-aligned");
  Lock lock;
  EXPECT_DEATH(
      {
        Guard<Rank::kExtents> guard(lock);
        kKernelPages.purge(at, PageSize());
      },
      "system call under a lock");
}
#endif

TEST(Pages, PurgeKeepsAddressAndZeroesContents) {
  const size_t size = 4 * PageSize();
  auto* at = static_cast<char*>(kKernelPages.map(size));
  ASSERT_NE(at, nullptr);
  at[0] = at[size - 1] = 7;
  ASSERT_TRUE(kKernelPages.purge(at, size));
  EXPECT_EQ(at[0], 0);
  EXPECT_EQ(at[size - 1], 0);
  kKernelPages.unmap(at, size);
}

TEST(Pages, MoveOutLeavesZeroesBehind) {
  const size_t size = 4 * PageSize();
  auto* from = static_cast<char*>(kKernelPages.map(size));
  from[1] = 42;
  auto* to = static_cast<char*>(kKernelPages.move_out(from, size));
  if (to == nullptr) GTEST_SKIP() << "this kernel has no MREMAP_DONTUNMAP, or pages are played";
  EXPECT_EQ(to[1], 42);
  EXPECT_EQ(from[1], 0);
  kKernelPages.unmap(from, size);
  kKernelPages.unmap(to, size);
}

TEST(Pages, TheKernelLooksAtAWordAndNothingHappens) {
  const size_t page = PageSize();
  auto* at = static_cast<char*>(kKernelPages.map(3 * page));
  at[2 * page - 1] = 1;
  const auto holds = [at](size_t offset) { return kKernelPages.holds(reinterpret_cast<const uint32_t*>(at + offset)); };
  EXPECT_TRUE(holds(2 * page - 4));
  EXPECT_FALSE(holds(2 * page - 8));
  EXPECT_FALSE(holds(0)) << "never touched";
  errno = 0;
  ASSERT_EQ(mprotect(at + page, page, PROT_NONE), 0);
  EXPECT_FALSE(holds(2 * page - 4));
  kKernelPages.unmap(at, 3 * page);
  EXPECT_FALSE(holds(2 * page - 4));
  EXPECT_EQ(errno, 0);
}

TEST(Pages, MoreThanTheAddressSpaceIsRefusedQuietly) {
  EXPECT_EQ(kKernelPages.reserve(nullptr, size_t{1} << 62), nullptr);
  EXPECT_EQ(kKernelPages.map(size_t{1} << 62), nullptr);
}

TEST(Cpu, ConcurrencyIdsAreSmall) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) ASSERT_LT(ConcurrencyId(), 1024u);
    });
  }
  for (auto& t : threads) t.join();
}

TEST(Cpu, BarrierOverAllThreadsWorksHere) { EXPECT_TRUE(MemoryBarrierAllThreads()); }

}  // namespace
}  // namespace xalloc::os
