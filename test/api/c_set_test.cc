// SPDX-License-Identifier: MIT
// The C set, row by row of the contract; on libc where it agrees.
#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "allocator.h"

namespace {

const size_t kTooLarge = Hidden(size_t{PTRDIFF_MAX} + 1);
const size_t kHuge = Hidden(size_t{1} << 62);  // possible in principle, never in practice

TEST(Malloc, SizeZeroIsAUniquePointer) {
  void* a = malloc(Hidden(0));
  void* b = malloc(Hidden(0));
  EXPECT_NE(a, nullptr);
  EXPECT_NE(a, b);
  free(a);
  free(b);
}

TEST(Malloc, FailureIsNullWithEnomem) {
  for (size_t n : {kTooLarge, SIZE_MAX, kHuge, SIZE_MAX - 4096}) {
    errno = 0;
    EXPECT_EQ(malloc(n), nullptr);
    EXPECT_EQ(errno, ENOMEM) << n;
  }
}

TEST(Malloc, SuccessLeavesErrnoAlone) {
  errno = 77;
  for (size_t n : {1, 1000, 5000, 100000, 50000000}) {
    void* p = malloc(n);
    ASSERT_NE(p, nullptr);
    free(p);
  }
  EXPECT_EQ(errno, 77);
}

TEST(Malloc, AllOfTheUsableSizeIsUsableAndStable) {
  for (size_t n = 1; n < 300000; n += n / 3 + 1) {
    auto* p = static_cast<char*>(malloc(n));
    const size_t usable = malloc_usable_size(p);
    ASSERT_GE(usable, n);
    memset(p, 0xa5, usable);
    EXPECT_EQ(malloc_usable_size(p), usable);
    free(p);
  }
}

TEST(Malloc, SixteenByteAlignmentFromNineBytesOn) {
  for (size_t n = 1; n < 5000; ++n) {
    void* p = malloc(n);
    ASSERT_TRUE(IsAligned(p, n >= 9 ? 16 : 8)) << n;
    free(p);
  }
}

TEST(Calloc, IsZeroEvenWhenReused) {
  for (size_t n : {1, 24, 1000, 20000, 40000, 300000, 5000000}) {
    for (int round = 0; round < 3; ++round) {
      auto* p = static_cast<char*>(calloc(n, 1));
      ASSERT_NE(p, nullptr);
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(p[i], 0);
      memset(p, 0xff, n);
      free(p);
    }
  }
}

TEST(Calloc, OverflowIsNullWithEnomem) {
  errno = 0;
  EXPECT_EQ(calloc(Hidden(SIZE_MAX / 2), Hidden(3)), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  errno = 0;
  EXPECT_EQ(calloc(Hidden(size_t{1} << 32), Hidden(size_t{1} << 32)), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  void* p = calloc(Hidden(0), Hidden(SIZE_MAX));
  EXPECT_NE(p, nullptr);
  free(p);
}

TEST(Realloc, NullAllocatesAndZeroFrees) {
  void* p = realloc(nullptr, Hidden(100));
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(realloc(p, Hidden(0)), nullptr);
  p = realloc(nullptr, Hidden(0));
  EXPECT_NE(p, nullptr);
  free(p);
}

TEST(Realloc, FailureLeavesTheBlock) {
  for (size_t n : {50, 50000, 500000, 50000000}) {
    auto* p = static_cast<char*>(malloc(n));
    p[0] = 'a';
    p[n - 1] = 'z';
    for (size_t more : {kTooLarge, kHuge}) {
      errno = 0;
      EXPECT_EQ(realloc(p, more), nullptr);
      EXPECT_EQ(errno, ENOMEM);
    }
    EXPECT_EQ(p[0], 'a');
    EXPECT_EQ(p[n - 1], 'z');
    free(p);
  }
}

TEST(Realloc, KeepsContentsUpAndDown) {
  auto* p = static_cast<unsigned char*>(malloc(1));
  size_t old = 1;
  p[0] = 3;
  const size_t sizes[] = {7, 8, 9, 100, 1024, 1025, 4096, 32768, 32769, 131072, 1048577, 4000000, 40000000, 39000000, 900000, 33000, 32000, 500, 3};
  for (size_t n : sizes) {
    p = static_cast<unsigned char*>(realloc(p, n));
    ASSERT_NE(p, nullptr);
    const size_t kept = n < old ? n : old;
    for (size_t i = 0; i < kept; i += 511) ASSERT_EQ(p[i], static_cast<unsigned char>(i * 7 + 3)) << n;
    for (size_t i = 0; i < n; ++i) p[i] = static_cast<unsigned char>(i * 7 + 3);
    old = n;
  }
  free(p);
}

TEST(Reallocarray, OverflowLeavesTheBlock) {
  void* p = malloc(10);
  errno = 0;
  EXPECT_EQ(reallocarray(p, Hidden(SIZE_MAX / 2), Hidden(4)), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  p = reallocarray(p, Hidden(10), Hidden(10));
  EXPECT_GE(malloc_usable_size(p), 100u);
  free(p);
}

TEST(Aligned, EveryFormAligns) {
  for (size_t alignment = 8; alignment <= (size_t{8} << 20); alignment *= 2) {
    for (size_t n : {1, 8, 100, 4000, 70000}) {
      void* a = aligned_alloc(alignment, n);
      void* b = nullptr;
      void* c = memalign(alignment, n);
      ASSERT_EQ(posix_memalign(&b, alignment, n), 0);
      for (void* p : {a, b, c}) {
        ASSERT_TRUE(p != nullptr && IsAligned(p, alignment)) << alignment << " " << n;
        ASSERT_GE(malloc_usable_size(p), n);
        memset(p, 1, n);
        free(p);
      }
    }
  }
}

TEST(Aligned, PosixMemalignRefusesAndTouchesNothing) {
  auto* untouched = reinterpret_cast<void*>(0x77);
  void* p = untouched;
  errno = 5;
  for (size_t bad : {0, 1, 2, 4, 12, 24, 100}) {
    EXPECT_EQ(posix_memalign(&p, bad, 10), EINVAL) << bad;
    EXPECT_EQ(p, untouched);
  }
  EXPECT_EQ(posix_memalign(&p, 16, kHuge), ENOMEM);
  EXPECT_EQ(posix_memalign(&p, 16, kTooLarge), ENOMEM);
  EXPECT_EQ(p, untouched);
  if (OnXalloc()) {
    EXPECT_EQ(errno, 5);
  }
}

TEST(Aligned, AlignedAllocRefusesWhatIsNoPowerOfTwo) {
  if (!OnXalloc()) GTEST_SKIP() << "this libc rounds up";
  for (size_t bad : {0, 3, 24, 100}) {
    errno = 0;
    EXPECT_EQ(aligned_alloc(Hidden(bad), 10), nullptr);
    EXPECT_EQ(errno, EINVAL);
  }
  void* p = aligned_alloc(64, 65);
  EXPECT_TRUE(p != nullptr && IsAligned(p, 64)) << "size need not be a multiple";
  free(p);
}

TEST(Aligned, MemalignRoundsUpAndAllowsZero) {
  void* p = memalign(Hidden(0), 10);
  EXPECT_NE(p, nullptr);
  free(p);
  p = memalign(Hidden(48), 10);
  EXPECT_TRUE(IsAligned(p, 64));
  free(p);
}

TEST(Aligned, FailureSetsEnomem) {
  for (size_t n : {kTooLarge, kHuge}) {
    errno = 0;
    EXPECT_EQ(aligned_alloc(64, n), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_EQ(memalign(64, n), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_EQ(valloc(n), nullptr);
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_EQ(pvalloc(n), nullptr);
    EXPECT_EQ(errno, ENOMEM);
  }
}

TEST(Aligned, VallocAndPvallocArePageAligned) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* p = valloc(10);
  EXPECT_TRUE(IsAligned(p, page));
  free(p);
  p = pvalloc(page + 1);
  EXPECT_TRUE(IsAligned(p, page));
  EXPECT_GE(malloc_usable_size(p), 2 * page);
  free(p);
}

TEST(Free, NullIsFineAndErrnoStays) {
  errno = 42;
  free(nullptr);
  EXPECT_EQ(malloc_usable_size(nullptr), 0u);
  for (size_t n : {10, 10000, 100000, 50000000}) free(malloc(n));
  EXPECT_EQ(errno, 42);
}

TEST(Free, SizedFormsOfC23) {
  auto free_sized = Symbol<void (*)(void*, size_t)>("free_sized");
  auto free_aligned_sized = Symbol<void (*)(void*, size_t, size_t)>("free_aligned_sized");
  if (free_sized == nullptr) GTEST_SKIP() << "this libc has none";
  free_sized(nullptr, 0);
  free_aligned_sized(nullptr, 16, 0);
  for (size_t n : {0, 1, 100, 5000, 100000, 50000000}) {
    free_sized(malloc(n), n);
    free_aligned_sized(aligned_alloc(64, n), 64, n);
  }
}

TEST(LibcNames, AreTheSameAllocator) {
  auto libc_malloc = Symbol<void* (*)(size_t)>("__libc_malloc");
  auto libc_free = Symbol<void (*)(void*)>("__libc_free");
  auto libc_memalign = Symbol<void* (*)(size_t, size_t)>("__libc_memalign");
  auto libc_realloc = Symbol<void* (*)(void*, size_t)>("__libc_realloc");
  auto libc_calloc = Symbol<void* (*)(size_t, size_t)>("__libc_calloc");
  ASSERT_TRUE(libc_malloc && libc_free && libc_memalign && libc_realloc && libc_calloc);
  libc_free(malloc(100));
  free(libc_malloc(100));
  void* p = libc_memalign(256, 10);
  EXPECT_TRUE(IsAligned(p, 256));
  p = libc_realloc(p, 3000);
  free(p);
  free(libc_calloc(3, 3));
}

TEST(LibcAllocations, CanBeFreedByTheCaller) {
  char* a = strdup("hello");
  char* b = nullptr;
  ASSERT_EQ(asprintf(&b, "%s %d", "x", 7), 3);
  char* buffer = nullptr;
  size_t length = 0;
  FILE* f = open_memstream(&buffer, &length);
  fprintf(f, "%0*d", 5000, 1);
  fclose(f);
  EXPECT_EQ(length, 5000u);
  free(a);
  free(b);
  free(buffer);
}

TEST(Glibc, NumbersAreReal) {
  struct mallinfo2 before = mallinfo2();
  void* p[100];
  for (void*& q : p) {
    q = malloc(10000);
    memset(q, 1, 10000);
  }
  struct mallinfo2 after = mallinfo2();
  EXPECT_GE(after.uordblks, before.uordblks + 1000000);
  EXPECT_GE(after.arena + after.hblkhd, after.uordblks);
  void* big = malloc(size_t{100} << 20);
  EXPECT_GE(mallinfo2().hblkhd, size_t{100} << 20);
  free(big);
  EXPECT_LT(mallinfo2().hblkhd, size_t{100} << 20);
  for (void* q : p) free(q);
  EXPECT_LT(mallinfo2().uordblks, after.uordblks);
}

TEST(Glibc, TrimGivesMemoryBack) {
  if (!OnXalloc()) GTEST_SKIP() << "libc's own heap is its own affair";
  std::string keep(100, 'x');
  void* p[2000];
  for (void*& q : p) {
    q = malloc(16000);
    memset(q, 1, 16000);
  }
  for (void* q : p) free(q);
  EXPECT_EQ(malloc_trim(0), 1);
  EXPECT_LT(mallinfo2().keepcost, 20u * 65536u);
}

TEST(Glibc, InfoIsXml) {
  char* text = nullptr;
  size_t length = 0;
  FILE* f = open_memstream(&text, &length);
  EXPECT_EQ(malloc_info(0, f), 0);
  EXPECT_NE(malloc_info(1, f), 0);
  fclose(f);
  EXPECT_EQ(std::string(text).substr(0, 7), "<malloc");
  EXPECT_NE(std::string(text).find("</malloc>"), std::string::npos);
  free(text);
}

TEST(Glibc, MalloptAnswers) { EXPECT_EQ(mallopt(M_ARENA_MAX, 2), 1); }

}  // namespace
