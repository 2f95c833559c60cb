// SPDX-License-Identifier: MIT
#include "base/bitmap.h"

#include <gtest/gtest.h>

#include <bitset>
#include <random>

namespace xalloc {
namespace {

TEST(Bitmap128, SetsAndClearsRunsAcrossTheWordBoundary) {
  Bitmap128 b;
  b.Set({60, 10});
  EXPECT_EQ(b.Count(), 10u);
  EXPECT_TRUE(b.AllIn({60, 10}));
  EXPECT_FALSE(b.AllIn({59, 2}));
  b.Clear({63, 2});
  EXPECT_EQ(b.NextRun(0).begin, 60u);
  EXPECT_EQ(b.NextRun(0).length, 3u);
  EXPECT_EQ(b.NextRun(63).begin, 65u);
  EXPECT_EQ(b.LongestRun(), 5u);
}

TEST(Bitmap128, FullAndEmpty) {
  Bitmap128 b;
  EXPECT_TRUE(b.None());
  EXPECT_EQ(b.NextRun(0).length, 0u);
  b.Set({0, 128});
  EXPECT_EQ(b.LongestRun(), 128u);
  EXPECT_EQ(b.NextRun(5).length, 123u);
}

TEST(Bitmap128, AgreesWithAReferenceOnRandomRuns) {
  std::mt19937 random(1);
  Bitmap128 b;
  std::bitset<128> reference;
  for (int i = 0; i < 20000; ++i) {
    const unsigned begin = random() % 128;
    const unsigned length = random() % (129 - begin);
    const bool set = random() % 2 == 0;
    set ? b.Set({begin, length}) : b.Clear({begin, length});
    for (unsigned k = begin; k < begin + length; ++k) reference[k] = set;
    ASSERT_EQ(b.Count(), reference.count());
    unsigned longest = 0, run = 0;
    for (unsigned k = 0; k < 128; ++k) {
      ASSERT_EQ(b.Test(k), reference[k]);
      run = reference[k] ? run + 1 : 0;
      longest = run > longest ? run : longest;
    }
    ASSERT_EQ(b.LongestRun(), longest);
    const size_t in = (reference << (128 - begin - length) >> (128 - length)).count();
    ASSERT_EQ(b.CountIn({begin, length}), length == 0 ? 0 : in);
    ASSERT_EQ(b.AllIn({begin, length}), length == 0 || in == length);
    for (auto r = b.NextRun(0); r.length != 0; r = b.NextRun(r.begin + r.length)) {
      const auto around = b.RunAround(r.begin + random() % r.length);
      ASSERT_EQ(around.begin, r.begin);
      ASSERT_EQ(around.length, r.length);
    }
  }
}

}  // namespace
}  // namespace xalloc
