// SPDX-License-Identifier: MIT
// The hit path and its slow paths, as functions: this program's own malloc is libc's.
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "cache/fast_path.h"
#include "extent/large.h"

namespace xalloc {
namespace {

// First of all, while the slabs are fresh. On one CPU: the threads share an arena.
TEST(Cache, ThreadsDoNotShareACacheLine) {
  cpu_set_t before, one;
  sched_getaffinity(0, sizeof before, &before);
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
  std::map<uintptr_t, int> owner;
  // Half of the threads begin with a free of what they were given, one next to the other, as threads do with their arguments.
  void* given[4];
  for (void*& p : given) p = Malloc(8);
  std::atomic<int> turn{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      while (turn != t) std::this_thread::yield();
      if (t % 2 != 0) Free(given[t]);
      for (const size_t size : {8, 16, 24, 32, 48, 64}) {
        const auto line = reinterpret_cast<uintptr_t>(Malloc(size)) / arch::kCacheLine;
        EXPECT_EQ(owner.emplace(line, t).first->second, t) << size;
      }
      ++turn;
      while (turn != 4) std::this_thread::yield();
    });
  }
  for (auto& t : threads) t.join();
  sched_setaffinity(0, sizeof before, &before);
}

TEST(Cache, LastFreedIsFirstReused) {
  void* a = Malloc(100);
  Free(a);
  EXPECT_EQ(Malloc(100), a);
  Free(a);
}

TEST(Cache, SizeZeroIsAUniquePointer) {
  void* a = Malloc(0);
  void* b = Malloc(0);
  EXPECT_NE(a, nullptr);
  EXPECT_NE(a, b);
  EXPECT_EQ(UsableSize(a, Act::kUsableSize), 8u);
  Free(a);
  Free(b);
}

TEST(Cache, ABinStartsSmallAndGrowsWhenHot) {
  std::thread([] {
    Malloc(200);
    ThreadCache* cache = OwnCache();
    const unsigned cls = SizeToClass(200);
    EXPECT_LT(cache->state[cls].capacity, 8);
    std::vector<void*> all;
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < 200; ++i) all.push_back(Malloc(200));
      for (void* p : all) Free(p);
      all.clear();
    }
    EXPECT_GE(cache->state[cls].capacity, 100);
    ValidateCache(cache);
  }).join();
}

// A bin of large blocks holds two batches, of two each; more where a thread takes and gives back more than that in turn.
TEST(Cache, ABinOfLargeBlocksGrowsWhereItSwings) {
  std::thread([] {
    constexpr size_t kSize = 8192, kMany = 24, kRounds = 8;
    Malloc(kSize);
    ThreadCache* cache = OwnCache();
    const BinState& bin = cache->state[SizeToClass(kSize)];
    std::vector<void*> all;
    for (size_t i = 0; i < kMany * kRounds; ++i) all.push_back(Malloc(kSize));
    cache->lock.Acquire(os::Rank::kCache);
    ShrinkUnused(cache);  // as a tick does
    cache->lock.Release(os::Rank::kCache);
    for (void* p : all) Free(p);
    all.clear();
    EXPECT_LE(bin.capacity, 7) << "all are taken, and later all given back";
    auto swing = [&all](size_t size) {
      for (size_t round = 0; round < kRounds; ++round) {
        for (size_t i = 0; i < kMany; ++i) all.push_back(Malloc(size));
        for (void* p : all) Free(p);
        all.clear();
      }
    };
    swing(kSize);
    EXPECT_EQ(bin.capacity, 31);
    swing(kMaxSmall);
    EXPECT_EQ(cache->state[SizeToClass(kMaxSmall)].capacity, 7) << "of 256 KiB";
    ValidateCache(cache);
  }).join();
}

