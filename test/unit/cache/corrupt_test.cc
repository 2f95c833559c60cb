// SPDX-License-Identifier: MIT
// What the program wrote over our own state, or freed twice across threads, is found where it reaches the slabs, and reported.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <semaphore>
#include <thread>

#include "cache/fast_path.h"

namespace xalloc {
namespace {

constexpr const char* kCorrupt = "^xalloc: our own state was overwritten: among the free blocks is 0x[0-9a-f]+ \\(96 bytes\\), see docs/errors.md#corrupt-cache";
constexpr const char* kDouble = "^xalloc: double free of 0x[0-9a-f]+ \\(96 bytes\\), see docs/errors.md#double-free";

// Three free blocks of one class in this thread's cache; the slot of the middle one.
void** MiddleSlot() {
  void* blocks[] = {Malloc(96), Malloc(96), Malloc(96)};
  for (void* p : blocks) Free(p);
  return OwnCache()->bins[SizeToClass(96)].top - 1;
}

TEST(CorruptDeathTest, ASlotThatHoldsAForeignPointerIsFoundAtTheFlush) {
  long outside[4];
  EXPECT_DEATH((*MiddleSlot() = outside, FlushOwnCache(true)), kCorrupt);
  EXPECT_DEATH((*MiddleSlot() = reinterpret_cast<void*>(0x4141414141414141), FlushOwnCache(true)), kCorrupt);
  EXPECT_DEATH((*MiddleSlot() = nullptr, FlushOwnCache(true)), kCorrupt);
}

TEST(CorruptDeathTest, ASlotThatHoldsABlockOfAnotherKindIsFoundAtTheFlush) {
  EXPECT_DEATH((*MiddleSlot() = Malloc(100000), FlushOwnCache(true)), kDouble);
  EXPECT_DEATH((*MiddleSlot() = Malloc(500), FlushOwnCache(true)), kDouble);
}

TEST(CorruptDeathTest, ASlotThatPointsIntoABlockIsFoundAtTheFlush) {
  EXPECT_DEATH((*MiddleSlot() = static_cast<char*>(Malloc(96)) + 32, FlushOwnCache(true)), "^xalloc: free of interior pointer 0x[0-9a-f]+ \\(96 bytes\\)");
}

TEST(CorruptDeathTest, AnOverwrittenDepotIsFoundWhenItIsDrained) {
  const auto overwrite = [] {
    const unsigned cls = SizeToClass(96);
    void* objects[64];
    for (void*& p : objects) p = Malloc(96);
    objects[10] = reinterpret_cast<void*>(0x1000);
    Arena* arena = g_arenas.Current();
    arena->Flush(cls, objects, 64);
    const FlushResult bad = arena->DrainDepots();
    ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
  };
  EXPECT_DEATH(overwrite(), kCorrupt);
}

TEST(CorruptDeathTest, WhatADrainOfAnotherThreadFindsIsReportedWithNoLockHeld) {
  const auto drain = [] {
    // The other thread holds a block that this one gave back to its slab.
    std::binary_semaphore filled{0}, never{0};
    void* block = Malloc(96);
    void* same = block;
    std::thread other([&] {
      Free(Malloc(200));  // what a thread frees first of all does not stay in its cache
      for (int i = 0; i < 5; ++i) Free(i == 0 ? block : Malloc(96));
      void* more[] = {Malloc(96), Malloc(96)};
      Free(more[0]);
      Free(more[1]);
      Free(same);
      void* top[] = {Malloc(200)};
      Free(top[0]);
      filled.release();
      never.acquire();
    });
    other.detach();
    filled.acquire();
    Arena::FlushToSlabs(SizeToClass(96), &same, 1);
    // The handler would hang if the registry were locked.
    signal(SIGABRT, [](int) {
      ForEachCache([](ThreadCache*, void*) {}, nullptr);
      static constexpr char kText[] = "registry free\n";
      if (write(2, kText, sizeof kText - 1) < 0) _exit(1);
    });
    DrainOtherCaches();
  };
  EXPECT_DEATH(drain(), "^xalloc: double free of 0x[0-9a-f]+ \\(96 bytes\\), see docs/errors.md#double-free\nregistry free");
}

TEST(SizedFree, AWrongSizeIsCountedAndAShrunkBlockIsNot) {
  std::thread([] {
    const auto mismatches = [&](size_t size, size_t freed_as) {
      const uint64_t before = g_size_mismatches.Relaxed();
      FreeSized(Malloc(size), freed_as);
      return g_size_mismatches.Relaxed() - before;
    };
    for (const size_t size : {20, 64, 1000, 1025, 5000, 32768, 32769, 100000, 5000000, 40 << 20}) {
      EXPECT_EQ(mismatches(size, size), 0u) << size;
      EXPECT_EQ(mismatches(size, 1), 1u) << size;
      EXPECT_EQ(mismatches(size, size * 2 + 4096), 1u) << size;
      EXPECT_EQ(mismatches(size, SIZE_MAX), 1u) << size;
    }
    void* p = Realloc(Malloc(1000), 600);
    const uint64_t before = g_size_mismatches.Relaxed();
    FreeSized(p, 600);
    EXPECT_EQ(g_size_mismatches.Relaxed(), before);
    FreeSized(nullptr, 100);
    EXPECT_EQ(g_size_mismatches.Relaxed(), before);
  }).join();
}

}  // namespace
}  // namespace xalloc
