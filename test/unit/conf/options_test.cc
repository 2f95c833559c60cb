// SPDX-License-Identifier: MIT
#include "conf/options.h"

#include <gtest/gtest.h>

#include <cstring>
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
  EXPECT_EQ(ParseOptions("narenas:128", o), 0u);
  EXPECT_EQ(o.narenas, 64);
}

TEST(Options, RefusedPairsAreNamedAndSkipped) {
  Options o;
  EXPECT_EQ(Complaint("tcache:maybe", o), "xalloc: option tcache:maybe has a bad value (allowed: false, true), skipped; see docs/errors.md#option\n");
  EXPECT_EQ(Complaint("nonsense:1", o), "xalloc: option nonsense:1 is unknown, skipped; see docs/errors.md#option\n");
  EXPECT_EQ(Complaint("narenas:4095", o), "xalloc: option narenas:4095 has a bad value (allowed: auto, default, a number, 1 to 4094), skipped; see docs/errors.md#option\n");
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

TEST(Options, ALineThatJemallocsUsersHaveIsTakenAsItIs) {
  Options o;
  EXPECT_EQ(Complaint("background_thread:true,metadata_thp:auto,dirty_decay_ms:30000,muzzy_decay_ms:30000,narenas:4,lg_tcache_max:13,tcache:true,"
                      "abort_conf:true,oversize_threshold:0,percpu_arena:phycpu,dss:secondary,retain:true,prof:false,prof_active:true,lg_prof_sample:19,"
                      "prof_prefix:jeprof.out,thp:always,tcache_max:65536,zero_realloc:free,stats_print_opts:mdablx,hpa:true,narenas:default",
                      o),
            "");
  EXPECT_EQ(o.tcache_max, 32768);
  EXPECT_EQ(o.oversize_threshold, int64_t{1} << 40);
  EXPECT_EQ(o.percpu_arena, 1);
}

TEST(Options, NothingLooksAsIfProfilingWereOn) {
  Options o;
  EXPECT_EQ(Complaint("prof:true,prof_active:false,lg_prof_sample:20", o),
            "xalloc: option prof:true asks for heap profiling, which is not built yet, skipped; see docs/errors.md#option\n");
  EXPECT_EQ(Complaint("prof_leak:true,prof_final:true", o),
            "xalloc: option prof_leak:true asks for heap profiling, which is not built yet, skipped; see docs/errors.md#option\n");
  EXPECT_EQ(Complaint("prof", o), "xalloc: option prof is unknown, skipped; see docs/errors.md#option\n");
}

TEST(Options, TheLaterOfTwoKeysForOneThingCounts) {
  Options o;
  EXPECT_EQ(ParseOptions("tcache_max:1K,lg_tcache_max:13", o), 0u);
  EXPECT_EQ(o.tcache_max, 8192);
  EXPECT_EQ(o.lg_tcache_max, 13);
  EXPECT_EQ(ParseOptions("tcache_max:1K", o), 0u);
  EXPECT_EQ(o.tcache_max, 1024);
  EXPECT_EQ(o.lg_tcache_max, -1);
  EXPECT_EQ(ParseOptions("lg_tcache_max:16", o), 0u);
  EXPECT_EQ(o.tcache_max, 32768);
  EXPECT_EQ(Complaint("lg_tcache_max:24", o),
            "xalloc: option lg_tcache_max:24 has a bad value (allowed: unset, a number, 0 to 23), skipped; see docs/errors.md#option\n");
}

TEST(Options, TextHasOnlyTheLettersOfItsRow) {
  Options o;
  EXPECT_EQ(ParseOptions("stats_print_opts:Jmda,stats_interval_opts:xh,stats_interval:1M", o), 0u);
  EXPECT_STREQ(o.stats_print_opts.text, "Jmda");
  EXPECT_STREQ(o.stats_interval_opts.text, "xh");
  EXPECT_EQ(o.stats_interval, 1 << 20);
  EXPECT_EQ(ParseOptions("stats_print_opts:g", o), 0u);
  EXPECT_STREQ(o.stats_print_opts.text, "g") << "nothing of the longer one stays";
  EXPECT_EQ(Complaint("stats_print_opts:JQ", o),
            "xalloc: option stats_print_opts:JQ has a bad value (allowed: at most 31 of the letters Jpgmdablxeh), skipped; see docs/errors.md#option\n");
  EXPECT_STREQ(o.stats_print_opts.text, "g");
  EXPECT_EQ(ParseOptions("stats_print_opts:", o), 0u);
  EXPECT_TRUE(o.stats_print_opts.empty());
  EXPECT_EQ(Complaint("stats_print_ops:g", o),
            "xalloc: option stats_print_ops:g is unknown (did you mean stats_print_opts?), skipped; see docs/errors.md#option\n");
}

TEST(Options, RangesOfCachedSizesAreTakenApart) {
  Options o;
  EXPECT_EQ(ParseOptions("tcache_ncached_max:1-64:4|1K-2K:0", o), 0u);
  EXPECT_STREQ(o.tcache_ncached_max.text, "1-64:4|1K-2K:0");
  EXPECT_EQ(o.cached_ranges[0].low, 1u);
  EXPECT_EQ(o.cached_ranges[0].high, 64u);
  EXPECT_EQ(o.cached_ranges[0].most, 4u);
  EXPECT_EQ(o.cached_ranges[1].high, 2048u);
  EXPECT_EQ(o.cached_ranges[1].most, 0u);
  EXPECT_EQ(o.cached_ranges[2].high, 0u);
  for (const char* bad : {"64-1:4", "1-64", "1:4", "a-b:c", "1-64:-4", "-1-64:4", "|", "1-2:1|1-2:1|1-2:1|1-2:1|1-2:1|1-2:1|1-2:1|1-2:1|1-2:1"}) {
    const Options before = o;
    const std::string pair = std::string("tcache_ncached_max:") + bad;
    EXPECT_NE(Complaint(pair.c_str(), o).find("has a bad value (allowed: low-high:n|low-high:n with at most 8 ranges)"), std::string::npos) << bad;
    EXPECT_EQ(memcmp(&before, &o, sizeof o), 0) << bad;
  }
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
