// SPDX-License-Identifier: MIT
// What the leaves that do something do, and that what is read adds up.
#include <errno.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <xalloc/xalloc.h>

#include "arena/manual.h"
#include "cache/explicit.h"
#include "cache/fast_path.h"
#include "ctl/ctl.h"
#include "purge/purge.h"
#include "stats/snapshot.h"

namespace xalloc {
namespace {

template <class T>
T Read(const std::string& name) {
  T value{};
  size_t length = sizeof value;
  EXPECT_EQ(CtlByName(name.c_str(), &value, &length, nullptr, 0), 0) << name;
  return value;
}
template <class T>
int Write(const std::string& name, T value) {
  return CtlByName(name.c_str(), nullptr, nullptr, &value, sizeof value);
}
int Do(const std::string& name) { return CtlByName(name.c_str(), nullptr, nullptr, nullptr, 0); }
void Epoch() { ASSERT_EQ(Write<uint64_t>("epoch", 1), 0); }

TEST(Effects, TotalsStandStillBetweenEpochs) {
  Epoch();
  const size_t before = Read<size_t>("stats.allocated");
  void* p = Malloc(size_t{8} << 20);
  EXPECT_EQ(Read<size_t>("stats.allocated"), before);
  Epoch();
  EXPECT_EQ(Read<size_t>("stats.allocated"), before + (size_t{8} << 20));
  EXPECT_EQ(Read<size_t>("stats.arenas.4096.lextents.31.curlextents"), 1u);  // 8 MiB
  Free(p);
  Epoch();
  EXPECT_EQ(Read<size_t>("stats.allocated"), before);
}

TEST(Effects, TheEpochCounts) {
  Epoch();
  const auto before = Read<uint64_t>("epoch");
  uint64_t now = 7;
  size_t length = sizeof now;
  ASSERT_EQ(CtlByName("epoch", &now, &length, &now, sizeof now), 0);
  EXPECT_EQ(now, before + 1);
}

TEST(Effects, ThePartsAddUpToTheWhole) {
  std::vector<void*> all;
  for (size_t i = 0; i < 50000; ++i) all.push_back(Malloc(8 + i % 5000));
  all.push_back(Malloc(size_t{3} << 20));
  all.push_back(Malloc(size_t{50} << 20));
  for (size_t i = 0; i < all.size(); i += 3) Free(all[i]), all[i] = nullptr;
  std::thread([] {
    for (int i = 0; i < 1000; ++i) Free(Malloc(100));
  }).join();
  Epoch();
  size_t small = 0, large = 0, cached = 0, depots = 0, active = 0;
  uint64_t nmalloc = 0, ndalloc = 0;
  for (unsigned i = 0; i < Read<unsigned>("arenas.narenas"); ++i) {
    const std::string arena = "stats.arenas." + std::to_string(i);
    if (!Read<bool>("arena." + std::to_string(i) + ".initialized")) continue;
    small += Read<size_t>(arena + ".small.allocated");
    large += Read<size_t>(arena + ".large.allocated");
    cached += Read<size_t>(arena + ".tcache_bytes");
    depots += Read<size_t>(arena + ".depot_bytes");
    active += Read<size_t>(arena + ".pactive") * Read<size_t>("arenas.page");
    nmalloc += Read<uint64_t>(arena + ".small.nmalloc");
    ndalloc += Read<uint64_t>(arena + ".small.ndalloc");
  }
  EXPECT_EQ(Read<size_t>("stats.allocated") + cached + depots, small + large);
  EXPECT_EQ(Read<size_t>("stats.active"), active);
  EXPECT_EQ(Read<size_t>("stats.arenas.4096.small.allocated"), small);
  EXPECT_EQ(Read<size_t>("stats.arenas.4096.large.allocated"), large);
  EXPECT_LE(Read<size_t>("stats.allocated"), Read<size_t>("stats.active"));
  EXPECT_LE(Read<size_t>("stats.active"), Read<size_t>("stats.mapped"));
  size_t by_bins = 0;
  uint64_t regs = 0, depot_regs = 0;
  for (unsigned b = 0; b < Read<unsigned>("arenas.nbins"); ++b) {
    const std::string bin = "stats.arenas.4096.bins." + std::to_string(b);
    by_bins += Read<size_t>(bin + ".curregs") * Read<size_t>("arenas.bin." + std::to_string(b) + ".size");
    regs += Read<size_t>(bin + ".curregs");
    EXPECT_LE(Read<size_t>(bin + ".curregs"), Read<size_t>(bin + ".curslabs") * Read<uint32_t>("arenas.bin." + std::to_string(b) + ".nregs"));
    EXPECT_LE(Read<size_t>(bin + ".nonfull_slabs"), Read<size_t>(bin + ".curslabs"));
    for (unsigned i = 0; i < g_arenas.count(); ++i) depot_regs += g_arenas.At(i) != nullptr ? g_arenas.At(i)->StatsOf(b + 1).depot : 0;
  }
  EXPECT_EQ(by_bins, small);
  EXPECT_EQ(nmalloc - ndalloc, regs - depot_regs);
  for (void* p : all) Free(p);
}

TEST(Effects, AThreadKnowsExactlyWhatItHolds) {
  std::thread([] {
    Free(Malloc(1));
    const auto a0 = Read<uint64_t>("thread.allocated"), d0 = Read<uint64_t>("thread.deallocated");
    std::vector<void*> all;
    uint64_t bytes = 0, last_a = a0, last_d = d0;
    for (size_t i = 1; i < 3000; ++i) {
      all.push_back(Malloc(i * 20));
      bytes += UsableSize(all.back(), Act::kUsableSize);
      if (i % 3 == 0) {
        bytes -= UsableSize(all[i / 2], Act::kUsableSize);
        Free(all[i / 2]);
        all[i / 2] = Malloc(8);
        bytes += 8;
      }
      if (i % 100 != 0) continue;
      const auto a = Read<uint64_t>("thread.allocated"), d = Read<uint64_t>("thread.deallocated");
      EXPECT_GE(a, last_a);
      EXPECT_GE(d, last_d);
      last_a = a;
      last_d = d;
      ASSERT_EQ((Read<uint64_t>("thread.allocated") - a0) - (Read<uint64_t>("thread.deallocated") - d0), bytes) << i;
    }
    for (void* p : all) Free(p);
    EXPECT_EQ(Read<uint64_t>("thread.allocated") - a0, Read<uint64_t>("thread.deallocated") - d0);
  }).join();
}

TEST(Effects, AskingForTheWordMakesTheNextAllocationMoveIt) {
  std::thread([] {
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 100; ++i) Free(Malloc(1));
      auto* word = Read<uint64_t*>("thread.allocatedp");
      const uint64_t before = *word;
      void* p = Malloc(1);
      EXPECT_NE(*word, before);
      Free(p);
    }
    EXPECT_EQ(*Read<uint64_t*>("thread.deallocatedp"), Read<uint64_t>("thread.deallocated"));
  }).join();
}

