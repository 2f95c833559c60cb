// SPDX-License-Identifier: MIT
// What can be changed while the program runs, and the purger thread. The heap is the process's own, over the real kernel.
#include "purge/purge.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "cache/fast_path.h"
#include "os/system.h"
#include "purge/decay.h"
#include "purge/purger.h"

namespace xalloc {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

void UseAndFree(size_t bytes) {
  std::vector<void*> all;
  for (size_t sum = 0; sum < bytes; sum += 100000) {
    all.push_back(Malloc(100000));
    *static_cast<volatile char*>(all.back()) = 1;
  }
  for (void* p : all) Free(p);
}

template <class Condition>
bool Within(int ms, Condition condition) {
  for (const uint64_t end = os::NowMs() + static_cast<uint64_t>(ms); os::NowMs() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return condition();
}

// Another thread that has a cache, as long as it exists.
class Companion {
 public:
  Companion() : thread_([this] {
    Free(Malloc(100));
    ready_ = true;
    while (!done_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }) {
    while (!ready_) std::this_thread::yield();
  }
  ~Companion() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> ready_{false}, done_{false};
  std::thread thread_;
};

class Purging : public testing::Test {
 protected:
  void SetUp() override {
    SetDirtyDecayMs(5000);
    SetMuzzyDecayMs(0);
    SetBackgroundThread(BackgroundThread::kFalse);
    ASSERT_TRUE(Within(5000, [] { return !CountsOfPurger().running; }));
    PurgeEverything();
  }
  void TearDown() override { SetUp(); }
  static size_t Dirty() { return g_extents.Stats().dirty; }
  // Where the kernel's page is larger than a granule, a run's ends may share a page with a neighbour.
  static size_t Crumbs() { return os::PageSize() > kGranule ? 16 * os::PageSize() : 0; }
};

TEST_F(Purging, NowAppliesToWhatExists) {
  SetDirtyDecayMs(-1);
  UseAndFree(20 * kMiB);
  ASSERT_GT(Dirty(), 10 * kMiB);
  SetDirtyDecayMs(0);
  EXPECT_LE(Dirty(), Crumbs());
}

TEST_F(Purging, AShorterTimeAppliesToWhatExists) {
  SetDirtyDecayMs(100000);
  UseAndFree(20 * kMiB);
  PurgeTick(Event::kAllocated);
  ASSERT_GT(Dirty(), 10 * kMiB);
  SetDirtyDecayMs(200);
  EXPECT_TRUE(Within(5000, [] {
    PurgeTick(Event::kAllocated);
    return Dirty() <= 9 * kMiB;
  })) << "all but what a small heap may keep";
}

TEST_F(Purging, NeverKeepsAll) {
  SetDirtyDecayMs(-1);
  UseAndFree(20 * kMiB);
  const uint64_t purged = g_extents.Stats().pages.purged;
  for (int i = 0; i < 100; ++i) PurgeTick(Event::kAllocated);
  EXPECT_EQ(g_extents.Stats().pages.purged, purged);
}

TEST_F(Purging, TwoStages) {
  SetDirtyDecayMs(50);
  SetMuzzyDecayMs(100000);
  UseAndFree(20 * kMiB);
  EXPECT_TRUE(Within(5000, [] {
    PurgeTick(Event::kAllocated);
    return g_extents.Stats().muzzy > 10 * kMiB && Dirty() <= 9 * kMiB;
  }));
  SetMuzzyDecayMs(0);
  EXPECT_EQ(g_extents.Stats().muzzy, 0u);
}

TEST_F(Purging, ArenasOfTheProgramGoByTheirOwnTime) {
  unsigned index = 0;
  ASSERT_TRUE(CreateArena(nullptr, &index));
  ManualArena* arena = ArenaOf(index).manual;
  SetDirtyDecayMs(arena, 50);
  SetDirtyDecayMs(-1);
  Free(AllocateIn(ArenaOf(index), 20 * kMiB, 1, false));
  EXPECT_GE(StatsOf(arena).dirty, 20 * kMiB);
  EXPECT_TRUE(Within(5000, [arena] {
    PurgeWork work;
    PurgeStep(SIZE_MAX / 2, work);
    return StatsOf(arena).mapped == 0;
  }));
  SetDirtyDecayMs(arena, -1);
  Free(AllocateIn(ArenaOf(index), 20 * kMiB, 1, false));
  EXPECT_GE(PurgeEverything(), 20 * kMiB);
  EXPECT_EQ(StatsOf(arena).mapped, 0u);
  EXPECT_EQ(DestroyArena(index), ArenaDone::kDone);
}

TEST_F(Purging, TheThreadComesAndGoesAsItIsWanted) {
  Companion companion;
  SetDirtyDecayMs(400);
  const uint64_t starts = CountsOfPurger().starts;
  UseAndFree(20 * kMiB);
  PurgeTick(Event::kAllocated);
  EXPECT_FALSE(CountsOfPurger().running) << "background_thread:false";
  PurgerGainsCompany();
  EXPECT_FALSE(CountsOfPurger().running) << "background_thread:false";
  SetBackgroundThread(BackgroundThread::kTrue);
  EXPECT_TRUE(CountsOfPurger().running);
  EXPECT_EQ(CountsOfPurger().starts, starts + 1);
  EXPECT_TRUE(Within(5000, [] { return Dirty() <= Crumbs(); })) << "without a tick";
  EXPECT_GE(CountsOfPurger().steps, 2u);
  EXPECT_GE(CountsOfPurger().interval_ns, 1'000'000u) << "steps are 20 ms long, unless somebody wakes it";
  UseAndFree(20 * kMiB);
  SetBackgroundThread(BackgroundThread::kFalse);
  EXPECT_TRUE(Within(2000, [] { return !CountsOfPurger().running; }));
}

TEST_F(Purging, TheThreadEndsWithTheLastOther) {
  {
    Companion companion;
    SetDirtyDecayMs(200);
    SetBackgroundThread(BackgroundThread::kAuto);
    ASSERT_TRUE(CountsOfPurger().running);
    UseAndFree(20 * kMiB);
    PurgeTick(Event::kFreed);
    EXPECT_TRUE(Within(20000, [] { return Dirty() <= Crumbs(); }));
    EXPECT_TRUE(CountsOfPurger().running);
  }
  EXPECT_TRUE(Within(20000, [] { return !CountsOfPurger().running; }));
}

TEST_F(Purging, AutoIsStartedWhenTheProgramStartsAThreadAndNotByAllocating) {
  SetBackgroundThread(BackgroundThread::kAuto);
  Companion companion;
  UseAndFree(20 * kMiB);
  PurgeTick(Event::kAllocated);
  EXPECT_FALSE(CountsOfPurger().running) << "a sandbox may kill who makes threads, and libc may hold a lock";
  for (int i = 0; i < 64; ++i) PurgerGainsCompany();  // so many if it was started in vain before
  EXPECT_TRUE(CountsOfPurger().running);
}

TEST_F(Purging, ThreadsThatComeOneAtATimeHaveNotOnePurgerEach) {
  SetBackgroundThread(BackgroundThread::kAuto);
  const uint64_t starts = CountsOfPurger().starts;
  for (int i = 0; i < 300; ++i) {
    Companion companion;
    PurgerGainsCompany();
  }
  EXPECT_GE(CountsOfPurger().starts, starts + 1);
  EXPECT_LT(CountsOfPurger().starts, starts + 30);
}

TEST_F(Purging, ThereIsNoneInAProcessWithOneThread) {
  SetBackgroundThread(BackgroundThread::kAuto);
  UseAndFree(20 * kMiB);
  for (int i = 0; i < 10; ++i) PurgeTick(Event::kAllocated);
  PurgerGainsCompany();
  EXPECT_FALSE(CountsOfPurger().running);
}

TEST_F(Purging, ManyFreeMuchAtOnceAndSeveralGiveItBack) {
  Companion companion;
  SetDirtyDecayMs(200);
  SetMaxBackgroundThreads(3);
  SetBackgroundThread(BackgroundThread::kTrue);
  const uint64_t helpers = CountsOfPurger().helpers;
  UseAndFree(300 * kMiB);
  PurgeTick(Event::kAllocated);
  EXPECT_TRUE(Within(10000, [] { return Dirty() <= Crumbs(); })) << Dirty();
  EXPECT_GT(CountsOfPurger().helpers, helpers);
  SetMaxBackgroundThreads(4);
}

TEST_F(Purging, EverythingIsSwitchedWhileThreadsWork) {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&done, t] {
      unsigned seed = t + 1;
      std::vector<std::pair<unsigned char*, size_t>> live(500);
      while (!done) {
        seed = seed * 1664525 + 1013904223;
        auto& [p, size] = live[(seed >> 8) % live.size()];
        if (p != nullptr) {
          ASSERT_EQ(p[0], size & 255);
          ASSERT_EQ(p[size - 1], size & 255);
          Free(p);
          p = nullptr;
        } else {
          size = 1 + (seed >> 12) % ((seed & 15) == 0 ? 200000 : 3000);
          p = static_cast<unsigned char*>(Malloc(size));
          p[0] = p[size - 1] = static_cast<unsigned char>(size);
        }
      }
      for (auto& [p, size] : live) Free(p);
    });
  }
  SetDirtyDecayMs(20);
  for (unsigned i = 0; i < 150; ++i) {
    SetBackgroundThread(static_cast<BackgroundThread>(i % 3));
    SetMuzzyDecayMs(i % 4 == 0 ? 10 : 0);
    SetMaxBackgroundThreads(1 + i % 4);
    if (i % 5 == 0) SetDirtyDecayMs(static_cast<int64_t>(i % 3) * 20);
    if (i % 7 == 0) PurgeEverything();
    g_extents.CollapseStep();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  done = true;
  for (auto& t : threads) t.join();
  SetMaxBackgroundThreads(4);
  SetBackgroundThread(BackgroundThread::kFalse);
  EXPECT_TRUE(Within(5000, [] { return !CountsOfPurger().running; }));
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i); arena != nullptr) arena->Validate();
  }
  g_extents.Validate();
}

TEST(DecayCurve, AnotherTimeGoesOnFromWhereTheCurveIs) {
  Decay decay;
  const Idle dirty = {100 * kMiB, 100 * kMiB, 0};
  uint64_t now = 1000000;
  decay.Allowed(now, 10000, {100 * kMiB, 0, 0});
  now += 1000;  // a tenth of it
  EXPECT_GT(decay.Allowed(now, 10000, dirty), 90 * kMiB);
  EXPECT_GT(decay.Allowed(now, 1000, dirty), 90 * kMiB) << "not all at once";
  now += 1000;
  EXPECT_EQ(decay.Allowed(now, 1000, dirty), 0u);
}

}  // namespace
}  // namespace xalloc
