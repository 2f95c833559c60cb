// SPDX-License-Identifier: MIT
#include "os/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace xalloc::os {
namespace {

class Cgroup : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "/cgroup-" + testing::UnitTest::GetInstance()->current_test_info()->name() + std::to_string(getpid());
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  size_t Limit() { return CgroupMemoryLimit(root_.c_str()); }
  std::string root_;
};

TEST_F(Cgroup, NoFilesNoLimit) { EXPECT_EQ(Limit(), 0u); }

TEST_F(Cgroup, TheLowestOfTheGroupAndThoseAround) {
  Write("/proc/self/cgroup", "0::/a/b\n");
  Write("/sys/fs/cgroup/a/b/memory.max", "max\n");
  Write("/sys/fs/cgroup/a/b/memory.high", "3000000\n");
  EXPECT_EQ(Limit(), 3000000u);
  Write("/sys/fs/cgroup/a/memory.max", "2000000\n");
  EXPECT_EQ(Limit(), 2000000u);
  Write("/sys/fs/cgroup/memory.max", "1000000\n");
  EXPECT_EQ(Limit(), 1000000u);
}

TEST_F(Cgroup, AContainerThatDoesNotSeeItsPath) {
  Write("/proc/self/cgroup", "0::/docker/1234567890\n");
  Write("/sys/fs/cgroup/memory.max", "536870912\n");
  EXPECT_EQ(Limit(), 536870912u);
}

TEST_F(Cgroup, VersionOne) {
  Write("/proc/self/cgroup", "9:name=systemd:/\n4:memory:/x\n1:cpu:/\n0::/\n");
  Write("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "4096000\n");
  EXPECT_EQ(Limit(), 4096000u);
  Write("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(Limit(), 0u) << "what the kernel says for none";
}

TEST_F(Cgroup, NonsenseIsNoLimit) {
  Write("/proc/self/cgroup", "::::\n\n0:\nxyz\n0::");
  Write("/sys/fs/cgroup/memory.max", "-5\n");
  EXPECT_EQ(Limit(), 0u);
}

}  // namespace
}  // namespace xalloc::os