TEST(Effects, ThePeakIsWhatWasHeldAtMost) {
  std::thread([] {
    Free(Malloc(1));
    ASSERT_EQ(Do("thread.peak.reset"), 0);
    EXPECT_EQ(Read<uint64_t>("thread.peak.read"), 0u);
    void* p = Malloc(size_t{1} << 20);
    EXPECT_EQ(Read<uint64_t>("thread.peak.read"), uint64_t{1} << 20);
    Free(p);
    EXPECT_EQ(Read<uint64_t>("thread.peak.read"), uint64_t{1} << 20);
    ASSERT_EQ(Do("thread.peak.reset"), 0);
    EXPECT_EQ(Read<uint64_t>("thread.peak.read"), 0u);
  }).join();
}

TEST(Effects, AThreadCanDoWithoutItsCache) {
  std::thread([] {
    Free(Malloc(100));
    EXPECT_TRUE(Read<bool>("thread.tcache.enabled"));
    ASSERT_EQ(Write("thread.tcache.enabled", false), 0);
    EXPECT_FALSE(Read<bool>("thread.tcache.enabled"));
    EXPECT_EQ(Do("thread.tcache.flush"), EFAULT);
    void* p = Malloc(100);
    Free(p);
    EXPECT_EQ(t_local.front, &kEmptyCache);
    ASSERT_EQ(Write("thread.tcache.enabled", true), 0);
    Free(Malloc(100));
    EXPECT_NE(t_local.front, &kEmptyCache);
    EXPECT_EQ(Do("thread.tcache.flush"), 0);
    EXPECT_EQ(Do("thread.idle"), 0);
  }).join();
}

