// SPDX-License-Identifier: MIT
// bits.h, list.h, line_buffer.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>

#include "base/bits.h"
#include "base/line_buffer.h"
#include "base/list.h"

namespace xalloc {
namespace {

TEST(Bits, PowersOfTwo) {
  EXPECT_EQ(CeilPowerOfTwo(0), 1u);
  EXPECT_EQ(CeilPowerOfTwo(1), 1u);
  EXPECT_EQ(CeilPowerOfTwo(3), 4u);
  EXPECT_EQ(CeilPowerOfTwo(4096), 4096u);
  EXPECT_EQ(CeilPowerOfTwo(4097), 8192u);
  EXPECT_FALSE(IsPowerOfTwo(0));
  EXPECT_TRUE(IsPowerOfTwo(1));
  EXPECT_EQ(AlignUp(17, 16), 32u);
  EXPECT_EQ(AlignDown(31, 16), 16u);
  EXPECT_EQ(FloorLog2(1), 0u);
  EXPECT_EQ(FloorLog2(~uint64_t{0}), 63u);
}

struct Node {
  Node* next = nullptr;
  Node* prev = nullptr;
};
using NodeList = List<Node, &Node::next, &Node::prev>;

TEST(List, KeepsOrderAndRemovesAnywhere) {
  Node a, b, c;
  NodeList list;
  list.PushBack(&b);
  list.PushFront(&a);
  list.PushBack(&c);
  EXPECT_EQ(list.front(), &a);
  list.Remove(&b);
  EXPECT_EQ(a.next, &c);
  EXPECT_EQ(c.prev, &a);
  EXPECT_EQ(list.PopFront(), &a);
  EXPECT_EQ(list.PopFront(), &c);
  EXPECT_EQ(list.PopFront(), nullptr);
  EXPECT_TRUE(list.empty());
}

TEST(List, IsWhatAModelOfItIs) {
  Node nodes[7];
  NodeList list;
  std::deque<Node*> model;
  std::minstd_rand random(1);
  for (int step = 0; step < 20000; ++step) {
    Node* const node = &nodes[random() % 7];
    const auto at = std::find(model.begin(), model.end(), node);
    if (at != model.end()) {
      model.erase(at);
      list.Remove(node);
      ASSERT_TRUE(node->next == nullptr && node->prev == nullptr);
    } else if (random() % 2 == 0) {
      model.push_front(node);
      list.PushFront(node);
    } else {
      model.push_back(node);
      list.PushBack(node);
    }
    ASSERT_EQ(list.empty(), model.empty());
    ASSERT_EQ(list.front(), model.empty() ? nullptr : model.front());
    ASSERT_EQ(list.back(), model.empty() ? nullptr : model.back());
    size_t n = 0;
    for (const Node* e = list.front(); e != nullptr; e = NodeList::NextOf(e)) ASSERT_EQ(e, model[n++]);
    ASSERT_EQ(n, model.size());
  }
}

TEST(LineBuffer, WritesNumbersAndCutsWhatDoesNotFit) {
  LineBuffer<64> line;
  line << "a " << uint64_t{0} << ' ' << int64_t{-42} << ' ' << Hex{0xdeadbeef};
  EXPECT_EQ(std::string(line.data()), "a 0 -42 0xdeadbeef");
  LineBuffer<5> small;
  small << "abcdefgh";
  EXPECT_EQ(std::string(small.data()), "abcd");
  EXPECT_EQ(small.size(), 4u);
}

}  // namespace
}  // namespace xalloc
