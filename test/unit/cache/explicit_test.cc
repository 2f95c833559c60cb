// SPDX-License-Identifier: MIT
// Caches and arenas that a program makes, and threads that are bound to an arena.
#include "cache/explicit.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "arena/manual_arena.h"
#include "cache/fast_path.h"

namespace xalloc {
namespace {

class Explicit : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CreateExplicitCache(&id_));
    ASSERT_TRUE(CreateArena(nullptr, &index_));
    arena_ = ArenaOf(index_);
  }
  void TearDown() override {
    if (arena_.manual != nullptr) {
      ValidateManual(arena_.manual);
      EXPECT_EQ(DestroyArena(index_), ArenaDone::kDone);
    }
    DestroyExplicitCache(id_);
  }
  unsigned id_ = 0, index_ = 0;
  ArenaRef arena_ = {nullptr, nullptr};
};
const unsigned kClass = SizeToClass(100);

TEST_F(Explicit, TheLastFreedComesFirst) {
  for (const ArenaRef& from : {arena_, HomeArena()}) {
    void* p = AllocateCached(id_, kClass, from);
    ASSERT_NE(p, nullptr);
    FreeCached(id_, p);
    EXPECT_EQ(AllocateCached(id_, kClass, from), p);
    FreeCached(id_, p);
  }
}

TEST_F(Explicit, MissesFillFromTheArenaThatIsNamed) {
  void* p = AllocateCached(id_, kClass, arena_);
  EXPECT_EQ(ManualOwnerOf(p), arena_.manual);
  EXPECT_GT(BinStatsOf(arena_.manual, kClass).counters.nmalloc, 1u);  // some more for the cache
  FreeCached(id_, p);
  EXPECT_EQ(StatsOf(arena_.manual).ndalloc_small, 0u);
  EXPECT_TRUE(FlushExplicitCache(id_));
  const ManualStats stats = StatsOf(arena_.manual);
  EXPECT_EQ(stats.nmalloc_small, stats.ndalloc_small);
}

TEST_F(Explicit, HoldsNoMoreThanItsRoom) {
  std::vector<void*> all(1000);
  for (void*& p : all) p = AllocateCached(id_, kClass, arena_);
  EXPECT_EQ(std::set<void*>(all.begin(), all.end()).size(), all.size());
  for (void* p : all) FreeCached(id_, p);
  EXPECT_LE(StatsOf(arena_.manual).small_allocated, 32 * ClassSize(kClass));
}

TEST_F(Explicit, MixesBlocksOfAllArenas) {
  std::vector<void*> all;
  for (int i = 0; i < 300; ++i) all.push_back(AllocateCached(id_, kClass, i % 3 == 0 ? arena_ : HomeArena()));
  for (void* p : all) FreeCached(id_, p);
  EXPECT_GT(ExplicitCachedBytes(), 0u);
  EXPECT_TRUE(FlushExplicitCache(id_));
  EXPECT_EQ(ExplicitCachedBytes(), 0u);
  EXPECT_EQ(StatsOf(arena_.manual).small_allocated, 0u);
}

TEST_F(Explicit, LargeBlocksGoStraightHome) {
  void* shared = Malloc(100000);
  FreeCached(id_, shared);
  void* manual = AllocateIn(arena_, 100000, 1, false);
  EXPECT_EQ(LargeCountsOf(arena_.manual).of[LextentOf(102400)].nmalloc.Relaxed(), 1u);
  FreeCached(id_, manual);
  EXPECT_EQ(LargeCountsOf(arena_.manual).of[LextentOf(102400)].ndalloc.Relaxed(), 1u);
}

TEST_F(Explicit, DestroyedArenasLeaveIt) {
  void* mine = AllocateCached(id_, kClass, HomeArena());
  FreeCached(id_, mine);
  std::vector<void*> all;
  for (int i = 0; i < 20; ++i) all.push_back(AllocateCached(id_, kClass, arena_));
  for (void* p : all) FreeCached(id_, p);
  ASSERT_EQ(DestroyArena(index_), ArenaDone::kDone);
  arena_.manual = nullptr;
  for (int i = 0; i < 100; ++i) {
    void* p = AllocateCached(id_, kClass, HomeArena());
    ASSERT_EQ(ManualOwnerOf(p), nullptr);
    memset(p, 1, 100);
  }
}

TEST_F(Explicit, ResetArenasLeaveIt) {
  FreeCached(id_, AllocateCached(id_, kClass, arena_));
  ASSERT_EQ(ResetArena(index_), ArenaDone::kDone);
  ASSERT_TRUE(FlushExplicitCache(id_));
  EXPECT_EQ(StatsOf(arena_.manual).small_allocated, 0u);
}

