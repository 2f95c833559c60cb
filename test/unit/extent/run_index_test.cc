// SPDX-License-Identifier: MIT
#include "extent/run_index.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>

namespace xalloc {
namespace {

TEST(RunIndex, TheNextLengthIsTheFirstThatSomeHave) {
  RunIndex index(&Hugepage::by_dirty);
  EXPECT_EQ(index.NextLength(1), RunIndex::kNone);
  auto pages = std::make_unique<Hugepage[]>(3);
  index.Move(&pages[0], 63);
  index.Move(&pages[1], 64);
  index.Move(&pages[2], 128);
  EXPECT_EQ(index.NextLength(1), 63u);
  EXPECT_EQ(index.NextLength(64), 64u);
  EXPECT_EQ(index.NextLength(65), 128u);
  EXPECT_EQ(index.NextLength(129), RunIndex::kNone) << "of more than a hugepage nobody asks, but the search goes on from 128";
  index.Move(&pages[2], 0);
  EXPECT_EQ(index.NextLength(65), RunIndex::kNone);
}

TEST(RunIndex, AgreesWithSetsOnRandomMoves) {
  RunIndex index(&Hugepage::by_free);
  constexpr unsigned kPages = 40;
  auto pages = std::make_unique<Hugepage[]>(kPages);
  std::set<Hugepage*> with[kGranulesPerHugepage + 1];
  for (auto* h = pages.get(); h != pages.get() + kPages; ++h) with[0].insert(h);
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    Hugepage* h = &pages[random() % kPages];
    const unsigned length = random() % 3 == 0 ? 0 : random() % (kGranulesPerHugepage + 1);
    with[h->by_free.longest].erase(h);
    with[length].insert(h);
    index.Move(h, length);
    ASSERT_EQ(h->by_free.longest, length);
    for (unsigned n = 1; n <= kGranulesPerHugepage; ++n) {
      std::set<Hugepage*> found;
      for (Hugepage* p = index.First(n); p != nullptr; p = index.Next(p)) found.insert(p);
      ASSERT_EQ(found, with[n]);
    }
  }
  index.Validate();
}

}  // namespace
}  // namespace xalloc
