// SPDX-License-Identifier: MIT
#include "stats/stats.h"

#include <gtest/gtest.h>

#include <vector>

#include "cache/fast_path.h"

namespace xalloc {
namespace {

TEST(Stats, AllocatedFollowsWhatTheProgramHolds) {
  Free(Malloc(1));
  const size_t before = CollectTotals().allocated();
  std::vector<void*> all;
  for (int i = 0; i < 1000; ++i) all.push_back(Malloc(1024));
  all.push_back(Malloc(size_t{1} << 20));
  all.push_back(Malloc(size_t{40} << 20));
  const size_t expected = 1000 * 1024 + (size_t{41} << 20);
  EXPECT_EQ(CollectTotals().allocated() - before, expected);
  for (void* p : all) Free(p);
  EXPECT_EQ(CollectTotals().allocated(), before);
  EXPECT_GE(CollectTotals().extents.peak, expected);
}

}  // namespace
}  // namespace xalloc