TEST_F(Explicit, WhatIsNoIdIsNoCache) {
  for (const unsigned id : {id_ + 1000, kMostCaches - 1, kMostCaches, ~0u}) {
    EXPECT_FALSE(FlushExplicitCache(id));
    EXPECT_FALSE(DestroyExplicitCache(id));
    void* p = AllocateCached(id, kClass, arena_);
    ASSERT_NE(p, nullptr);
    FreeCached(id, p);
    EXPECT_EQ(StatsOf(arena_.manual).small_allocated, 0u);
  }
  unsigned again = 0;
  EXPECT_TRUE(DestroyExplicitCache(id_));
  EXPECT_FALSE(DestroyExplicitCache(id_));
  EXPECT_FALSE(FlushExplicitCache(id_));
  ASSERT_TRUE(CreateExplicitCache(&again));
  EXPECT_EQ(again, id_);
}

TEST_F(Explicit, IdsRunOutAndComeBack) {
  std::vector<unsigned> all;
  unsigned id = 0;
  while (CreateExplicitCache(&id)) all.push_back(id);
  EXPECT_EQ(std::set<unsigned>(all.begin(), all.end()).size(), all.size());
  EXPECT_LE(all.size(), kMostCaches);
  EXPECT_LT(*std::max_element(all.begin(), all.end()), kMostCaches);
  for (const unsigned i : all) ASSERT_TRUE(DestroyExplicitCache(i));
}

TEST_F(Explicit, MisuseIsReported) {
  void* p = AllocateCached(id_, kClass, arena_);
  void* q = AllocateCached(id_, kClass, HomeArena());
  FreeCached(id_, p);
  FreeCached(id_, q);
  EXPECT_DEATH(FreeCached(id_, p), "double free of");
  EXPECT_DEATH(FreeCached(id_, q), "double free of");
  FlushExplicitCache(id_);
  EXPECT_DEATH(FreeCached(id_, p), "double free of|unallocated");
  EXPECT_DEATH(FreeCached(id_, q), "double free of|unallocated");
  p = AllocateIn(arena_, 100, 1, false);
  EXPECT_DEATH(FreeCached(id_, static_cast<char*>(p) + 8), "interior pointer");
  EXPECT_DEATH(FreeCached(id_, static_cast<char*>(p) + 1), "misaligned pointer");
  EXPECT_DEATH(Free(static_cast<char*>(p) + 16), "interior pointer");
  EXPECT_DEATH((void)UsableSize(static_cast<char*>(p) + 16, Act::kUsableSize), "usable size of interior pointer");
  EXPECT_DEATH((void)Realloc(static_cast<char*>(p) + 16, 7), "realloc of interior pointer");
  Free(p);
  EXPECT_DEATH(Free(p), "double free of");
  EXPECT_DEATH((void)Realloc(p, 3000), "unallocated");
  void* large = AllocateIn(arena_, 100000, 1, false);
  EXPECT_DEATH(Free(static_cast<char*>(large) + 50000), "interior pointer");
  Free(large);
  EXPECT_DEATH(Free(large), "unallocated");
}

// ---- plain functions on blocks of manual arenas ----------------------------------------------------------------------------

TEST_F(Explicit, FreeAndReallocKnowTheBlocks) {
  auto* p = static_cast<char*>(AllocateIn(arena_, 50, 1, true));
  memset(p, 7, 50);
  for (const size_t size : {60, 500, 5000, 50000, 500000, 3000000, 600, 10}) {
    p = static_cast<char*>(Realloc(p, size));
    ASSERT_NE(p, nullptr);
    ASSERT_EQ(ManualOwnerOf(p), arena_.manual) << size;
    ASSERT_GE(UsableSize(p, Act::kUsableSize), size);
    for (size_t i = 0; i < 10; ++i) ASSERT_EQ(p[i], 7);
  }
  EXPECT_EQ(ResizeInPlace(p, 5, 5, false), UsableSize(p, Act::kUsableSize));
  FreeSized(p, 10);
  p = static_cast<char*>(AllocateIn(arena_, 100000, 1, true));
  memset(p, 7, 100000);
  EXPECT_EQ(ResizeInPlace(p, 50000, 50000, false), GoodSize(50000, 1));
  EXPECT_EQ(ResizeInPlace(p, 50000, 200000, true), GoodSize(200000, 1));
  for (size_t i = GoodSize(50000, 1); i < 200000; ++i) ASSERT_EQ(p[i], 0);
  EXPECT_EQ(ResizeInPlace(p, size_t{1} << 40, size_t{1} << 41, true), GoodSize(200000, 1));
  const uint64_t mismatches = g_size_mismatches.Relaxed();
  FreeSized(p, 200000);
  EXPECT_EQ(g_size_mismatches.Relaxed(), mismatches);
  FreeSized(AllocateIn(arena_, 1000, 1, false), 10);
  EXPECT_EQ(g_size_mismatches.Relaxed(), mismatches + 1);
  EXPECT_EQ(StatsOf(arena_.manual).small_allocated + StatsOf(arena_.manual).large_allocated, 0u);
}

