// SPDX-License-Identifier: MIT
// bits.h, list.h, line_buffer.h.
#include <gtest/gtest.h>

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
