// SPDX-License-Identifier: MIT
// Every leaf of the table: read, write, wrong length, no permission, by name and by MIB.
#include <errno.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "arena/manual.h"
#include "cache/fast_path.h"
#include "ctl/ctl.h"
#include "stats/snapshot.h"

namespace xalloc {
namespace {

// The name with numbers for its '#'.
std::string Filled(const std::string& name, const char* arena = "0") {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '#') {
      out += name[i];
    } else {
      const bool of_arena = out == "arena." || out == "stats.arenas.";
      out += of_arena ? arena : "2";
    }
  }
  return out;
}

size_t SizeOf(CtlType type) {
  switch (type) {
    case CtlType::B: return sizeof(bool);
    case CtlType::U:
    case CtlType::W: return 4;
    case CtlType::V: return 0;
    default: return 8;
  }
}

bool Creates(const std::string& name) { return name == "tcache.create" || name == "arenas.create" || name == "arenas.lookup"; }
bool CopiesName(const std::string& name) { return name == "arena.#.name"; }

class Leaves : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    Free(Malloc(1));
    uint64_t epoch = 1;
    ASSERT_EQ(CtlByName("epoch", nullptr, nullptr, &epoch, sizeof epoch), 0);
    leaf_ = CtlLeafAt(GetParam());
    pattern_ = leaf_.name;
    name_ = Filled(leaf_.name);
  }
  bool Can(CtlAccess access) const { return (static_cast<unsigned>(leaf_.access) & static_cast<unsigned>(access)) != 0; }
  CtlLeaf leaf_;
  std::string pattern_, name_;
};

TEST_P(Leaves, IsReadWithItsLengthOnly) {
  if (leaf_.type == CtlType::V || !Can(CtlAccess::R) || Creates(pattern_) || CopiesName(pattern_)) GTEST_SKIP() << "has no plain value";
  unsigned char value[16] = {};
  size_t length = SizeOf(leaf_.type);
  EXPECT_EQ(CtlByName(name_.c_str(), value, &length, nullptr, 0), 0) << name_;
  EXPECT_EQ(length, SizeOf(leaf_.type));
  if (leaf_.type == CtlType::T) {
    const char* text = nullptr;
    memcpy(&text, value, sizeof text);
    ASSERT_NE(text, nullptr) << name_;
    EXPECT_LT(strlen(text), 200u);
  }
  length = SizeOf(leaf_.type) - 1;
  EXPECT_EQ(CtlByName(name_.c_str(), value, &length, nullptr, 0), EINVAL);
  EXPECT_EQ(length, SizeOf(leaf_.type) - 1) << name_;
  length = 16;
  EXPECT_EQ(CtlByName(name_.c_str(), value, &length, nullptr, 0), EINVAL);
  EXPECT_EQ(length, SizeOf(leaf_.type)) << name_;
}

TEST_P(Leaves, NothingAskedForIsNoError) {
  if (leaf_.access != CtlAccess::R || Creates(pattern_)) GTEST_SKIP() << "does something";
  EXPECT_EQ(CtlByName(name_.c_str(), nullptr, nullptr, nullptr, 0), 0) << name_;
}

TEST_P(Leaves, RefusesToBeWritten) {
  if (Can(CtlAccess::W) && leaf_.type != CtlType::V) GTEST_SKIP() << "can be written";
  uint64_t value = 0;
  EXPECT_EQ(CtlByName(name_.c_str(), nullptr, nullptr, &value, SizeOf(leaf_.type)), EPERM) << name_;
  EXPECT_EQ(CtlByName(name_.c_str(), nullptr, nullptr, &value, 8), EPERM) << name_;
}

TEST_P(Leaves, RefusesToBeRead) {
  if (Can(CtlAccess::R)) GTEST_SKIP() << "can be read";
  uint64_t value = 0;
  size_t length = sizeof value;
  EXPECT_EQ(CtlByName(name_.c_str(), &value, &length, nullptr, 0), EPERM) << name_;
}

TEST_P(Leaves, AWriteOfAnotherLengthChangesNothing) {
  if (!Can(CtlAccess::W) || leaf_.type == CtlType::V) GTEST_SKIP() << "cannot be written";
  const size_t right = leaf_.access == CtlAccess::RP ? 8 : SizeOf(leaf_.type);
  uint64_t fresh[2] = {1, 1}, old = 0, again = 0;
  const bool reads = Can(CtlAccess::R) && !Creates(pattern_) && !CopiesName(pattern_);
  size_t length = SizeOf(leaf_.type);
  if (reads) {
    ASSERT_EQ(CtlByName(name_.c_str(), &old, &length, nullptr, 0), 0) << name_;
  }
  EXPECT_EQ(CtlByName(name_.c_str(), nullptr, nullptr, fresh, right + 1), EINVAL) << name_;
  EXPECT_EQ(CtlByName(name_.c_str(), nullptr, nullptr, fresh, right - 1), EINVAL) << name_;
  EXPECT_EQ(CtlByName(name_.c_str(), nullptr, nullptr, nullptr, right), EINVAL) << name_;
  length = SizeOf(leaf_.type);
  if (reads) {
    ASSERT_EQ(CtlByName(name_.c_str(), &again, &length, nullptr, 0), 0);
  }
  EXPECT_EQ(again, old);
}