TEST_F(Explicit, NoBlockOfItLiesInAThreadCache) {
  std::vector<void*> all(200);
  for (void*& p : all) p = AllocateIn(arena_, 64, 1, false);
  for (void* p : all) Free(p);
  EXPECT_EQ(StatsOf(arena_.manual).small_allocated, 0u);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(ManualOwnerOf(Malloc(64)), nullptr);
}

TEST_F(Explicit, ANamedAutomaticArenaGivesItsOwn) {
  const unsigned index = BoundArena();
  ASSERT_NE(ArenaOf(index).automatic, nullptr);
  for (int i = 0; i < 100; ++i) {
    void* p = AllocateIn(ArenaOf(index), 200, 1, false);
    unsigned owner = ~0u;
    ASSERT_TRUE(LookupArena(p, &owner));
    ASSERT_EQ(owner, index);
    Free(p);
  }
}

// ---- bound threads ------------------------------------------------------------------------------------------------------

TEST_F(Explicit, ABoundThreadAllocatesFromItsArena) {
  std::thread([&] {
    void* before = Malloc(64);
    const unsigned automatic = BoundArena();
    ASSERT_TRUE(BindThread(index_));
    EXPECT_EQ(BoundArena(), index_);
    std::vector<void*> all = {
        Malloc(64), Malloc(3000), Malloc(100000), Calloc(50), MallocAligned(100, 64, true), MallocAligned(100000, 65536, false)};
    for (void* p : all) {
      ASSERT_NE(p, nullptr);
      EXPECT_EQ(ManualOwnerOf(p), arena_.manual);
    }
    // What a large block is of stays so; a small one moves with the thread.
    all.push_back(Realloc(before, 100));
    EXPECT_EQ(ManualOwnerOf(all.back()), arena_.manual);
    for (void* p : all) Free(p);
    EXPECT_EQ(StatsOf(arena_.manual).small_allocated, 0u);
    EXPECT_FALSE(BindThread(kMostArenas));
    EXPECT_EQ(BoundArena(), index_);
    ASSERT_TRUE(BindThread(automatic));
    EXPECT_EQ(BoundArena(), automatic);
    void* after = Malloc(64);
    EXPECT_EQ(ManualOwnerOf(after), nullptr);
    EXPECT_EQ(t_local.state, ThreadState::kLive);
    Free(after);
  }).join();
}

TEST_F(Explicit, AThreadThatIsBoundFirstThingAndEndsSo) {
  for (int i = 0; i < 3; ++i) {
    std::thread([&] {
      ASSERT_TRUE(BindThread(index_));
      void* p = Malloc(64);
      EXPECT_EQ(ManualOwnerOf(p), arena_.manual);
      Free(p);
      EndThread();
      p = Malloc(64);
      Free(p);
    }).join();
  }
}

TEST_F(Explicit, AnArenaKnowsHowManyThreadsAreBoundToIt) {
  const auto bound = [this] { return StatsOf(arena_.manual).threads; };
  EXPECT_EQ(bound(), 0u);
  std::thread([&] {
    ASSERT_TRUE(BindThread(index_));
    EXPECT_EQ(bound(), 1u);
    ASSERT_TRUE(BindThread(index_));
    EXPECT_EQ(bound(), 1u);
    std::thread([&] {
      ASSERT_TRUE(BindThread(index_));
      EXPECT_EQ(bound(), 2u);
      const pid_t child = fork();
      if (child == 0) {
        ForgetManualFlights();
        _exit(static_cast<int>(bound()));
      }
      int status = 0;
      waitpid(child, &status, 0);
      EXPECT_EQ(WEXITSTATUS(status), 1);
      EndThread();
      EXPECT_EQ(bound(), 1u);
    }).join();
    EXPECT_EQ(bound(), 1u);
    ASSERT_TRUE(BindThread(0));
    EXPECT_EQ(bound(), 0u);
  }).join();
  std::thread([&] { ASSERT_TRUE(BindThread(index_)); }).join();
  EXPECT_EQ(bound(), 0u);
}

