// SPDX-License-Identifier: MIT
// How many bits an address has is not asked: the kernel hands out from near the end of the address space, and that is where the window goes.
// AArch64 has kernels with 36, 39, 42, 47, 48 and 52 (of which a process gets 48 unless it asks), x86-64 with 47 and 56 (gets 47).
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

#include "extent/extent_heap.h"
#include "unit/fake_pages.h"
#include "unit/own_heap.h"

namespace xalloc {
namespace {

// A kernel with an address space of so many bits. The memory is real.
unsigned g_bits = 0;
uintptr_t g_next = 0;  // the end of what is to be handed out next, downward

void* At(uintptr_t at, size_t size) {
  void* got = mmap(reinterpret_cast<void*>(at), size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  if (reinterpret_cast<uintptr_t>(got) != at) {  // kernels that do not know the flag
    munmap(got, size);
    return nullptr;
  }
  FakePages::Get().mappings[static_cast<char*>(got)] = size;
  return got;
}
void* Reserve(void* hint, size_t size) {
  const auto at = reinterpret_cast<uintptr_t>(hint);
  if (at != 0 && at + size <= uintptr_t{1} << g_bits) {
    if (void* got = At(at, size); got != nullptr) return got;
  }
  uintptr_t below = AlignDown(g_next - size, os::PageSize());
  for (int tries = 0; tries < 2000; ++tries, below -= kHugepage) {
    if (void* got = At(below, size); got != nullptr) return g_next = below, got;
  }
  return nullptr;
}
constexpr os::PageOps Narrow() {
  os::PageOps ops = FakePages::Ops();
  ops.reserve = Reserve;
  return ops;
}
constexpr os::PageOps kNarrow = Narrow();

class AddressSpace : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "the sanitizer allows mappings in its own few places only";
#endif
    g_bits = GetParam();
    // Programs, libraries and the stack are at the end.
    g_next = (uintptr_t{1} << g_bits) - (size_t{300} << 20) - 3 * os::PageSize();
    void* probe = Reserve(nullptr, kHugepage);
    if (probe == nullptr || reinterpret_cast<uintptr_t>(probe) < (uintptr_t{1} << g_bits) / 8 * 7) GTEST_SKIP() << "this machine has fewer";
  }
  void TearDown() override { FakePages::Reset(); }
  PageMap map_;
  MetaAllocator meta_{&kNarrow};
  OwnHeap heap_{kNarrow, map_, meta_};
};

TEST_P(AddressSpace, TheWindowLiesInItAndTheHeapInTheWindow) {
  constexpr size_t kBlock = size_t{64} << 20;
  std::vector<Extent*> blocks;
  for (int i = 0; i < 64; ++i) {  // 4 GiB, not touched
    bool zeroed = false;
    Extent* e = heap_.Allocate(kBlock / kGranule, kGranule, Extent::Kind::kLarge, &zeroed);
    ASSERT_NE(e, nullptr);
    ASSERT_LE(reinterpret_cast<uintptr_t>(e->base) + kBlock, uintptr_t{1} << g_bits);
    ASSERT_TRUE(map_.Covers(e->base)) << "block " << i << " is found the slow way";
    ASSERT_TRUE(map_.Covers(e->base + kBlock - 1));
    ASSERT_EQ(heap_.Find(e->base), e);
    blocks.push_back(e);
  }
  // Half of a small address space, or all of the window, is there to grow into.
  const uintptr_t room = (uintptr_t{1} << g_bits) - map_.base();
  EXPECT_GE(room + (size_t{2} << 30), Min(uintptr_t{1} << 40, uintptr_t{1} << (g_bits - 1)));
  for (Extent* e : blocks) heap_.Free(e);
  heap_.Validate();
}

TEST_P(AddressSpace, AnAddressWithATagIsOutsideOfTheWindow) {
  bool zeroed = false;
  Extent* e = heap_.Allocate(1, kGranule, Extent::Kind::kLarge, &zeroed);
  ASSERT_NE(e, nullptr);
  for (uintptr_t tag = 1; tag < 256; ++tag) {
    const auto* p = reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(e->base) | tag << 56);
    unsigned code = 0;
    ASSERT_FALSE(map_.CodeAt(p, &code)) << tag;
  }
  heap_.Free(e);
}

INSTANTIATE_TEST_SUITE_P(Bits, AddressSpace, testing::Values(36u, 39u, 42u, 47u, 48u), testing::PrintToStringParamName());

}  // namespace
}  // namespace xalloc