TEST(Effects, GivingUpACacheLosesNoCount) {
  std::thread([] {
    const auto held = [] { return Read<uint64_t>("thread.allocated") - Read<uint64_t>("thread.deallocated"); };
    Free(Malloc(1));
    const uint64_t before = held();
    for (int round = 0; round < 5; ++round) {
      std::vector<void*> all;
      for (int i = 0; i < 300; ++i) all.push_back(Malloc(56));
      for (void* p : all) Free(p);
      EXPECT_EQ(held(), before);
      Write("thread.tcache.enabled", false);
      EXPECT_EQ(held(), before);
      Write("thread.tcache.enabled", true);
      EXPECT_EQ(held(), before);
    }
  }).join();
}

TEST(Effects, LargeBlocksCountAsTheirUsableSize) {
  Epoch();
  const auto before = Read<size_t>("stats.allocated");
  std::vector<void*> all;
  size_t usable = 0;
  for (int i = 0; i < 200; ++i) {
    all.push_back(Malloc(33000 + static_cast<size_t>(i) * 100));
    usable += UsableSize(all.back(), Act::kUsableSize);
  }
  Epoch();
  EXPECT_EQ(Read<size_t>("stats.allocated"), before + usable);
  for (void*& p : all) {
    usable -= UsableSize(p, Act::kUsableSize);
    p = Realloc(p, 70000);
    usable += UsableSize(p, Act::kUsableSize);
  }
  Epoch();
  EXPECT_EQ(Read<size_t>("stats.allocated"), before + usable);
  for (void* p : all) Free(p);
  Epoch();
  EXPECT_EQ(Read<size_t>("stats.allocated"), before);
}

TEST(Effects, DecayTimesAreThoseOfThePurger) {
  const auto dirty = Read<ssize_t>("arenas.dirty_decay_ms"), muzzy = Read<ssize_t>("arenas.muzzy_decay_ms");
  ASSERT_EQ(Write<ssize_t>("arenas.dirty_decay_ms", 1234), 0);
  EXPECT_EQ(DirtyDecayMs(), 1234);
  EXPECT_EQ(Read<ssize_t>("arena.0.dirty_decay_ms"), 1234);
  ASSERT_EQ(Write<ssize_t>("arena.4096.muzzy_decay_ms", 77), 0);
  EXPECT_EQ(MuzzyDecayMs(), 77);
  EXPECT_EQ(Write<ssize_t>("arenas.dirty_decay_ms", -2), EINVAL);
  EXPECT_EQ(DirtyDecayMs(), 1234);
  ASSERT_EQ(Write<ssize_t>("arenas.dirty_decay_ms", dirty), 0);
  ASSERT_EQ(Write<ssize_t>("arenas.muzzy_decay_ms", muzzy), 0);
}

TEST(Effects, PurgeGivesBackWhatIsDirty) {
  for (const char* which : {"0", "4096", "last"}) {
    std::vector<void*> all;
    for (int i = 0; i < 200; ++i) all.push_back(memset(Malloc(size_t{100} << 10), 1, size_t{100} << 10));
    for (void* p : all) Free(p);
    Epoch();
    EXPECT_GT(Read<size_t>("stats.arenas.4096.pdirty"), 0u);
    const std::string index = std::string(which) == "last" ? std::to_string(Read<unsigned>("arenas.narenas")) : which;
    ASSERT_EQ(Do("arena." + index + ".purge"), 0);
    Epoch();
    // Less than a page of the kernel may be left here and there.
    EXPECT_LT(Read<size_t>("stats.arenas.4096.pdirty"), 8u) << index;
  }
  EXPECT_EQ(Do("arena.0.decay"), 0);
  EXPECT_EQ(Do("arena.0.destroy"), EFAULT);
  EXPECT_EQ(Do("arena.0.reset"), EFAULT);
}

