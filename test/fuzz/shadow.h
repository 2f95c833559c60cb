// SPDX-License-Identifier: MIT
// shadow.h: what the fuzzer knows of the heap it tests: every live block, on the program's own malloc, which is not the one under test.
//
//   Owns     the live blocks by address, and a stamp in the first and the last bytes of each
//   Never    forgives: every contradiction prints what it is and aborts
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

namespace fuzz {

struct Block {
  unsigned char* p = nullptr;
  size_t size = 0;  // as asked for
  unsigned char stamp = 0;
};

class Shadow {
 public:
  static constexpr size_t kStamped = 64;  // bytes at both ends

  [[noreturn]] static void Fail(const char* what, const Block& b) {
    fprintf(stderr, "fuzz: %s: %p, %zu bytes\n", what, static_cast<void*>(b.p), b.size);
    abort();
  }

  // A new block: it overlaps no other, is aligned, has room. `usable`: what the heap says.
  void Add(Block& b, size_t usable, size_t alignment) {
    if (reinterpret_cast<uintptr_t>(b.p) % alignment != 0) Fail("not aligned", b);
    if (usable < b.size) Fail("usable size too small", b);
    const auto next = live_.lower_bound(b.p);
    if (next != live_.end() && next->first < b.p + usable) Fail("overlaps the next block", b);
    if (next != live_.begin() && std::prev(next)->first + std::prev(next)->second > b.p) Fail("overlaps the block before", b);
    live_[b.p] = usable;
    bytes_ += usable;
    Stamp(b);
  }
  void Remove(const Block& b) {
    CheckStamp(b, b.size);
    const auto found = live_.find(b.p);
    bytes_ -= found->second;
    live_.erase(found);
  }
  void Stamp(Block& b) {
    b.stamp = ++last_;
    memset(b.p, b.stamp, Ends(b.size));
    memset(b.p + b.size - Ends(b.size), b.stamp, Ends(b.size));
  }
  // The first `size` bytes of it are as they were; the end only if `size` is all of it.
  static void CheckStamp(const Block& b, size_t size) {
    const size_t head = Ends(b.size) < size ? Ends(b.size) : size;
    for (size_t i = 0; i < head; ++i) {
      if (b.p[i] != b.stamp) Fail("contents changed at the start", b);
    }
    if (size < b.size) return;
    for (size_t i = b.size - Ends(b.size); i < b.size; ++i) {
      if (b.p[i] != b.stamp) Fail("contents changed at the end", b);
    }
  }
  // The first and the last 16 KiB from `from` on, and some bytes in between: to touch every page of large blocks would be most of the work.
  static void CheckZero(const Block& b, size_t from) {
    constexpr size_t kWhole = 16384, kSamples = 61;
    if (from >= b.size) return;
    const size_t left = b.size - from, whole = left < kWhole ? left : kWhole;
    if (!IsZero(b.p + from, whole) || !IsZero(b.p + b.size - whole, whole)) Fail("not zero", b);
    for (size_t i = 0; i < kSamples; ++i) {
      if (b.p[from + left / kSamples * i] != 0) Fail("not zero", b);
    }
  }
  size_t bytes() const { return bytes_; }
  size_t blocks() const { return live_.size(); }

 private:
  static bool IsZero(const unsigned char* p, size_t n) { return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0; }
  static size_t Ends(size_t size) { return size < kStamped ? size : kStamped; }

  std::map<unsigned char*, size_t> live_;
  size_t bytes_ = 0;
  unsigned char last_ = 0;
};

}  // namespace fuzz