TEST(Cache, WhatLiesUnusedGoesBack) {
  std::thread([] {
    std::vector<void*> all;
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < 200; ++i) all.push_back(Malloc(200));
      for (void* p : all) Free(p);
      all.clear();
    }
    ThreadCache* cache = OwnCache();
    const unsigned cls = SizeToClass(200);
    auto count = [&] { return cache->bins[cls].top - cache->state[cls].base(); };
    const auto before = count();
    EXPECT_GT(before, 20);
    for (int i = 0; i < 8; ++i) {
      cache->lock.Acquire(os::Rank::kCache);
      EXPECT_EQ(ShrinkUnused(cache).misuse, Misuse::kNone);
      cache->lock.Release(os::Rank::kCache);
    }
    EXPECT_LT(count(), before / 4);
  }).join();
}

TEST(Cache, ThreadExitReturnsEverything) {
  const unsigned live = LiveCaches();
  std::thread([] {
    std::vector<void*> all;
    for (int i = 0; i < 1000; ++i) all.push_back(Malloc(64));
    for (void* p : all) Free(p);
  }).join();
  EXPECT_EQ(LiveCaches(), live);
}

TEST(Cache, WrongSizesAreCountedAndHarmless) {
  const uint64_t before = g_size_mismatches.Relaxed();
  void* p = Malloc(64);
  FreeSized(p, 1);
  EXPECT_EQ(g_size_mismatches.Relaxed(), before + 1);
  EXPECT_EQ(Malloc(64), p);
  FreeSized(p, 64);
  EXPECT_EQ(g_size_mismatches.Relaxed(), before + 1);
  void* big = Malloc(100000);
  FreeSized(big, 100000);
}

TEST(CacheDeathTest, MisuseAtTheCall) {
  auto* p = static_cast<char*>(Malloc(64));
  EXPECT_DEATH((Free(p), Free(p)), "double free of 0x[0-9a-f]+ \\(64 bytes\\)");
  EXPECT_DEATH(Free(p + 3), "misaligned pointer 0x[0-9a-f]+ \\(64 bytes\\)");
  EXPECT_DEATH(Free(&p), "foreign pointer");
  auto* large = static_cast<char*>(Malloc(100000));
  EXPECT_DEATH(Free(large + 4096), "interior pointer 0x[0-9a-f]+ \\(102400 bytes\\)");
  EXPECT_DEATH(Free(large + 50000), "interior pointer 0x[0-9a-f]+ \\(102400 bytes\\)");
  EXPECT_DEATH((Free(large), Free(large)), "unallocated pointer");
  Free(p);
  Free(large);
}

TEST(CacheDeathTest, MisuseAtTheFlush) {
  auto* p = static_cast<char*>(Malloc(64));
  auto* q = static_cast<char*>(Malloc(64));
  EXPECT_DEATH((Free(p), Free(q), Free(p), FlushOwnCache(true)), "double free");
  EXPECT_DEATH((Free(p + 16), FlushOwnCache(true)), "interior pointer");
  EXPECT_DEATH((Free(p), FlushOwnCache(true), Realloc(p, 5000)), "realloc of unallocated pointer");
  Free(p);
  Free(q);
}

TEST(Cache, ReallocKeepsContentsOverAllSizes) {
  auto* p = static_cast<unsigned char*>(Malloc(1));
  size_t size = 1;
  p[0] = 0;
  auto check = [&] {
    for (size_t i = 0; i < size; i += 97) ASSERT_EQ(p[i], static_cast<unsigned char>(i)) << size;
  };
  for (size_t next : {10, 100, 1000, 900, 5000, 40000, 41000, 300000, 1200000, 5000000, 70000000, 3000000, 100000, 60000, 20000, 50}) {
    p = static_cast<unsigned char*>(Realloc(p, next));
    ASSERT_NE(p, nullptr);
    ASSERT_GE(UsableSize(p, Act::kUsableSize), next);
    size = next < size ? next : size;
    check();
    for (size_t i = 0; i < next; ++i) p[i] = static_cast<unsigned char>(i);
    size = next;
  }
  Free(p);
}