TEST(Effects, TheTwoStagesAreCountedApart) {
  const auto muzzy = Read<ssize_t>("arenas.muzzy_decay_ms");
  for (const bool two_stages : {false, true}) {
    Epoch();
    const auto dirty_before = Read<uint64_t>("stats.arenas.4096.dirty_purged"), muzzy_before = Read<uint64_t>("stats.arenas.4096.muzzy_purged");
    void* p = Malloc(size_t{20} << 20);
    memset(p, 1, size_t{20} << 20);
    Free(p);
    if (two_stages) {
      g_extents.Offer(SIZE_MAX / 2, Manner::kEverything);
      g_extents.PurgeOffered(SIZE_MAX / 2);
    } else {
      g_extents.Purge(SIZE_MAX / 2);
    }
    Epoch();
    const auto pages = (uint64_t{20} << 20) / Read<size_t>("arenas.page");
    EXPECT_GE(Read<uint64_t>("stats.arenas.4096.dirty_purged"), dirty_before + pages);
    EXPECT_EQ(Read<uint64_t>("stats.arenas.4096.muzzy_purged") >= muzzy_before + pages, two_stages);
    EXPECT_EQ(Read<uint64_t>("stats.arenas.4096.muzzy_npurge") > 0, two_stages);
  }
  Write<ssize_t>("arenas.muzzy_decay_ms", muzzy);
}

TEST(Effects, ThePurgerIsSwitched) {
  ASSERT_EQ(Write("background_thread", true), 0);
  const auto most = Read<size_t>("max_background_threads");
  EXPECT_EQ(Write<size_t>("max_background_threads", 0), EINVAL);
  ASSERT_EQ(Write<size_t>("max_background_threads", 2), 0);
  EXPECT_EQ(Read<size_t>("max_background_threads"), 2u);
  ASSERT_EQ(Write<size_t>("max_background_threads", most), 0);
  ASSERT_EQ(Write("background_thread", false), 0);
}

// ---- arenas that a program makes ------------------------------------------------------------------------------------------------

unsigned CreateWith(extent_hooks_t* hooks) {
  unsigned index = 0;
  size_t length = sizeof index;
  EXPECT_EQ(CtlByName("arenas.create", &index, &length, hooks != nullptr ? &hooks : nullptr, hooks != nullptr ? sizeof hooks : 0), 0);
  return index;
}

TEST(Arenas, LiveFromCreateToDestroy) {
  const auto before = Read<unsigned>("arenas.narenas");
  const unsigned index = CreateWith(nullptr);
  const std::string arena = "arena." + std::to_string(index), stats = "stats.arenas." + std::to_string(index);
  EXPECT_GE(Read<unsigned>("arenas.narenas"), before);
  EXPECT_TRUE(Read<bool>(arena + ".initialized"));
  ManualArena* manual = ArenaOf(index).manual;
  ASSERT_NE(manual, nullptr);
  std::vector<void*> all;
  for (int i = 0; i < 1000; ++i) all.push_back(AllocateManual(manual, 100, 1, false));
  void* large = AllocateManual(manual, size_t{1} << 20, 1, false);
  Epoch();
  EXPECT_EQ(Read<size_t>(stats + ".small.allocated"), 1000u * 112);
  EXPECT_EQ(Read<size_t>(stats + ".large.allocated"), size_t{1} << 20);
  EXPECT_GE(Read<size_t>(stats + ".mapped"), (size_t{1} << 20) + 112000);
  EXPECT_EQ(Read<uint64_t>(stats + ".large.nmalloc"), 1u);
  EXPECT_EQ(Read<size_t>(stats + ".lextents.19.curlextents"), 1u);  // 1 MiB
  EXPECT_EQ(CollectTotals().allocated(), Read<size_t>("stats.allocated"));
  unsigned found = 0;
  size_t length = sizeof found;
  ASSERT_EQ(CtlByName("arenas.lookup", &found, &length, &large, sizeof large), 0);
  EXPECT_EQ(found, index);
  EXPECT_EQ(Do(arena + ".reset"), 0);
  Epoch();
  EXPECT_EQ(Read<size_t>(stats + ".small.allocated"), 0u);
  EXPECT_EQ(Read<size_t>(stats + ".lextents.19.curlextents"), 0u);
  EXPECT_EQ(Read<uint64_t>(stats + ".lextents.19.ndalloc"), 1u);
  AllocateManual(manual, size_t{1} << 20, 1, false);
  EXPECT_EQ(Do(arena + ".purge"), 0);
  EXPECT_EQ(Do(arena + ".decay"), 0);
  EXPECT_EQ(Do(arena + ".destroy"), 0);
  EXPECT_FALSE(Read<bool>(arena + ".initialized"));
  EXPECT_EQ(Do(arena + ".destroy"), ENOENT);
  Epoch();
  EXPECT_GE(Read<uint64_t>("stats.arenas.4097.large.nmalloc"), 1u);
  EXPECT_EQ(Read<size_t>("stats.arenas.4097.large.allocated"), 0u);
  EXPECT_GE(Read<uint64_t>("stats.arenas.4097.lextents.19.ndalloc"), 2u);
  EXPECT_EQ(Read<size_t>("stats.arenas.4097.lextents.19.curlextents"), 0u);
}

