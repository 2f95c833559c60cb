// SPDX-License-Identifier: MIT
#include "conf/options.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace xalloc {
namespace {

// What ParseOptions writes to stderr.
std::string Complaint(const char* text, Options& options) {
  testing::internal::CaptureStderr();
  ParseOptions(text, options);
  return testing::internal::GetCapturedStderr();
}

TEST(Options, LaterPairsWinAndUnitsWork) {
  Options o;
  EXPECT_EQ(ParseOptions("dirty_decay_ms:100,tcache_max:16K,dirty_decay_ms:never,narenas:auto,tcache:false", o), 0u);
  EXPECT_EQ(o.dirty_decay_ms, -1);
  EXPECT_EQ(o.tcache_max, 16384);
  EXPECT_EQ(o.narenas, 0);
  EXPECT_EQ(o.tcache, 0);
  EXPECT_EQ(ParseOptions("dirty_decay_ms:now,zero_realloc:abort,narenas:3", o), 0u);
  EXPECT_EQ(o.dirty_decay_ms, 0);
  EXPECT_EQ(o.zero_realloc, static_cast<int64_t>(ZeroRealloc::kAbort));
  EXPECT_EQ(o.narenas, 3);
}

TEST(Options, RefusedPairsAreNamedAndSkipped) {
  Options o;
  EXPECT_EQ(Complaint("tcache:maybe", o), "xalloc: option tcache:maybe has a bad value (allowed: false, true), skipped; see docs/errors.md#option\n");
  EXPECT_EQ(Complaint("nonsense:1", o), "xalloc: option nonsense:1 is unknown, skipped; see docs/errors.md#option\n");
  EXPECT_EQ(Complaint("narenas:65", o), "xalloc: option narenas:65 has a bad value (allowed: auto, a number, 1 to 64), skipped; see docs/errors.md#option\n");
  EXPECT_EQ(o.tcache, 1);
  EXPECT_EQ(o.narenas, 0);
}

TEST(Options, AnUnknownKeyIsAnsweredWithTheNearestOne) {
  Options o;
  EXPECT_EQ(Complaint("dirty_decay:1", o),
            "xalloc: option dirty_decay:1 is unknown (did you mean dirty_decay_ms?), skipped; see docs/errors.md#option\n");
  EXPECT_EQ(Complaint("narena:1", o), "xalloc: option narena:1 is unknown (did you mean narenas?), skipped; see docs/errors.md#option\n");
  EXPECT_EQ(Complaint("zero", o), "xalloc: option zero has a bad value (allowed: false, true), skipped; see docs/errors.md#option\n");
}

TEST(Options, EveryWordOfTheTableIsUnderstoodAndNoOther) {
  Options o;
  EXPECT_EQ(ParseOptions("junk:alloc,harden:full,percpu_arena:disabled,thread_stats:exact,xmalloc:true,zero:true,abort:true", o), 0u);
  EXPECT_EQ(o.junk, kJunkAlloc);
  EXPECT_EQ(o.harden, static_cast<int64_t>(Harden::kFull));
  EXPECT_EQ(o.percpu_arena, 0);
  EXPECT_EQ(o.thread_stats, 1);
  testing::internal::CaptureStderr();
  EXPECT_EQ(ParseOptions("junk:2,harden:0,tcache:1,dirty_decay_ms:5s,tcache_max:16T,narenas:0x4,zero:", o), 7u);
  testing::internal::GetCapturedStderr();
}

TEST(Options, KeysOfJemallocWithoutUseHereAreAccepted) {
  Options o;
  EXPECT_EQ(ParseOptions("lg_extent_max_active_fit:6,mutex_max_spin:100,utrace:true", o), 0u);
}

TEST(Options, AnyBytesAreSurvived) {
  std::mt19937 random(7);
  const std::string alphabet = "narenas:tcache,dirty_decay_ms019-KMG\x01 xyz";
  testing::internal::CaptureStderr();
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (unsigned n = random() % 40; n > 0; --n) text += alphabet[random() % alphabet.size()];
    Options o;
    ParseOptions(text.c_str(), o);
    ASSERT_GE(o.narenas, 0);
    ASSERT_LE(o.narenas, 64);
    ASSERT_GE(o.dirty_decay_ms, -1);
  }
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace xalloc
