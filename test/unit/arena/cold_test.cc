// SPDX-License-Identifier: MIT
// Pages inside of slabs go back when nobody touches the slab; nothing that is in use changes.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "arena/arena.h"
#include "cache/fast_path.h"
#include "os/system.h"

namespace xalloc {
namespace {

class Cold : public testing::Test {
 protected:
  void SetUp() override {
    if (os::PageSize() > 4096) GTEST_SKIP() << "slabs of the sizes used here are a page or less";
    ReturnUnused();
  }
  // `n` slots of the class from slabs that nobody else uses.
  std::vector<void*> Take(unsigned n) {
    std::vector<void*> all;
    while (all.size() < n) {
      void* out[kMaxBatch];
      const unsigned got = arena_->Refill(kClass, out, ShapeOf(kClass).batch);
      if (got == 0 && !arena_->AddSlabs(kClass)) ADD_FAILURE();
      all.insert(all.end(), out, out + got);
    }
    return all;
  }
  // All but every 40th go back: less than one in each page stays.
  std::vector<void*> Thin(std::vector<void*> all) {
    std::vector<void*> kept, freed;
    for (size_t i = 0; i < all.size(); ++i) (i % 40 == 0 ? kept : freed).push_back(all[i]);
    for (void* p : kept) memset(p, 0x3c, kSize);
    EXPECT_EQ(Arena::FlushToSlabs(kClass, freed.data(), static_cast<unsigned>(freed.size())).misuse, Misuse::kNone);
    return kept;
  }
  size_t Purge(Arena::Relief which) {
    unsigned budget = ~0u;
    return arena_->PurgeColdSlabs(which, budget);
  }
  void End(std::vector<void*>& kept) {
    for (void* p : kept) {
      for (size_t i = 0; i < kSize; ++i) ASSERT_EQ(static_cast<char*>(p)[i], 0x3c);
    }
    Arena::FlushToSlabs(kClass, kept.data(), static_cast<unsigned>(kept.size()));
    arena_->Validate();
  }
  static constexpr size_t kSize = 512;
  const unsigned kClass = SizeToClass(kSize);
  Arena* arena_ = g_arenas.Current();
};

TEST_F(Cold, AfterTwoLooksAtWhichNothingHasMoved) {
  auto kept = Thin(Take(2000));
  Purge(Arena::Relief::kCold);
  EXPECT_EQ(g_extents.Stats().pages.inside, 0u) << "they may just have been used";
  const size_t back = Purge(Arena::Relief::kCold);
  EXPECT_GE(back, 2000 * kSize / 3);
  EXPECT_EQ(g_extents.Stats().pages.inside, back);
  EXPECT_EQ(Purge(Arena::Relief::kCold), 0u) << "once is enough";
  EXPECT_EQ(Purge(Arena::Relief::kAll), 0u);
  End(kept);
}

TEST_F(Cold, ASlabThatIsUsedMeanwhileIsLeftAlone) {
  auto kept = Thin(Take(31));  // one slab
  Purge(Arena::Relief::kCold);
  auto more = Take(1);
  Arena::FlushToSlabs(kClass, more.data(), 1);
  EXPECT_EQ(Purge(Arena::Relief::kCold), 0u);
  End(kept);
}

TEST_F(Cold, AllAtOnceWhenAskedFor) {
  auto kept = Thin(Take(2000));
  EXPECT_GE(Purge(Arena::Relief::kAll), 2000 * kSize / 3);
  End(kept);
}

TEST_F(Cold, SlabsThatAreNearlyEmptyWithoutAWait) {
  auto kept = Thin(Take(2000));
  EXPECT_GE(Purge(Arena::Relief::kSparse), 2000 * kSize / 3);
  EXPECT_EQ(Purge(Arena::Relief::kSparse), 0u) << "once is enough";
  // Of others three quarters are free, in one piece.
  auto fuller = Take(1000);
  std::vector<void*> freed;
  const unsigned slots = ShapeOf(kClass).slots;
  for (void*& p : fuller) {
    const auto in_slab = static_cast<unsigned>(reinterpret_cast<uintptr_t>(p) / kSize % slots);
    if (in_slab < slots / 4) continue;
    freed.push_back(p);
    p = nullptr;
  }
  Arena::FlushToSlabs(kClass, freed.data(), static_cast<unsigned>(freed.size()));
  const size_t before = g_extents.Stats().pages.inside;
  Purge(Arena::Relief::kSparse);
  EXPECT_EQ(g_extents.Stats().pages.inside, before);
  EXPECT_GT(Purge(Arena::Relief::kAll), 0u);
  for (void* p : fuller) {
    if (p != nullptr) Arena::FlushToSlabs(kClass, &p, 1);
  }
  End(kept);
}

TEST_F(Cold, WhatLiesFreeInSlabsIsCounted) {
  auto all = Take(640);
  const size_t before = arena_->FreeSlotBytes();
  Arena::FlushToSlabs(kClass, all.data(), 10);
  EXPECT_EQ(arena_->FreeSlotBytes(), before + 10 * kSize);
  Arena::FlushToSlabs(kClass, all.data() + 10, 630);
  arena_->Validate();
}

TEST_F(Cold, NoMoreThanAskedForAndTheRestNextTime) {
  auto kept = Thin(Take(2000));
  unsigned budget = 5;
  EXPECT_LE(arena_->PurgeColdSlabs(Arena::Relief::kAll, budget), 5 * ShapeOf(kClass).granules * kGranule);
  EXPECT_EQ(budget, 0u);
  EXPECT_GE(Purge(Arena::Relief::kAll), 2000 * kSize / 3);
  End(kept);
}

TEST_F(Cold, SlotsGivenBackAreHandedOutAgain) {
  auto kept = Thin(Take(1000));
  Purge(Arena::Relief::kAll);
  auto again = Take(900);
  EXPECT_LE(arena_->StatsOf(kClass).slabs, 1000u / ShapeOf(kClass).slots + 2);
  Arena::FlushToSlabs(kClass, again.data(), static_cast<unsigned>(again.size()));
  End(kept);
}

TEST_F(Cold, WhileThreadsUseTheSlabs) {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      unsigned seed = static_cast<unsigned>(t) + 1;
      std::vector<std::pair<unsigned char*, unsigned char>> live(300);
      for (int i = 0; i < 60000; ++i) {
        seed = seed * 1664525 + 1013904223;
        auto& [p, stamp] = live[(seed >> 8) % live.size()];
        if (p != nullptr) {
          ASSERT_EQ(p[0], stamp);
          ASSERT_EQ(p[kSize - 1], stamp);
          FreeUncached(kClass, p);
          p = nullptr;
        } else {
          p = static_cast<unsigned char*>(AllocateUncached(kSize, 1, false));
          stamp = static_cast<unsigned char>(seed >> 24);
          memset(p, stamp, kSize);
        }
      }
      for (auto& [p, stamp] : live) {
        if (p != nullptr) FreeUncached(kClass, p);
      }
    });
  }
  std::thread purger([&] {
    while (!done) {
      unsigned budget = ~0u;
      for (unsigned i = 0; i < g_arenas.count(); ++i) {
        if (Arena* arena = g_arenas.At(i); arena != nullptr) arena->PurgeColdSlabs(Arena::Relief::kAll, budget);
      }
    }
  });
  for (auto& t : threads) t.join();
  done = true;
  purger.join();
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i); arena != nullptr) arena->Validate();
  }
}

}  // namespace
}  // namespace xalloc
