// SPDX-License-Identifier: MIT
// What xmalloc_stats_print writes, as its readers see it; and the tree from outside of the library.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "xalloc/xalloc.h"

namespace {

std::string Statistics(const char* letters) {
  std::string out;
  xmalloc_stats_print([](void* to, const char* text) { static_cast<std::string*>(to)->append(text); }, &out, letters);
  return out;
}

template <class T>
T Read(const char* name) {
  T value{};
  size_t length = sizeof value;
  EXPECT_EQ(xmallctl(name, &value, &length, nullptr, 0), 0) << name;
  return value;
}

// Something of everything, for as long as it lives.
class Printed : public testing::Test {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < 20000; ++i) blocks_.push_back(malloc(1 + i % 4000));
    for (size_t i = 0; i < 20; ++i) blocks_.push_back(malloc(100000 * (i + 1)));
    for (size_t i = 0; i < blocks_.size(); i += 2) {
      free(blocks_[i]);
      blocks_[i] = nullptr;
    }
  }
  void TearDown() override {
    for (void* p : blocks_) free(p);
  }
  std::vector<void*> blocks_;
};

TEST_F(Printed, JsonHasTheShapeThatReadersKnow) {
  const auto json = nlohmann::json::parse(Statistics("J")).at("jemalloc");
  EXPECT_EQ(json.at("version").get<std::string>().rfind("5.3.0-0-g0-xalloc-", 0), 0u);
  EXPECT_TRUE(json.at("config").at("stats").get<bool>());
  EXPECT_TRUE(json.at("opt").at("dirty_decay_ms").is_number());
  EXPECT_TRUE(json.at("opt").at("narenas").is_number());
  EXPECT_TRUE(json.at("opt").at("tcache").is_boolean());
  EXPECT_TRUE(json.at("opt").at("background_thread").is_boolean());
  EXPECT_TRUE(json.at("opt").at("zero_realloc").is_string());
  const auto& arenas = json.at("arenas");
  EXPECT_EQ(arenas.at("page").get<size_t>(), Read<size_t>("arenas.page"));
  EXPECT_EQ(arenas.at("bin").size(), arenas.at("nbins").get<size_t>());
  EXPECT_EQ(arenas.at("lextent").size(), arenas.at("nlextents").get<size_t>());
  const auto& stats = json.at("stats");
  for (const char* total : {"allocated", "active", "metadata", "resident", "mapped", "retained"}) EXPECT_GT(stats.at(total).get<size_t>(), 0u) << total;
  EXPECT_LE(stats.at("allocated").get<size_t>(), stats.at("active").get<size_t>());
  const auto& merged = json.at("stats.arenas").at("merged");
  EXPECT_EQ(merged.at("bins").size(), arenas.at("nbins").get<size_t>());
  size_t small = 0, sum_small = 0, sum_large = 0;
  for (size_t i = 0; i < merged.at("bins").size(); ++i) small += merged["bins"][i]["curregs"].get<size_t>() * arenas["bin"][i]["size"].get<size_t>();
  EXPECT_EQ(small, merged.at("small").at("allocated").get<size_t>());
  for (const auto& [key, arena] : json.at("stats.arenas").items()) {
    if (key == "merged" || key == "destroyed") continue;
    sum_small += arena.at("small").at("allocated").get<size_t>();
    sum_large += arena.at("large").at("allocated").get<size_t>();
  }
  EXPECT_EQ(sum_small, merged.at("small").at("allocated").get<size_t>());
  EXPECT_EQ(sum_large, merged.at("large").at("allocated").get<size_t>());
}

TEST_F(Printed, LettersLeavePartsOut) {
  const auto all = nlohmann::json::parse(Statistics("J")).at("jemalloc");
  EXPECT_FALSE(nlohmann::json::parse(Statistics("Jg")).at("jemalloc").contains("opt"));
  EXPECT_FALSE(nlohmann::json::parse(Statistics("Jm")).at("jemalloc").at("stats.arenas").contains("merged"));
  EXPECT_FALSE(nlohmann::json::parse(Statistics("Ja")).at("jemalloc").at("stats.arenas").contains("0"));
  EXPECT_FALSE(nlohmann::json::parse(Statistics("Jb")).at("jemalloc").at("stats.arenas").at("merged").contains("bins"));
  EXPECT_FALSE(nlohmann::json::parse(Statistics("Jl")).at("jemalloc").at("stats.arenas").at("merged").contains("lextents"));
  EXPECT_FALSE(nlohmann::json::parse(Statistics("Jh")).at("jemalloc").at("stats").contains("hugepages"));
  EXPECT_FALSE(nlohmann::json::parse(Statistics("Jmda")).at("jemalloc").contains("stats.arenas"));
  EXPECT_TRUE(all.contains("opt"));
}