TEST(Arenas, HaveHooksDecayTimesAndANameOfTheirOwn) {
  const unsigned index = CreateWith(nullptr);
  const std::string arena = "arena." + std::to_string(index);
  auto* hooks = Read<extent_hooks_t*>(arena + ".extent_hooks");
  ASSERT_NE(hooks, nullptr);
  ASSERT_NE(hooks->alloc, nullptr);
  static extent_hooks_t mine;
  mine = *hooks;
  ASSERT_EQ(Write(arena + ".extent_hooks", &mine), 0);
  EXPECT_EQ(Read<extent_hooks_t*>(arena + ".extent_hooks"), &mine);
  EXPECT_EQ(Write<extent_hooks_t*>(arena + ".extent_hooks", nullptr), EINVAL);
  EXPECT_EQ(Write("arena.0.extent_hooks", &mine), EPERM);
  const auto shared = Read<ssize_t>("arenas.dirty_decay_ms");
  ASSERT_EQ(Write<ssize_t>(arena + ".dirty_decay_ms", 17), 0);
  EXPECT_EQ(Read<ssize_t>(arena + ".dirty_decay_ms"), 17);
  EXPECT_EQ(Read<ssize_t>("arenas.dirty_decay_ms"), shared);
  char room[32] = {}, *name = room;
  size_t length = sizeof name;
  ASSERT_EQ(Write<const char*>(arena + ".name", "session"), 0);
  ASSERT_EQ(CtlByName((arena + ".name").c_str(), &name, &length, nullptr, 0), 0);
  EXPECT_STREQ(room, "session");
  EXPECT_EQ(Write<const char*>("arena.0.name", "x"), EPERM);
  EXPECT_EQ(Do(arena + ".destroy"), 0);
  EXPECT_EQ(CreateWith(nullptr), index);  // used again
  EXPECT_EQ(Do(arena + ".destroy"), 0);
}

TEST(Arenas, AThreadCanBeBoundToOne) {
  const unsigned index = CreateWith(nullptr);
  std::thread([index] {
    const auto before = Read<unsigned>("thread.arena");
    ASSERT_EQ(Write("thread.arena", index), 0);
    EXPECT_EQ(Read<unsigned>("thread.arena"), index);
    const std::string threads = "stats.arenas." + std::to_string(index) + ".nthreads";
    Epoch();
    EXPECT_EQ(Read<unsigned>(threads), 1u);
    void* p = Malloc(100);
    unsigned found = 0;
    size_t length = sizeof found;
    ASSERT_EQ(CtlByName("arenas.lookup", &found, &length, &p, sizeof p), 0);
    EXPECT_EQ(found, index);
    Free(p);
    EXPECT_EQ(Write<unsigned>("thread.arena", 4000), EFAULT);
    ASSERT_EQ(Write("thread.arena", before), 0);
    EXPECT_EQ(Read<unsigned>("thread.arena"), before);
    Epoch();
    EXPECT_EQ(Read<unsigned>(threads), 0u);
  }).join();
  EXPECT_EQ(Do("arena." + std::to_string(index) + ".destroy"), 0);
}