TEST(Cache, CallocIsZeroAlsoWhenMemoryIsReused) {
  for (size_t size : {8, 100, 5000, 40000, 3000000}) {
    for (int i = 0; i < 3; ++i) {
      auto* p = static_cast<char*>(Calloc(size));
      ASSERT_NE(p, nullptr);
      for (size_t k = 0; k < size; ++k) ASSERT_EQ(p[k], 0) << size;
      memset(p, 0xff, size);
      Free(p);
    }
  }
}

TEST(Cache, AlignedBlocksOfEverySizeAndAlignment) {
  for (size_t alignment = 1; alignment <= size_t{16} << 20; alignment *= 2) {
    for (size_t size : {0, 1, 100, 5000, 40000, 2500000}) {
      void* p = MallocAligned(size, alignment, false);
      ASSERT_NE(p, nullptr);
      ASSERT_TRUE(IsAligned(p, alignment)) << alignment;
      ASSERT_GE(UsableSize(p, Act::kUsableSize), size);
      ASSERT_EQ(UsableSize(p, Act::kUsableSize), GoodSize(Max<size_t>(size, 1), alignment)) << size << " " << alignment;
      if (size > 0) memset(p, 1, size);
      Free(p);
    }
  }
}

TEST(Cache, InPlaceResizeNeverMoves) {
  auto* p = static_cast<char*>(Malloc(100000));
  p[0] = 5;
  const size_t grown = ResizeInPlace(p, 100000, 200000, true);
  EXPECT_GE(grown, 100000u);
  EXPECT_EQ(grown, UsableSize(p, Act::kUsableSize));
  EXPECT_EQ(p[0], 5);
  const size_t shrunk = ResizeInPlace(p, 50000, 50000, false);
  EXPECT_GE(shrunk, 50000u);
  EXPECT_LT(shrunk, 60000u);
  Free(p);
  void* small = Malloc(64);
  EXPECT_EQ(ResizeInPlace(small, 64, 1000, false), 64u);
  Free(small);
}

// Owners push and pop without pause while others drain them: nothing is lost, nothing is handed out twice.
TEST(Cache, DrainingBusyThreadsLosesNothing) {
#ifdef __SANITIZE_THREAD__
  // The owner's side is plain loads and stores on purpose; a system call on the drainer's side orders them, which this tool does
  // not know. The protocol is checked by its model.
  GTEST_SKIP() << "ordered by membarrier";
#endif
  std::atomic<bool> stop{false};
  std::vector<std::thread> owners;
  std::atomic<long> rounds{0};
  for (unsigned t = 0; t < 3; ++t) {
    owners.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<uint64_t*> mine;
      while (!stop) {
        if (mine.size() < 200 && random() % 2 == 0) {
          auto* p = static_cast<uint64_t*>(Malloc(64));
          *p = reinterpret_cast<uint64_t>(p) ^ t;
          mine.push_back(p);
        } else if (!mine.empty()) {
          const size_t at = random() % mine.size();
          ASSERT_EQ(*mine[at], reinterpret_cast<uint64_t>(mine[at]) ^ t) << "a block has two owners";
          Free(mine[at]);
          mine[at] = mine.back();
          mine.pop_back();
        }
        ++rounds;
      }
      for (uint64_t* p : mine) Free(p);
    });
  }
  size_t drained = 0;
  // On a busy machine the owners may not have run at all before the first rounds are over.
  for (int i = 0; i < 1500 || (drained == 0 && i < 1000000); ++i) drained += DrainOtherCaches();
  stop = true;
  for (auto& t : owners) t.join();
  EXPECT_GT(drained, 0u);
  FlushOwnCache(true);
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i)) {
      EXPECT_EQ(arena->DrainDepots().misuse, Misuse::kNone);
      arena->Validate();
    }
  }
}

}  // namespace
}  // namespace xalloc