TEST_F(Printed, TextAnswersWhereTheMemoryIs) {
  const std::string text = Statistics("");
  for (const char* line : {"___ Begin xalloc statistics ___", "Allocated: ", "in the program's hands", "in thread caches", "free slots of slabs in use", "dirty", "metadata",
                           "Huge pages:", "Merged arenas:", "bins:", "large:", "arenas[0]:", "--- End xalloc statistics ---"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_EQ(line.find('\t'), std::string::npos) << "columns are aligned by spaces";
}

// The grammar of OpenMetrics, as far as it concerns us: metadata before its samples, counters end in _total, one # EOF at the end.
TEST_F(Printed, MetricsFollowTheGrammar) {
  std::istringstream lines(Statistics("p"));
  const std::regex meta(R"(# (TYPE|UNIT|HELP) (xalloc_[a-z_]+) .+)"), sample(R"re((xalloc_[a-z_]+)(\{size="[0-9]+"\})? ([0-9]+))re");
  std::string line, family, type;
  std::set<std::string> families, samples;
  bool ended = false;
  while (std::getline(lines, line)) {
    ASSERT_FALSE(ended) << line;
    std::smatch match;
    if (line == "# EOF") {
      ended = true;
    } else if (std::regex_match(line, match, meta)) {
      if (match[1] == "TYPE") {
        family = match[2];
        type = line.substr(line.rfind(' ') + 1);
        EXPECT_TRUE(families.insert(family).second) << family << " twice";
      }
      EXPECT_EQ(match[2].str(), family) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, match, sample)) << line;
      EXPECT_EQ(match[1].str(), type == "counter" ? family + "_total" : family) << line;
      EXPECT_TRUE(samples.insert(match[1].str() + match[2].str()).second) << line << " twice";
    }
  }
  EXPECT_TRUE(ended);
  EXPECT_GT(samples.size(), 50u);
}

TEST_F(Printed, TheReceiverMayAllocate) {
  static std::vector<char*> copies;
  xmalloc_stats_print([](void*, const char* text) { copies.push_back(strdup(text)); }, nullptr, "");
  EXPECT_GT(copies.size(), 1u);
  for (char* copy : copies) free(copy);
  copies.clear();
}

TEST_F(Printed, MallinfoAndTheTreeSayTheSame) {
  uint64_t epoch = 1;
  ASSERT_EQ(xmallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch), 0);
  const struct mallinfo2 info = mallinfo2();
  EXPECT_EQ(info.uordblks + info.hblkhd, Read<size_t>("stats.allocated"));
  EXPECT_EQ(info.fsmblks, Read<size_t>("stats.cached") + Read<size_t>("stats.depots"));
}

TEST(Extended, AZeroedBlockStaysZeroAsItGrows) {
  for (const size_t size : {size_t{100}, size_t{3000}, size_t{40000}, size_t{300001}}) {
    for (int i = 0; i < 30; ++i) {
      void* dirty = xmallocx(size, 0);
      memset(dirty, 0xee, xsallocx(dirty, 0));
      xdallocx(dirty, 0);
      auto* p = static_cast<unsigned char*>(xmallocx(size, XMALLOCX_ZERO));
      p = static_cast<unsigned char*>(xrallocx(p, size * 3, XMALLOCX_ZERO));
      for (size_t k = 0; k < size * 3; ++k) ASSERT_EQ(p[k], 0) << size << " at " << k;
      xdallocx(p, 0);
    }
  }
}

TEST(Extended, ASizedFreeAfterAShrinkIsNoMismatch) {
  uint64_t epoch = 1;
  xmallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch);
  const auto before = Read<uint64_t>("stats.size_mismatches");
  for (const size_t size : {size_t{48} << 10, size_t{40} << 10, size_t{33} << 10, size_t{64} << 10}) {
    void* p = xmallocx(size, 0);
    p = xrallocx(p, size / 2 + 6000, 0);
    xsdallocx(p, size / 2 + 6000, 0);
  }
  xmallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch);
  EXPECT_EQ(Read<uint64_t>("stats.size_mismatches"), before);
}

TEST(Extended, GrowthThatCannotBeHadShrinksNothing) {
  for (const size_t size : {size_t{200} << 10, size_t{64} << 20}) {
    void* p = xmallocx(size, 0);
    const size_t usable = xsallocx(p, 0);
    EXPECT_GE(xxallocx(p, 40 << 10, size_t{1} << 46, 0), usable);
    xdallocx(p, 0);
  }
}

TEST(Tree, ARunningProgramOfOtherThreadsIsReadWithoutHarm) {
  std::vector<std::thread> threads;
  std::atomic<bool> stop{false};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&stop] {
      while (!stop) {
        for (int i = 0; i < 100; ++i) free(malloc(static_cast<size_t>(i) * 50 + 1));
      }
    });
  }
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(nlohmann::json::accept(Statistics("J")));
  stop = true;
  for (auto& thread : threads) thread.join();
}

TEST(Tree, AForkedChildHasItsOwnNumbers) {
  void* big = malloc(size_t{5} << 20);
  const pid_t child = fork();
  if (child == 0) {
    uint64_t epoch = 1;
    const bool ok = xmallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch) == 0 && Read<size_t>("stats.allocated") >= size_t{5} << 20 && !Statistics("J").empty();
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  free(big);
}

}  // namespace