TEST(Arenas, WhatWasOfferedIsPartOfTheTotals) {
  const unsigned index = CreateWith(nullptr);
  ManualArena* arena = ArenaOf(index).manual;
  SetDirtyDecayMs(arena, 1000);
  SetMuzzyDecayMs(arena, -1);
  void* kept = AllocateManual(arena, 65536, 1, false);
  Free(memset(AllocateManual(arena, 262144, 1, false), 1, 262144));
  Epoch();
  const TotalNumbers before = CopyOfTotals();
  EXPECT_EQ(DecayArena(arena, 5000), 0u);
  ASSERT_EQ(DecayArena(arena, 6000), 262144u);
  Epoch();
  const TotalNumbers after = CopyOfTotals();
  EXPECT_EQ(Read<size_t>("stats.arenas." + std::to_string(index) + ".pmuzzy") * Read<size_t>("arenas.page"), 262144u);
  EXPECT_EQ(after.muzzy, before.muzzy + 262144);
  EXPECT_EQ(after.dirty, before.dirty - 262144);
  EXPECT_EQ(after.resident - after.metadata, before.resident - before.metadata);
  EXPECT_EQ(CollectTotals().extents.muzzy, after.muzzy);
  Free(kept);
  EXPECT_EQ(Do("arena." + std::to_string(index) + ".destroy"), 0);
}

// The index of a destroyed arena is used again; a thread that was bound to the old one is not bound to the new.
TEST(Arenas, AThreadIsNotBoundToWhoeverHasTheIndexNow) {
  const unsigned index = CreateWith(nullptr);
  std::thread([index] {
    ASSERT_EQ(Write("thread.arena", index), 0);
    ASSERT_EQ(Do("arena." + std::to_string(index) + ".destroy"), 0);
    Epoch();
    EXPECT_EQ(Read<unsigned>("stats.arenas.4097.nthreads"), 0u);
    ASSERT_EQ(CreateWith(nullptr), index);
    void* p = Malloc(100);
    unsigned found = index;
    size_t length = sizeof found;
    ASSERT_EQ(CtlByName("arenas.lookup", &found, &length, &p, sizeof p), 0);
    EXPECT_NE(found, index);
    ASSERT_EQ(Do("arena." + std::to_string(index) + ".destroy"), 0);
    memset(p, 1, 100);
    Free(p);
  }).join();
}

// Hooks run as if their thread were bound to nothing.
TEST(Arenas, HooksAllocateFromTheSharedArenasAlsoOnABoundThread) {
  static extent_hooks_t mine;
  static void* allocated;
  mine = *DefaultExtentHooks();
  mine.alloc = [](extent_hooks_t*, void* at, size_t size, size_t alignment, bool* zero, bool* commit, unsigned arena) {
    allocated = Malloc(64);
    auto* original = const_cast<extent_hooks_t*>(DefaultExtentHooks());
    return original->alloc(original, at, size, alignment, zero, commit, arena);
  };
  const unsigned index = CreateWith(&mine);
  std::thread([index] {
    ASSERT_EQ(Write("thread.arena", index), 0);
    Free(Malloc(100));
    unsigned found = index;
    size_t length = sizeof found;
    ASSERT_EQ(CtlByName("arenas.lookup", &found, &length, &allocated, sizeof allocated), 0);
    EXPECT_NE(found, index);
    Free(allocated);
  }).join();
  ASSERT_EQ(Do("arena." + std::to_string(index) + ".destroy"), 0);
}

TEST(Arenas, NewOnesDecayAsIsSetNow) {
  const auto before = Read<ssize_t>("arenas.dirty_decay_ms");
  ASSERT_EQ(Write<ssize_t>("arenas.dirty_decay_ms", 1234), 0);
  const unsigned index = CreateWith(nullptr);
  const std::string arena = "arena." + std::to_string(index);
  EXPECT_EQ(Read<ssize_t>(arena + ".dirty_decay_ms"), 1234);
  ASSERT_EQ(Write<ssize_t>("arena.4096.dirty_decay_ms", 77), 0);
  EXPECT_EQ(Read<ssize_t>(arena + ".dirty_decay_ms"), 77);
  ASSERT_EQ(Write<ssize_t>("arenas.dirty_decay_ms", before), 0);
  EXPECT_EQ(Read<ssize_t>(arena + ".dirty_decay_ms"), 77);
  EXPECT_EQ(Do(arena + ".destroy"), 0);
}

