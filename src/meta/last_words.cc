// SPDX-License-Identifier: MIT
#include "meta/last_words.h"

#include "base/atomic.h"
#include "base/attributes.h"
#include "base/bits.h"
#include "os/pages.h"

namespace xalloc {
namespace {

constexpr size_t kStatic = size_t{64} << 10;
// Address space only until it is touched. A crash handler that reads debug information takes some tens of MiB.
constexpr size_t kMapped = size_t{64} << 20, kSmallestMapped = size_t{1} << 20;

// In front of each block. 16 bytes, so that what follows is aligned.
struct alignas(16) Header {
  size_t size;
};

struct Area {
  char* base;
  size_t bytes;
  Atomic<size_t> used;  // only grows; whoever moves it owns what lies between. Nothing is handed on by it: any order would do

  bool Owns(const void* p) const { return reinterpret_cast<uintptr_t>(p) - reinterpret_cast<uintptr_t>(base) < bytes; }

  void* Take(size_t size, size_t alignment) {
    if (size > bytes || alignment > bytes) return nullptr;
    size_t old = used.Relaxed();
    for (;;) {
      const uintptr_t begin = reinterpret_cast<uintptr_t>(base);
      const uintptr_t block = AlignUp(begin + old + sizeof(Header), alignment);
      const size_t end = block - begin + size;
      if (end > bytes) return nullptr;
      if (!used.CompareExchangeAcquire(old, end)) continue;
      auto* p = reinterpret_cast<void*>(block);
      static_cast<Header*>(p)[-1].size = size;
      return p;
    }
  }
};

alignas(64) constinit char g_static[kStatic] = {};
constinit Area g_first = {g_static, kStatic, {}};
// Lies at the start of its own mapping. Set once, by compare-exchange (release); readers acquire.
constinit Atomic<Area*> g_second{nullptr};

XALLOC_COLD Area* MakeSecond() {
  void* mapping = nullptr;
  size_t bytes = kMapped;
  while (bytes >= kSmallestMapped && (mapping = os::kKernelPages.map(bytes)) == nullptr) bytes /= 2;
  if (mapping == nullptr) return nullptr;
  auto* area = static_cast<Area*>(mapping);
  area->base = static_cast<char*>(mapping);
  area->bytes = bytes;
  area->used.SetRelaxed(sizeof(Area));
  Area* found = nullptr;
  if (g_second.CompareExchangeRelease(found, area)) return area;
  os::kKernelPages.unmap(mapping, bytes);
  return found;
}

}  // namespace

void* LastWordsAllocate(size_t size, size_t alignment) {
  size = AlignUp(Max(Min(size, size_t{PTRDIFF_MAX}), size_t{1}), sizeof(Header));
  alignment = Max(alignment, sizeof(Header));
  void* p = g_first.Take(size, alignment);
  if (p != nullptr) return p;
  Area* second = g_second.Acquire();
  if (second == nullptr) second = MakeSecond();
  return second == nullptr ? nullptr : second->Take(size, alignment);
}

bool LastWordsOwns(const void* p) {
  if (g_first.Owns(p)) return true;
  const Area* second = g_second.Acquire();
  return second != nullptr && second->Owns(p);
}

size_t LastWordsSize(const void* p) { return static_cast<const Header*>(p)[-1].size; }

}  // namespace xalloc
