// SPDX-License-Identifier: MIT
// All replaceable operators: every form of new with every form of delete that may follow it.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "allocator.h"

namespace {

constexpr size_t kSizes[] = {0, 1, 8, 63, 64, 1000, 1025, 40000, 3000000};
const size_t kHuge = Hidden(size_t{1} << 62);

TEST(New, EveryFormWithEveryDelete) {
  for (size_t n : kSizes) {
    ::operator delete(::operator new(n));
    ::operator delete(::operator new(n), n);
    ::operator delete[](::operator new[](n));
    ::operator delete[](::operator new[](n), n);
    ::operator delete(::operator new(n, std::nothrow), std::nothrow);
    ::operator delete[](::operator new[](n, std::nothrow), std::nothrow);
  }
  ::operator delete(nullptr);
  ::operator delete(nullptr, Hidden(8));
  ::operator delete[](nullptr, Hidden(8));
}

TEST(New, AlignedForms) {
  for (size_t n : kSizes) {
    for (size_t alignment = 16; alignment <= 65536; alignment *= 4) {
      const auto a = static_cast<std::align_val_t>(alignment);
      void* p[] = {::operator new(n, a), ::operator new[](n, a), ::operator new(n, a, std::nothrow), ::operator new[](n, a, std::nothrow)};
      for (void* q : p) {
        ASSERT_TRUE(q != nullptr && IsAligned(q, alignment));
        ASSERT_GE(malloc_usable_size(q), n);
      }
      ::operator delete(p[0], a);
      ::operator delete[](p[1], n, a);
      ::operator delete(p[2], n, a);
      ::operator delete[](p[3], a, std::nothrow);
    }
  }
}

TEST(New, MixedWithMallocIsTolerated) {
  if (!OnXalloc()) GTEST_SKIP();
  free(::operator new(100));
  ::operator delete(malloc(100));
  ::operator delete(::operator new(100, static_cast<std::align_val_t>(64)));
}

TEST(New, AWrongSizeIsHarmless) {
  if (!OnXalloc()) GTEST_SKIP();
  for (size_t n : {size_t{100}, size_t{5000}, size_t{100000}}) {
    for (size_t wrong : {size_t{0}, size_t{1}, n / 2, n * 2, size_t{50000}}) {
      void* p = ::operator new(n);
      ::operator delete(p, Hidden(wrong));
      void* again[3] = {::operator new(n), ::operator new(n), ::operator new(n)};
      memset(again[0], 1, n);
      memset(again[1], 2, n);
      memset(again[2], 3, n);
      EXPECT_EQ(static_cast<char*>(again[0])[n - 1], 1);
      for (void* q : again) ::operator delete(q, n);
    }
  }
}

TEST(New, FailureThrowsOrIsNull) {
  EXPECT_THROW((void)::operator new(kHuge), std::bad_alloc);
  EXPECT_THROW((void)::operator new[](kHuge), std::bad_alloc);
  EXPECT_THROW((void)::operator new(kHuge, static_cast<std::align_val_t>(64)), std::bad_alloc);
  EXPECT_EQ(::operator new(kHuge, std::nothrow), nullptr);
  EXPECT_EQ(::operator new[](kHuge, static_cast<std::align_val_t>(64), std::nothrow), nullptr);
}

int g_handler_calls = 0;
void CountThenGiveUp() {
  if (++g_handler_calls >= 3) std::set_new_handler(nullptr);
}
void Throw() { throw std::bad_alloc(); }

TEST(New, LoopsOnTheCurrentHandler) {
  g_handler_calls = 0;
  std::set_new_handler(CountThenGiveUp);
  EXPECT_THROW((void)::operator new(kHuge), std::bad_alloc);
  EXPECT_EQ(g_handler_calls, 3);
  std::set_new_handler(Throw);
  EXPECT_EQ(::operator new(kHuge, std::nothrow), nullptr) << "a handler that throws is null for nothrow";
  std::set_new_handler(nullptr);
}

}  // namespace
