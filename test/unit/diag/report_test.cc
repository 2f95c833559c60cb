// SPDX-License-Identifier: MIT
#include "diag/report.h"

#include <gtest/gtest.h>

namespace xalloc {
namespace {

const void* const kPointer = reinterpret_cast<void*>(0x1230);

TEST(ReportDeathTest, EveryMisuseHasItsFixedLine) {
  EXPECT_DEATH(ReportMisuse(Misuse::kDoubleFree, Act::kFree, kPointer, 64), "^xalloc: double free of 0x1230 \\(64 bytes\\), see docs/errors.md#double-free");
  EXPECT_DEATH(ReportMisuse(Misuse::kForeign, Act::kFree, kPointer, 0),
               "^xalloc: free of foreign pointer 0x1230 \\(not from xalloc\\), see docs/errors.md#foreign-pointer");
  EXPECT_DEATH(ReportMisuse(Misuse::kInterior, Act::kRealloc, kPointer, 100),
               "^xalloc: realloc of interior pointer 0x1230 \\(100 bytes\\), see docs/errors.md#interior-pointer");
  EXPECT_DEATH(ReportMisuse(Misuse::kMisaligned, Act::kUsableSize, kPointer, 8),
               "^xalloc: usable size of misaligned pointer 0x1230 \\(8 bytes\\), see docs/errors.md#misaligned-pointer");
  EXPECT_DEATH(ReportMisuse(Misuse::kUnallocated, Act::kFree, kPointer, 0),
               "^xalloc: free of unallocated pointer 0x1230 \\(free memory\\), see docs/errors.md#unallocated-pointer");
}

TEST(ReportDeathTest, PanicSaysWhatItWasTold) { EXPECT_DEATH(Panic("broken invariant: x"), "^xalloc: broken invariant: x"); }

}  // namespace
}  // namespace xalloc
