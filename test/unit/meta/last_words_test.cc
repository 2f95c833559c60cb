// SPDX-License-Identifier: MIT
#include "meta/last_words.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace xalloc {
namespace {

TEST(LastWords, BlocksAreZeroAlignedApartAndKnowTheirSize) {
  char* last = nullptr;
  for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
    auto* p = static_cast<char*>(LastWordsAllocate(alignment * 3, alignment));
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % (alignment < 16 ? 16 : alignment), 0u);
    EXPECT_GE(LastWordsSize(p), alignment * 3);
    EXPECT_TRUE(LastWordsOwns(p));
    for (size_t i = 0; i < LastWordsSize(p); ++i) ASSERT_EQ(p[i], 0);
    memset(p, 0xff, LastWordsSize(p));
    EXPECT_TRUE(last == nullptr || p >= last + LastWordsSize(last));
    last = p;
  }
}

TEST(LastWords, ForeignPointersAreNotOwned) {
  int local = 0;
  EXPECT_FALSE(LastWordsOwns(&local));
  EXPECT_FALSE(LastWordsOwns(nullptr));
  EXPECT_FALSE(LastWordsOwns(reinterpret_cast<void*>(~uintptr_t{0})));
}

TEST(LastWords, ImpossibleRequestsAreRefused) {
  EXPECT_EQ(LastWordsAllocate(SIZE_MAX, 16), nullptr);
  EXPECT_EQ(LastWordsAllocate(size_t{1} << 40, 16), nullptr);
  EXPECT_EQ(LastWordsAllocate(16, size_t{1} << 62), nullptr);
}

TEST(LastWords, ThreadsNeverShareABlock) {
  std::vector<std::vector<uint64_t*>> all(4);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < all.size(); ++t) {
    threads.emplace_back([&blocks = all[t], t] {
      for (int i = 0; i < 3000; ++i) {
        auto* p = static_cast<uint64_t*>(LastWordsAllocate(64, 16));
        if (p == nullptr) return;
        for (int j = 0; j < 8; ++j) p[j] = t + 1;
        blocks.push_back(p);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (size_t t = 0; t < all.size(); ++t) {
    EXPECT_EQ(all[t].size(), 3000u);
    for (const uint64_t* p : all[t]) {
      for (int j = 0; j < 8; ++j) ASSERT_EQ(p[j], t + 1);
    }
  }
}

TEST(LastWords, EndAtSomePointWithNull) {
  int taken = 0;
  while (taken < 1000 && LastWordsAllocate(1 << 20, 16) != nullptr) ++taken;
  EXPECT_GT(taken, 10);
  EXPECT_LT(taken, 100);
}

}  // namespace
}  // namespace xalloc