TEST_P(Leaves, AnswersToItsMibAsToItsName) {
  size_t mib[kMostParts], length = kMostParts;
  ASSERT_EQ(CtlNameToMib(name_.c_str(), mib, &length), 0) << name_;
  ASSERT_EQ(length, 1 + static_cast<size_t>(std::count(name_.begin(), name_.end(), '.')));
  if (leaf_.access != CtlAccess::R || Creates(pattern_) || leaf_.type == CtlType::Q) GTEST_SKIP() << "no value to compare";
  uint64_t by_name = 0, by_mib = 0;
  size_t old_length = SizeOf(leaf_.type);
  ASSERT_EQ(CtlByName(name_.c_str(), &by_name, &old_length, nullptr, 0), 0);
  ASSERT_EQ(CtlByMib(mib, length, &by_mib, &old_length, nullptr, 0), 0);
  EXPECT_EQ(by_name, by_mib) << name_;
  // One part less, or one more, is no leaf.
  EXPECT_EQ(CtlByMib(mib, length - 1, &by_mib, &old_length, nullptr, 0), ENOENT);
  if (length < kMostParts) {
    EXPECT_EQ(CtlByMib(mib, length + 1, &by_mib, &old_length, nullptr, 0), ENOENT);
  }
}

TEST_P(Leaves, ItsBeginningsAreNamesButNoLeaves) {
  size_t whole[kMostParts], length = kMostParts;
  ASSERT_EQ(CtlNameToMib(name_.c_str(), whole, &length), 0);
  for (size_t dot = name_.find('.'), n = 1; dot != std::string::npos; dot = name_.find('.', dot + 1), ++n) {
    const std::string part = name_.substr(0, dot);
    size_t mib[kMostParts], part_length = kMostParts;
    EXPECT_EQ(CtlNameToMib(part.c_str(), mib, &part_length), 0) << part;
    ASSERT_EQ(part_length, n);
    EXPECT_EQ(memcmp(mib, whole, n * sizeof *mib), 0) << part;
    uint64_t value = 0;
    size_t old_length = sizeof value;
    EXPECT_EQ(CtlByName(part.c_str(), &value, &old_length, nullptr, 0), ENOENT) << part;
    // Room for so many only: those.
    size_t few[kMostParts] = {}, room = n;
    EXPECT_EQ(CtlNameToMib(name_.c_str(), few, &room), 0);
    EXPECT_EQ(room, n);
    EXPECT_EQ(memcmp(few, whole, n * sizeof *few), 0);
  }
  EXPECT_EQ(CtlByName((name_ + "x").c_str(), nullptr, nullptr, nullptr, 0), ENOENT);
  EXPECT_EQ(CtlByName((name_ + ".x").c_str(), nullptr, nullptr, nullptr, 0), ENOENT);
  EXPECT_EQ(CtlByName((name_ + ".").c_str(), nullptr, nullptr, nullptr, 0), ENOENT);
}

TEST_P(Leaves, NumbersBeyondTheLastAreNoNames) {
  if (pattern_.find('#') == std::string::npos) GTEST_SKIP() << "has no number";
  for (const char* bad : {"99999", "4098", "-1", "x", "", "00000000000"}) {
    std::string name = pattern_;
    name.replace(name.find('#'), 1, bad);
    name = Filled(name);
    EXPECT_EQ(CtlByName(name.c_str(), nullptr, nullptr, nullptr, 0), ENOENT) << name;
  }
  size_t mib[kMostParts], length = kMostParts;
  ASSERT_EQ(CtlNameToMib(name_.c_str(), mib, &length), 0);
  const auto number = static_cast<size_t>(std::count(pattern_.begin(), pattern_.begin() + static_cast<long>(pattern_.find('#')), '.'));
  mib[number] = 99999;
  EXPECT_EQ(CtlByMib(mib, length, nullptr, nullptr, nullptr, 0), ENOENT);
}

std::string TestName(const testing::TestParamInfo<unsigned>& leaf) {
  std::string name = CtlLeafAt(leaf.param).name;
  std::replace(name.begin(), name.end(), '.', '_');
  std::replace(name.begin(), name.end(), '#', 'i');
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, Leaves, testing::Range(0u, CtlLeaves()), TestName);

TEST(Tree, WhatIsNoNameIsNotFound) {
  for (const char* name : {"", ".", "stats", "stats.", "nope", "stats.nope", "arena.0", "arena..purge", "arena", "opt.prof_active.x", "a.b.c.d.e.f.g.h"}) {
    EXPECT_EQ(CtlByName(name, nullptr, nullptr, nullptr, 0), ENOENT) << name;
  }
  size_t mib[2] = {0, 0};
  EXPECT_EQ(CtlByMib(mib, 0, nullptr, nullptr, nullptr, 0), ENOENT);
  mib[0] = 100000;
  EXPECT_EQ(CtlByMib(mib, 1, nullptr, nullptr, nullptr, 0), ENOENT);
}

TEST(Tree, IndicesOfAMibMayBeReplaced) {
  size_t mib[kMostParts], length = kMostParts;
  ASSERT_EQ(CtlNameToMib("arenas.bin.0.size", mib, &length), 0);
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    size_t size = 0, old_length = sizeof size;
    mib[2] = cls - 1;
    ASSERT_EQ(CtlByMib(mib, length, &size, &old_length, nullptr, 0), 0);
    EXPECT_EQ(size, ClassSize(cls));
  }
}

}  // namespace
}  // namespace xalloc