TEST_F(Explicit, AThreadOutlivesItsArena) {
  std::thread([&] {
    ASSERT_TRUE(BindThread(index_));
    Malloc(64);
    ASSERT_EQ(DestroyArena(index_), ArenaDone::kDone);
    arena_.manual = nullptr;
    void* p = Malloc(64);
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(ManualOwnerOf(p), nullptr);
    EXPECT_NE(BoundArena(), index_);
    Free(p);
    ASSERT_TRUE(BindThread(0));
    Free(Malloc(64));
  }).join();
}

TEST_F(Explicit, ABoundThreadForks) {
  std::thread([&] {
    ASSERT_TRUE(BindThread(index_));
    void* p = Malloc(64);
    const pid_t child = fork();
    if (child == 0) {
      void* q = Malloc(64);
      const bool good = ManualOwnerOf(q) == arena_.manual;
      Free(q);
      Free(p);
      _exit(good ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    Free(p);
    ASSERT_TRUE(BindThread(0));
  }).join();
}

// ---- many threads -------------------------------------------------------------------------------------------------------

// Blocks that any thread may free, in arenas that stay.
class Exchange {
 public:
  void Put(void* p) {
    std::lock_guard<std::mutex> guard(lock_);
    blocks_.push_back(p);
  }
  void* Take() {
    std::lock_guard<std::mutex> guard(lock_);
    if (blocks_.empty()) return nullptr;
    void* p = blocks_.front();
    blocks_.erase(blocks_.begin());
    return p;
  }

 private:
  std::mutex lock_;
  std::vector<void*> blocks_;
};

void CheckAndFree(void* block, int cache) {
  auto* p = static_cast<unsigned char*>(block);
  ASSERT_EQ(p[0], p[7]);
  if (cache < 0) return Free(p);
  FreeCached(static_cast<unsigned>(cache), p);
}

void LiveOneLife(unsigned seed, const std::vector<unsigned>& shared, Exchange& exchange) {
  std::mt19937 random(seed);
  unsigned own = 0, cache = 0;
  ASSERT_TRUE(CreateArena(nullptr, &own));
  ASSERT_TRUE(CreateExplicitCache(&cache));
  std::vector<void*> mine;
  for (int i = 0; i < 400; ++i) {
    const unsigned arena = random() % 3 == 0 ? own : shared[random() % shared.size()];
    const size_t size = random() % 8 == 0 ? 33000 + random() % 200000 : 8 + random() % 3000;
    const bool cached = size <= kMaxSmall && random() % 2 == 0 && arena != own;
    auto* p =
        static_cast<unsigned char*>(cached ? AllocateCached(cache, SizeToClass(size), ArenaOf(arena)) : AllocateIn(ArenaOf(arena), size, 1, false));
    ASSERT_NE(p, nullptr);
    p[0] = p[7] = static_cast<unsigned char>(random());
    if (arena == own) {
      mine.push_back(p);
    } else {
      exchange.Put(p);
    }
    if (void* other = random() % 4 != 0 ? exchange.Take() : nullptr; other != nullptr)
      CheckAndFree(other, random() % 2 == 0 ? static_cast<int>(cache) : -1);
    if (!mine.empty() && random() % 4 == 0) {
      CheckAndFree(mine.back(), -1);
      mine.pop_back();
    }
    if (random() % 100 == 0) {
      ASSERT_EQ(ResetArena(own), ArenaDone::kDone);
      mine.clear();
    }
    if (random() % 60 == 0) PurgeArena(ArenaOf(shared[random() % shared.size()]).manual);
    if (random() % 150 == 0) FlushExplicitCache(cache);
    if (random() % 150 == 0) DecayManualArenas(random(), true);
  }
  ASSERT_EQ(DestroyArena(own), ArenaDone::kDone);
  ASSERT_TRUE(DestroyExplicitCache(cache));
}

TEST(ManyThreads, CreateUseResetAndDestroyWhileOthersFree) {
  std::vector<unsigned> shared(3);
  for (unsigned& index : shared) ASSERT_TRUE(CreateArena(nullptr, &index));
  SetDirtyDecayMs(ArenaOf(shared[0]).manual, 0);
  Exchange exchange;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned life = 0; life < 6; ++life) LiveOneLife(t * 100 + life, shared, exchange);
    });
  }
  for (auto& t : threads) t.join();
  while (void* p = exchange.Take()) CheckAndFree(p, -1);
  for (const unsigned index : shared) {
    ManualArena* arena = ArenaOf(index).manual;
    ValidateManual(arena);
    EXPECT_EQ(StatsOf(arena).small_allocated + StatsOf(arena).large_allocated, 0u);
    EXPECT_EQ(DestroyArena(index), ArenaDone::kDone);
  }
}

}  // namespace
}  // namespace xalloc
