// SPDX-License-Identifier: MIT
// xmallocx and its family, found at run time: on libc they are not there, and the tests say so.
#include <gtest/gtest.h>
#include <xalloc/xalloc.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "allocator.h"

namespace {

class Extended : public testing::Test {
 protected:
  void SetUp() override {
    if (!OnXalloc()) GTEST_SKIP() << "libc has no extended API";
  }
  decltype(&::xmallocx) mallocx = Symbol<decltype(&::xmallocx)>("xmallocx");
  decltype(&::xrallocx) rallocx = Symbol<decltype(&::xrallocx)>("xrallocx");
  decltype(&::xxallocx) xallocx = Symbol<decltype(&::xxallocx)>("xxallocx");
  decltype(&::xsallocx) sallocx = Symbol<decltype(&::xsallocx)>("xsallocx");
  decltype(&::xdallocx) dallocx = Symbol<decltype(&::xdallocx)>("xdallocx");
  decltype(&::xsdallocx) sdallocx = Symbol<decltype(&::xsdallocx)>("xsdallocx");
  decltype(&::xnallocx) nallocx = Symbol<decltype(&::xnallocx)>("xnallocx");
};

TEST_F(Extended, NallocxForetellsSallocxForAllSizesAndFlags) {
  for (int flags : {0, XMALLOCX_ALIGN(64), XMALLOCX_ALIGN(4096), XMALLOCX_ALIGN(65536), XMALLOCX_TCACHE_NONE, XMALLOCX_LG_ALIGN(7) | XMALLOCX_ZERO}) {
    for (size_t n = 1; n < 3000000; n += n / 7 + 1) {
      void* p = mallocx(n, flags);
      ASSERT_NE(p, nullptr);
      ASSERT_EQ(sallocx(p, flags), nallocx(n, flags)) << n << " " << flags;
      ASSERT_TRUE(IsAligned(p, size_t{1} << (flags & 63)));
      sdallocx(p, n, flags);
    }
  }
}

TEST_F(Extended, ZeroIsZeroAlsoWhenReused) {
  for (int flags : {XMALLOCX_ZERO, XMALLOCX_ZERO | XMALLOCX_ALIGN(256), XMALLOCX_ZERO | XMALLOCX_TCACHE_NONE}) {
    for (size_t n : {100, 3000, 50000, 700000}) {
      for (int round = 0; round < 3; ++round) {
        auto* p = static_cast<char*>(mallocx(n, flags));
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(p[i], 0);
        memset(p, 0xff, n);
        dallocx(p, flags);
      }
    }
  }
}

TEST_F(Extended, ImpossibleSizesAreNullAndLeaveErrno) {
  errno = 9;
  for (size_t n : {Hidden(SIZE_MAX), Hidden(size_t{PTRDIFF_MAX} + 1)}) {
    EXPECT_EQ(mallocx(n, 0), nullptr);
    EXPECT_EQ(nallocx(n, 0), 0u);
    void* p = mallocx(10, 0);
    EXPECT_EQ(rallocx(p, n, 0), nullptr);
    dallocx(p, 0);
  }
  EXPECT_EQ(mallocx(Hidden(size_t{1} << 62), 0), nullptr);
  EXPECT_EQ(errno, 9);
}

TEST_F(Extended, RallocxKeepsAlignsAndZeroesTheRest) {
  auto* p = static_cast<char*>(mallocx(100, 0));
  memset(p, 7, sallocx(p, 0));
  for (size_t n : {200, 3000, 40000, 500000, 5000000}) {
    const size_t old = sallocx(p, 0);
    p = static_cast<char*>(rallocx(p, n, XMALLOCX_ALIGN(128) | XMALLOCX_ZERO));
    ASSERT_NE(p, nullptr);
    ASSERT_TRUE(IsAligned(p, 128));
    ASSERT_EQ(p[0], 7);
    ASSERT_EQ(p[old - 1], 7);
    for (size_t i = old; i < sallocx(p, 0); ++i) ASSERT_EQ(p[i], 0) << n << " " << i;
    memset(p, 7, sallocx(p, 0));
  }
  dallocx(p, 0);
}

TEST_F(Extended, XallocxStaysInPlace) {
  void* p = mallocx(100000, 0);
  const size_t old = sallocx(p, 0);
  const size_t grown = xallocx(p, 120000, 100000, 0);
  EXPECT_GE(grown, old);
  EXPECT_EQ(grown, sallocx(p, 0));
  const size_t shrunk = xallocx(p, 60000, 0, 0);
  EXPECT_EQ(shrunk, sallocx(p, 0));
  EXPECT_LT(sallocx(p, 0), 70000u);
  EXPECT_EQ(xallocx(p, Hidden(SIZE_MAX), Hidden(SIZE_MAX), 0), shrunk);
  dallocx(p, 0);
  p = mallocx(10, 0);
  EXPECT_EQ(xallocx(p, 5, 0, 0), 16u);
  EXPECT_EQ(xallocx(p, 100, 0, 0), 16u);
  dallocx(p, 0);
}

TEST_F(Extended, BlocksMixWithTheCSet) {
  free(mallocx(100, XMALLOCX_ALIGN(64)));
  dallocx(malloc(100), 0);
  sdallocx(calloc(1, 100), 100, 0);
  sdallocx(aligned_alloc(512, 100), 100, XMALLOCX_ALIGN(512));
}

}  // namespace