TEST(Arenas, CachesAreMadeFlushedAndDestroyed) {
  const auto id = Read<unsigned>("tcache.create");
  EXPECT_EQ(CtlByName("tcache.create", nullptr, nullptr, nullptr, 0), EINVAL);
  void* p = AllocateCached(id, SizeToClass(100), ArenaOf(0));
  ASSERT_NE(p, nullptr);
  FreeCached(id, p);
  EXPECT_EQ(Write("tcache.flush", id), 0);
  EXPECT_EQ(Write("tcache.destroy", id), 0);
  EXPECT_EQ(Write("tcache.destroy", id), EFAULT);
  EXPECT_EQ(Write("tcache.flush", id), EFAULT);
}

// Threads make, use and destroy arenas and caches, flip what can be flipped, and read every leaf; at the end the totals add up.
TEST(Arenas, EverythingAtOnce) {
  Epoch();
  const auto before = Read<size_t>("stats.allocated");
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t, &stop] {
      for (unsigned i = 0; !stop; ++i) {
        const unsigned index = CreateWith(nullptr);
        ManualArena* manual = ArenaOf(index).manual;
        if (manual != nullptr) {
          void* kept = AllocateManual(manual, 50 + i % 40000, 1, false);
          Free(AllocateManual(manual, 64, 1, false));
          if (i % 2 == 0) Free(kept);
        }
        std::vector<void*> own;
        for (unsigned k = 0; k < 200; ++k) own.push_back(Malloc(1 + (k * 37 + i) % 3000));
        const unsigned row = (i * 8 + static_cast<unsigned>(t)) % CtlLeaves();
        const CtlLeaf leaf = CtlLeafAt(row);
        std::string name = leaf.name;
        for (size_t at = name.find('#'); at != std::string::npos; at = name.find('#')) name.replace(at, 1, "0");
        char value[8];
        size_t length = leaf.type == CtlType::B ? 1 : leaf.type == CtlType::U || leaf.type == CtlType::W ? 4 : 8;
        if (leaf.access == CtlAccess::R && name != "tcache.create") CtlByName(name.c_str(), value, &length, nullptr, 0);
        if (i % 5 == 0) Epoch();
        if (t == 0) Write<ssize_t>("arenas.dirty_decay_ms", i % 2 == 0 ? 5000 : 100);
        if (t == 1) Write("background_thread", i % 2 == 0);
        if (t == 2) Do("arena.4096.purge");
        if (t == 3) Write("thread.tcache.enabled", i % 2 == 0);
        const auto id = Read<unsigned>("tcache.create");
        FreeCached(id, AllocateCached(id, 5, ArenaOf(0)));
        Write("tcache.destroy", id);
        for (void* p : own) Free(p);
        Do("arena." + std::to_string(index) + (i % 3 == 0 ? ".reset" : ".purge"));
        Do("arena." + std::to_string(index) + ".destroy");
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  stop = true;
  for (auto& thread : threads) thread.join();
  Write("background_thread", false);
  Write<ssize_t>("arenas.dirty_decay_ms", 5000);
  Epoch();
  EXPECT_EQ(Read<size_t>("stats.allocated"), before);
}

TEST(Effects, ReadersAndEpochsRunSideBySide) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&stop] {
      size_t mib[kMostParts], length = kMostParts;
      ASSERT_EQ(CtlNameToMib("stats.arenas.4096.bins.0.curregs", mib, &length), 0);
      for (size_t i = 0; !stop; ++i) {
        size_t value = 0, old_length = sizeof value;
        mib[4] = i % kNumClasses;
        ASSERT_EQ(CtlByMib(mib, length, &value, &old_length, nullptr, 0), 0);
        Free(Malloc(i % 3000));
        if (i % 64 == 0) Epoch();
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  stop = true;
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace xalloc
