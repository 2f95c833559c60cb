// SPDX-License-Identifier: MIT
#include "purge/decay.h"

#include <gtest/gtest.h>

#include "cache/fast_path.h"
#include "os/system.h"

namespace xalloc {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(Decay, WhatBecameDirtyAtOnceGoesBackAlongACurve) {
  Decay decay;
  uint64_t now = 1000000;
  EXPECT_GE(decay.Allowed(now, 1000, 100 * kMiB, 100 * kMiB), 99 * kMiB) << "nothing at once";
  size_t last = 100 * kMiB;
  for (int step = 1; step <= 20; ++step) {
    now += 50;
    const size_t allowed = decay.Allowed(now, 1000, last, 100 * kMiB);
    EXPECT_LE(allowed, last);
    if (step == 10) {
      EXPECT_GT(allowed, 30 * kMiB);
      EXPECT_LT(allowed, 70 * kMiB);
    }
    last = allowed;
  }
  EXPECT_EQ(last, 0u) << "all of it after dirty_decay_ms";
}

TEST(Decay, ALongPauseEndsTheCurve) {
  Decay decay;
  decay.Allowed(5000, 1000, 100 * kMiB, 100 * kMiB);
  EXPECT_EQ(decay.Allowed(500000, 1000, 100 * kMiB, 100 * kMiB), 0u);
}

TEST(Decay, SteadyReuseKeepsWhatIsReused) {
  Decay decay;
  uint64_t dirtied = 0;
  // 10 MiB become dirty and are reused in every step: they may stay.
  size_t allowed = 0;
  for (int step = 0; step < 100; ++step) {
    dirtied += 10 * kMiB;
    allowed = decay.Allowed(1000 + static_cast<uint64_t>(step) * 50, 1000, 10 * kMiB, dirtied);
  }
  EXPECT_GE(allowed, 9 * kMiB);
}

TEST(PurgeEverything, ReturnsDirtyPagesAndCaches) {
  std::vector<void*> all;
  for (int i = 0; i < 2000; ++i) all.push_back(Malloc(5000));
  for (void* p : all) Free(p);
  EXPECT_GT(PurgeEverything(), 0u);
  EXPECT_EQ(g_extents.Stats().used, 0u);
  // Where the kernel's page is larger than a granule, a run's ends may share a page with a neighbour.
  EXPECT_LE(g_extents.Stats().dirty, os::PageSize() > kGranule ? 16 * os::PageSize() : 0);
}

}  // namespace
}  // namespace xalloc
