// SPDX-License-Identifier: MIT
#include "purge/decay.h"

#include <gtest/gtest.h>

#include "cache/fast_path.h"
#include "os/system.h"
#include "purge/purge.h"

namespace xalloc {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(Decay, WhatIsFreedAtOnceGoesBackAlongACurve) {
  Decay decay;
  uint64_t now = 1000000, gone = 0;
  EXPECT_GE(decay.Allowed(now, 1000, {100 * kMiB, 0, gone}), 99 * kMiB) << "nothing at once";
  size_t dirty = 100 * kMiB;
  for (int step = 1; step <= 21; ++step) {
    now += 50;
    const size_t allowed = decay.Allowed(now, 1000, {dirty, dirty + gone, gone});
    if (step == 10) {
      EXPECT_GT(allowed, 30 * kMiB);
      EXPECT_LT(allowed, 70 * kMiB);
    }
    if (allowed >= dirty) continue;
    gone += dirty - allowed;
    dirty = allowed;
  }
  EXPECT_EQ(dirty, 0u) << "all of it after dirty_decay_ms";
}

TEST(Decay, ALongPauseEndsTheCurve) {
  Decay decay;
  decay.Allowed(5000, 1000, {100 * kMiB, 0, 0});
  EXPECT_EQ(decay.Allowed(500000, 1000, {100 * kMiB, 100 * kMiB, 0}), 0u);
}

TEST(Decay, AfterALongPauseWhatWasUsedMeanwhileIsYoung) {
  Decay decay;
  decay.Allowed(5000, 1000, {100 * kMiB, 0, 0});
  EXPECT_GE(decay.Allowed(500000, 1000, {100 * kMiB, 0, 0}), 99 * kMiB);
}

TEST(Decay, SteadyReuseKeepsWhatIsReused) {
  Decay decay;
  uint64_t now = 1000;
  size_t allowed = 0;
  // Of 64 MiB, 10 are taken and freed again in each step: they may stay, the others not.
  for (int step = 0; step < 100; ++step) allowed = decay.Allowed(now += 50, 1000, {64 * kMiB, 54 * kMiB, 0});
  EXPECT_GE(allowed, 9 * kMiB);
  EXPECT_LE(allowed, 10 * kMiB);
}

TEST(Decay, WhatHasGoneBackIsNotAskedForAgain) {
  Decay decay;
  uint64_t now = 1000;
  // 10 MiB idle for long, 90 that come and go.
  size_t allowed = 0;
  for (int step = 0; step < 40; ++step) allowed = decay.Allowed(now += 50, 1000, {100 * kMiB, 10 * kMiB, 0});
  EXPECT_LE(allowed, 90 * kMiB);
  EXPECT_GE(allowed, 89 * kMiB);
  for (int step = 0; step < 40; ++step) allowed = decay.Allowed(now += 50, 1000, {90 * kMiB, 10 * kMiB, 10 * kMiB});
  EXPECT_GE(allowed, 89 * kMiB);
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
