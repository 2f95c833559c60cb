// SPDX-License-Identifier: MIT
#include "arena/address_map.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "unit/fake_pages.h"

namespace xalloc {
namespace {

void* At(uintptr_t address) { return reinterpret_cast<void*>(address); }

class Addresses : public testing::Test {
 protected:
  void TearDown() override { FakePages::Reset(); }
  MetaAllocator meta_{&kFakePages};
  AddressMap map_{meta_};
};

TEST_F(Addresses, FindsWhatLiesInARangeAndNothingElse) {
  EXPECT_TRUE(map_.empty());
  EXPECT_EQ(map_.Find(At(0x1000)), nullptr);
  ASSERT_EQ(map_.Insert(At(0x1000), 0x1000, this), AddressMap::Inserted::kDone);
  EXPECT_EQ(map_.Find(At(0xfff)), nullptr);
  EXPECT_EQ(map_.Find(At(0x1000)), this);
  EXPECT_EQ(map_.Find(At(0x1fff)), this);
  EXPECT_EQ(map_.Find(At(0x2000)), nullptr);
  EXPECT_EQ(map_.Remove(At(0x1800)), nullptr);
  EXPECT_EQ(map_.Remove(At(0x1000)), this);
  EXPECT_TRUE(map_.empty());
}

TEST_F(Addresses, RangesThatOverlapAreRefused) {
  ASSERT_EQ(map_.Insert(At(0x4000), 0x4000, this), AddressMap::Inserted::kDone);
  for (const uintptr_t begin : {0x1000, 0x4000, 0x5000, 0x7000}) {
    EXPECT_EQ(map_.Insert(At(begin), 0x4000, this), AddressMap::Inserted::kOverlaps) << begin;
  }
  EXPECT_EQ(map_.Insert(At(0x0), 0x4000, this), AddressMap::Inserted::kDone);
  EXPECT_EQ(map_.Insert(At(0x8000), 0x4000, this), AddressMap::Inserted::kDone);
}

TEST_F(Addresses, RandomOnesAgreeWithAReference) {
  std::mt19937_64 random(7);
  std::map<uintptr_t, uintptr_t> reference;  // begin -> end
  const auto find = [&](uintptr_t at) {
    auto after = reference.upper_bound(at);
    return after == reference.begin() || std::prev(after)->second <= at ? uintptr_t{0} : std::prev(after)->first;
  };
  for (int i = 0; i < 20000; ++i) {
    const uintptr_t begin = random() % 4000 * 16 + 16;
    if (random() % 3 != 0) {
      const uintptr_t end = begin + 16 * (1 + random() % 4);
      bool overlaps = false;
      for (uintptr_t at = begin; at < end; at += 16) overlaps = overlaps || find(at) != 0;
      const auto inserted = map_.Insert(At(begin), end - begin, At(begin));
      ASSERT_EQ(inserted, overlaps ? AddressMap::Inserted::kOverlaps : AddressMap::Inserted::kDone);
      if (!overlaps) reference[begin] = end;
    } else {
      ASSERT_EQ(map_.Remove(At(begin)) != nullptr, reference.erase(begin) != 0);
    }
    const uintptr_t probe = random() % 70000;
    ASSERT_EQ(map_.Find(At(probe)), At(find(probe)));
  }
}

TEST_F(Addresses, NoMemoryIsSaid) {
  FakePages::Get().refuse_at = 1;
  FakePages::Get().refuse_all_from = true;
  EXPECT_EQ(map_.Insert(At(0x1000), 0x1000, this), AddressMap::Inserted::kNoMemory);
  EXPECT_EQ(map_.Find(At(0x1000)), nullptr);
}

TEST_F(Addresses, ReadersFindWhatStaysWhileOthersComeAndGo) {
  // Every other range stays.
  for (uintptr_t i = 1; i < 200; i += 2) ASSERT_EQ(map_.Insert(At(i << 12), 0x1000, At(i)), AddressMap::Inserted::kDone);
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      std::mt19937 random(t);
      while (!done) {
        const uintptr_t i = (random() % 100) * 2 + 1;
        ASSERT_EQ(map_.Find(At((i << 12) + random() % 0x1000)), At(i));
        void* other = map_.Find(At((i + 1) << 12));
        ASSERT_TRUE(other == nullptr || other == At(i + 1));
      }
    });
  }
  std::mt19937 random(99);
  for (int n = 0; n < 30000; ++n) {
    const uintptr_t i = (random() % 100) * 2 + 2;
    if (map_.Remove(At(i << 12)) == nullptr) {
      ASSERT_EQ(map_.Insert(At(i << 12), 0x1000, At(i)), AddressMap::Inserted::kDone);
    }
  }
  done = true;
  for (auto& t : readers) t.join();
}

}  // namespace
}  // namespace xalloc
