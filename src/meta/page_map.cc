// SPDX-License-Identifier: MIT
#include "meta/page_map.h"

#include "os/system.h"

namespace xalloc {

constinit PageMap g_page_map;

namespace {
// 1 TiB of window: 64 MiB of codes and 4 MiB of pointers, address space only.
constexpr size_t kWindow = size_t{1} << 40;
constexpr size_t kSmallestWindow = size_t{1} << 26;
constexpr size_t kGigabyte = size_t{1} << 30;

// Both tables begin in the middle of a page. How far one of `bytes` goes on its side of it, in whole pages.
size_t Committed(size_t bytes) {
  const size_t page = os::PageSize();
  return AlignUp(bytes + page / 2, page) - page / 2;
}
}  // namespace

bool PageMap::Init(const os::PageOps& pages, size_t address_space_limit) {
  const size_t page = os::PageSize();
  size_t window = kWindow;
  // The map may take at most 1/64 of a limited address space.
  while (window > kSmallestWindow && (window >> kLgGranule) > address_space_limit / 64) window /= 2;
  for (; window >= kSmallestWindow; window /= 2) {
    const size_t code_bytes = AlignUp(window >> kLgGranule, page);
    const size_t slot_bytes = AlignUp((window >> kLgHugepage) * sizeof(Hugepage*), page);
    // In a space limited from the start all of it counts, and metadata is mapped before the limit is reached.
    const size_t spare_bytes = address_space_limit == SIZE_MAX ? kSpareBytes : 0;
    void* at = pages.reserve(nullptr, slot_bytes + page + code_bytes + spare_bytes);
    if (at == nullptr) continue;
    const auto offered = reinterpret_cast<uintptr_t>(at);
    codes_ = static_cast<uint8_t*>(at) + slot_bytes + page / 2;
    capacity_ = window >> kLgGranule;
    if (spare_bytes != 0) spare_ = static_cast<char*>(at) + slot_bytes + page + code_bytes;
    // Regions grow upward from a window's length below the place the kernel hands out from, so that no mapping of the program
    // comes in between; in a small address space from its middle.
    const uintptr_t below = offered > 2 * window ? offered - window : offered / 2;
    base_ = AlignDown(below, kGigabyte);
    return true;
  }
  return false;
}

void PageMap::MoveTo(uintptr_t at) {
  // Half below: without hints the kernel goes downward.
  const uintptr_t half = (capacity_ << kLgGranule) / 2;
  base_ = AlignDown(at > half ? at - half : kHugepage, kGigabyte);
}

bool PageMap::CommitUpTo(const os::PageOps& pages, uintptr_t end) {
  const size_t codes = Committed((end - base_) >> kLgGranule);
  const size_t slots = Committed(((end - base_) >> kLgHugepage) * sizeof(Hugepage*));
  if (codes <= committed_codes_ && slots <= committed_slots_) return true;
  // Both sides grow away from codes_; what is committed already is committed again, which is harmless.
  const size_t up = Max(codes, committed_codes_), down = Max(slots, committed_slots_);
  if (!pages.commit(codes_ - down, down + up)) return false;
  committed_codes_ = up;
  committed_slots_ = down;
  return true;
}

void PageMap::SetEnd(uintptr_t end) {
  const size_t words = (end - base_) >> kLgWord;
  // Release: base_ and codes_ are set and committed before anything is covered.
  if (words > words_) __atomic_store_n(&words_, words, __ATOMIC_RELEASE);
}

// Release: its description comes first.
void PageMap::SetHugepage(const void* at, Hugepage* hugepage) {
  __atomic_store_n(HugepageSlot(GranuleIndex(at) >> (kLgHugepage - kLgGranule)), hugepage, __ATOMIC_RELEASE);
}

void PageMap::SetCode(const void* at, unsigned granules, unsigned code) {
  if (!Covers(at)) return;
  const size_t first = GranuleIndex(at);
  // Relaxed: I3. A code that is seen too early or too late can only be seen by who frees what nobody gave it.
  for (size_t i = first; i < first + granules; ++i) __atomic_store_n(&codes_[i], static_cast<uint8_t>(code), __ATOMIC_RELAXED);
}

}  // namespace xalloc
