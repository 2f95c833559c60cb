// SPDX-License-Identifier: MIT
// fake_pages.h: a kernel for tests: counts every call, refuses the n-th on demand, lies about purging if told to.
// The memory behind it is real. One instance of state per process: tests reset it.
#pragma once

#include <sys/mman.h>

#include <cstring>
#include <functional>
#include <map>

#include "os/pages.h"
#include "os/system.h"

namespace xalloc {

class FakePages {
 public:
  struct State {
    long calls = 0;          // of any kind
    long refuse_at = -1;     // the call with this number (from 1) is refused
    bool refuse_all_from = false;  // and all after it
    size_t most_committed = SIZE_MAX;  // at once
    bool refuse_reserve = false;
    bool refuse_map = false;       // no new mappings; commits of what is reserved go on
    bool purge_lies = false;       // accepts, and leaves the contents
    size_t purged_bytes = 0;
    bool no_offer = false, no_populate = false, no_batches = true;
    size_t short_after = SIZE_MAX;  // a batch stops after so many ranges
    size_t offered_bytes = 0, populated_bytes = 0;
    long batches = 0, huge_advice = 0, collapses = 0;  // huge_advice: of either kind
    size_t told_huge = 0, told_plain = 0;  // bytes
    long purges = 0, commits = 0;
    std::function<void()> in_populate, in_touch, in_look;  // no lock is held
    uint64_t now = 0;  // ns; stands still
    std::map<char*, size_t> mappings;
  };
  static State& Get() {
    static State state;
    return state;
  }
  // Everything it handed out goes back.
  static void Reset() {
    for (auto& [at, size] : Get().mappings) munmap(at, size);
    Get() = State();
  }
  static constexpr os::PageOps Ops() { return {Reserve, Commit, Map, Purge, PurgeMany, Offer, Unmap, Remap, MoveOut, Populate, Touch, AdviseHuge, Collapse, Holds, Now}; }

 private:
  static bool Refused() {
    State& s = Get();
    ++s.calls;
    return s.refuse_at > 0 && (s.calls == s.refuse_at || (s.refuse_all_from && s.calls > s.refuse_at));
  }
  static void* Take(size_t size, int protection) {
    // Aligned to a hugepage, so that regions fit whatever the kernel chooses.
    constexpr size_t kAlign = size_t{2} << 20;
    auto* raw = static_cast<char*>(mmap(nullptr, size + kAlign, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    auto* at = reinterpret_cast<char*>((reinterpret_cast<size_t>(raw) + kAlign - 1) & ~(kAlign - 1));
    if (at != raw) munmap(raw, static_cast<size_t>(at - raw));
    munmap(at + size, static_cast<size_t>(raw + kAlign - at));
    madvise(at, size, MADV_HUGEPAGE);  // a page fault is what these tests would spend their time on
    Get().mappings[at] = size;
    return at;
  }
  static void* Reserve(void*, size_t size) { return Refused() || Get().refuse_reserve ? nullptr : Take(size, PROT_NONE); }
  static void* Map(size_t size) { return Refused() || Get().refuse_map ? nullptr : Take(size, PROT_READ | PROT_WRITE); }
  static bool Commit(void* at, size_t size) {
    if (Refused() || size > Get().most_committed) return false;
    Get().commits++;
    return mprotect(at, size, PROT_READ | PROT_WRITE) == 0;
  }
  static bool Purge(void* at, size_t size) {
    if (Refused()) return false;
    Get().purges++;
    Get().purged_bytes += size;
    if (!Get().purge_lies) madvise(at, size, MADV_DONTNEED);  // what it does, and no page fault per page
    return true;
  }
  static size_t PurgeMany(const os::PageRange* ranges, size_t n) {
    if (Get().no_batches || Refused()) return 0;
    Get().batches++;
    size_t done = 0;
    for (; done < n && done < Get().short_after; ++done) {
      Get().purged_bytes += ranges[done].size;
      if (!Get().purge_lies) madvise(ranges[done].at, ranges[done].size, MADV_DONTNEED);
    }
    return done;
  }
  static bool Offer(void*, size_t size) {
    if (Get().no_offer || Refused()) return false;
    Get().offered_bytes += size;
    return true;
  }
  static bool Populate(void*, size_t size) {
    if (Get().no_populate || Refused()) return false;
    Get().populated_bytes += size;
    if (Get().in_populate) Get().in_populate();
    return true;
  }
  static void Touch(void*) {
    if (Get().in_touch) Get().in_touch();
  }
  static bool AdviseHuge(void*, size_t size, bool wanted) {
    if (Refused()) return false;
    Get().huge_advice++;
    (wanted ? Get().told_huge : Get().told_plain) += size;
    return true;
  }
  static bool Collapse(void*, size_t) {
    if (Refused()) return false;
    Get().collapses++;
    return true;
  }
  static bool Holds(const uint32_t* word) {
    if (Get().in_look) Get().in_look();
    return os::kKernelPages.holds(word);
  }
  static uint64_t Now() { return Get().now; }
  static void Unmap(void* at, size_t size) {
    munmap(at, size);
    auto& all = Get().mappings;
    auto it = all.find(static_cast<char*>(at));
    if (it != all.end() && it->second == size) all.erase(it);
  }
  static void* Remap(void* at, size_t old_size, size_t new_size, bool may_move) {
    if (Refused()) return nullptr;
    void* moved = mremap(at, old_size, new_size, may_move ? MREMAP_MAYMOVE : 0);
    if (moved == MAP_FAILED) return nullptr;
    Get().mappings.erase(static_cast<char*>(at));
    Get().mappings[static_cast<char*>(moved)] = new_size;
    return moved;
  }
  static void* MoveOut(void* from, size_t size) {
    if (Refused()) return nullptr;
    void* to = Take(size, PROT_READ | PROT_WRITE);
    memcpy(to, from, size);
    memset(from, 0, size);
    return to;
  }
};

inline constexpr os::PageOps kFakePages = FakePages::Ops();

}  // namespace xalloc
