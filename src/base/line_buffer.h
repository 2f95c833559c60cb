// SPDX-License-Identifier: MIT
// line_buffer.h: text built in place, on the stack: for reports, when the heap is what we no longer trust,
// and for statistics. What does not fit is cut. Never allocates, never calls libc.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc {

struct Hex {
  uintptr_t value;
};

template <size_t N>
class LineBuffer {
 public:
  LineBuffer& operator<<(char c) {
    if (length_ < N - 1) text_[length_++] = c;
    text_[length_] = '\0';
    return *this;
  }
  LineBuffer& operator<<(const char* s) {
    while (*s != '\0') *this << *s++;
    return *this;
  }
  LineBuffer& operator<<(uint64_t v) { return Number(v, 10); }
  LineBuffer& operator<<(int64_t v) {
    if (v < 0) *this << '-';
    return Number(v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v), 10);
  }
  LineBuffer& operator<<(uint32_t v) { return Number(v, 10); }
  LineBuffer& operator<<(Hex h) {
    *this << "0x";
    return Number(h.value, 16);
  }
  LineBuffer& Append(const char* s, size_t n) {
    for (size_t i = 0; i < n; ++i) *this << s[i];
    return *this;
  }
  const char* data() const { return text_; }
  size_t size() const { return length_; }
  void clear() {
    length_ = 0;
    text_[0] = '\0';
  }

 private:
  LineBuffer& Number(uint64_t v, unsigned base) {
    char digits[20];
    unsigned n = 0;
    do {
      digits[n++] = "0123456789abcdef"[v % base];
      v /= base;
    } while (v != 0);
    while (n > 0) *this << digits[--n];
    return *this;
  }

  char text_[N] = {};
  size_t length_ = 0;
};

}  // namespace xalloc
