// SPDX-License-Identifier: MIT
#include "meta/meta.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "meta/page_map.h"
#include "unit/fake_pages.h"

namespace xalloc {
namespace {

class Meta : public testing::Test {
 protected:
  void TearDown() override { FakePages::Reset(); }
  MetaAllocator meta_{&kFakePages};
};

TEST_F(Meta, BlocksAreZeroAlignedAndReused) {
  auto* a = static_cast<char*>(meta_.Allocate(100));
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(reinterpret_cast<size_t>(a) % 64, 0u);
  memset(a, 0xff, 100);
  meta_.Free(a, 100);
  auto* b = static_cast<char*>(meta_.Allocate(128));
  EXPECT_EQ(a, b);
  for (int i = 0; i < 128; ++i) ASSERT_EQ(b[i], 0);
}

TEST_F(Meta, ABlockTakesAQuarterMoreAtMostAndServesItsSizeAgain) {
  for (size_t size = 1; size <= 64 * 1024; size += size / 50 + 1) {
    const size_t before = meta_.allocated_bytes();
    void* p = meta_.Allocate(size);
    ASSERT_NE(p, nullptr);
    const size_t took = meta_.allocated_bytes() - before;
    // What lies before a block that starts on a page is used by others.
    const size_t before_it = reinterpret_cast<size_t>(p) % 4096 == 0 ? 4096 : 0;
    EXPECT_TRUE(took == 0 || (took >= size && took <= size * 5 / 4 + 64 + before_it)) << size << ": " << took;
    meta_.Free(p, size);
    EXPECT_EQ(meta_.Allocate(size), p) << size;
    meta_.Free(p, size);
  }
}

TEST_F(Meta, WhatAlignmentLeavesOutServesSmallerBlocks) {
  auto* first = static_cast<char*>(meta_.Allocate(64));
  auto* page = static_cast<char*>(meta_.Allocate(4096));
  ASSERT_NE(first, nullptr);
  ASSERT_EQ(page, first + 4096);
  const size_t allocated = meta_.allocated_bytes();
  EXPECT_EQ(allocated, 2u * 4096);
  char* expected = first + 64;
  for (const size_t size : {2048, 1024, 512, 256, 128, 64}) {
    EXPECT_EQ(meta_.Allocate(size), expected) << size;
    expected += size;
  }
  EXPECT_EQ(meta_.allocated_bytes(), allocated);
  EXPECT_EQ(meta_.Allocate(64), page + 4096);
  EXPECT_EQ(meta_.Allocate(4096), page + 2 * 4096);
}

TEST_F(Meta, LargeBlocksAreMappingsAndGoBack) {
  void* p = meta_.Allocate(1 << 20);
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(meta_.allocated_bytes(), size_t{1} << 20);
  meta_.Free(p, 1 << 20);
  EXPECT_EQ(meta_.allocated_bytes(), 0u);
}

TEST_F(Meta, RefusalIsNullAndLaterItWorksAgain) {
  FakePages::Get().refuse_at = 1;
  FakePages::Get().refuse_all_from = true;
  EXPECT_EQ(meta_.Allocate(64), nullptr);
  EXPECT_EQ(meta_.Allocate(1 << 20), nullptr);
  FakePages::Get().refuse_at = -1;
  EXPECT_NE(meta_.Allocate(64), nullptr);
}

TEST_F(Meta, WhatIsSpareServesWhenTheKernelMapsNoMore) {
  constexpr size_t kSpare = 128 * 1024;
  meta_.SetSpare(static_cast<char*>(kFakePages.reserve(nullptr, kSpare)), kSpare);
  FakePages::Get().refuse_map = true;
  std::vector<char*> blocks;
  while (auto* p = static_cast<char*>(meta_.Allocate(4096))) {
    memset(p, 0xff, 4096);
    blocks.push_back(p);
    ASSERT_LE(blocks.size(), kSpare / 4096);
  }
  FakePages::Get().refuse_map = false;
  EXPECT_GE(blocks.size(), kSpare / 4096 / 2);
  EXPECT_NE(meta_.Allocate(4096), nullptr);
}

TEST(PageMap, KnowsWhatIsOutsideAndWhatIsInside) {
  PageMap map;
  EXPECT_EQ(map.CodeOf(nullptr), 0u);
  EXPECT_EQ(map.CodeOf(&map), 0u);
  ASSERT_TRUE(map.Init(os::kKernelPages, SIZE_MAX));
  const uintptr_t end = map.base() + (size_t{64} << 20);
  ASSERT_TRUE(map.CommitUpTo(os::kKernelPages, end));
  map.SetEnd(end);
  auto* at = reinterpret_cast<char*>(map.base() + 5 * kGranule);
  EXPECT_EQ(map.CodeOf(at), 0u);
  map.SetCode(at, 2, 14);
  EXPECT_EQ(map.CodeOf(at), 14u);
  EXPECT_EQ(map.CodeOf(at + 2 * kGranule - 1), 14u);
  EXPECT_EQ(map.CodeOf(at + 2 * kGranule), 0u);
  EXPECT_EQ(map.CodeOf(at - 1), 0u);
  EXPECT_EQ(map.CodeOf(reinterpret_cast<void*>(map.base() - 1)), 0u);
  EXPECT_EQ(map.CodeOf(reinterpret_cast<void*>(end)), 0u);
  EXPECT_EQ(map.CodeOf(reinterpret_cast<void*>(~uintptr_t{0})), 0u);
  EXPECT_TRUE(map.Covers(reinterpret_cast<void*>(end - 1)));
  EXPECT_FALSE(map.Covers(reinterpret_cast<void*>(end)));
}

TEST(PageMap, TheHitPathTakesMultiplesOfEightInTheWindow) {
  PageMap map;
  unsigned code = 99;
  EXPECT_FALSE(map.CodeAt(nullptr, &code)) << "no window yet";
  ASSERT_TRUE(map.Init(os::kKernelPages, SIZE_MAX));
  const uintptr_t end = map.base() + (size_t{64} << 20);
  ASSERT_TRUE(map.CommitUpTo(os::kKernelPages, end));
  map.SetEnd(end);
  const auto at = [&](uintptr_t address) { return map.CodeAt(reinterpret_cast<void*>(address), &code); };
  map.SetCode(reinterpret_cast<void*>(end - kGranule), 1, 14);
  for (uintptr_t p = end - kGranule; p < end; ++p) {
    code = 99;
    ASSERT_EQ(at(p), p % 8 == 0);
    ASSERT_EQ(code, p % 8 == 0 ? 14u : 99u);
  }
  EXPECT_TRUE(at(end - kGranule - 8));
  EXPECT_EQ(code, 0u);
  EXPECT_TRUE(at(map.base()));
  for (const uintptr_t p : {end, map.base() - 8, uintptr_t{0}, ~uintptr_t{0} - 7, uintptr_t{1} << 63, map.base() + (uintptr_t{1} << 63), map.base() + (uintptr_t{1} << 61)}) EXPECT_FALSE(at(p)) << p;
}

TEST(PageMap, TakesLessOfALimitedAddressSpace) {
  PageMap map;
  ASSERT_TRUE(map.Init(os::kKernelPages, size_t{256} << 20));
  EXPECT_LE((map.limit() - map.base()) >> kLgGranule, size_t{4} << 20);
}

}  // namespace
}  // namespace xalloc
