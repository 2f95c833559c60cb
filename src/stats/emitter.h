// SPDX-License-Identifier: MIT
// emitter.h: text on its way to whoever asked for statistics: collected into lines, handed over a few hundred bytes at a time.
// The receiver may allocate: nothing is locked while it runs.
#pragma once

#include "base/line_buffer.h"

namespace xalloc {

using WriteText = void (*)(void* opaque, const char* text);

class Emitter {
 public:
  Emitter(WriteText write, void* opaque) : write_(write), opaque_(opaque) {}
  ~Emitter() { Flush(); }
  Emitter(const Emitter&) = delete;
  Emitter& operator=(const Emitter&) = delete;

  template <class T>
  Emitter& operator<<(T value) {
    if (line_.size() > kFlushAt) Flush();
    line_ << value;
    return *this;
  }
  // Right-aligned in a column.
  Emitter& Column(const char* text, unsigned width) {
    size_t length = 0;
    while (text[length] != '\0') ++length;
    for (size_t i = length; i < width; ++i) *this << ' ';
    return *this << text;
  }
  Emitter& Column(uint64_t value, unsigned width) {
    LineBuffer<24> text;
    text << value;
    return Column(text.data(), width);
  }
  // Left-aligned in a column.
  Emitter& Name(const char* text, unsigned width) {
    size_t length = 0;
    for (; text[length] != '\0'; ++length) *this << text[length];
    for (; length < width; ++length) *this << ' ';
    return *this;
  }
  void Flush() {
    if (line_.size() != 0) write_(opaque_, line_.data());
    line_.clear();
  }

 private:
  static constexpr size_t kFlushAt = 700;  // room is left for the longest piece
  WriteText write_;
  void* opaque_;
  LineBuffer<1200> line_;
};

// Bytes with a unit, three digits: "12.3 MiB".
LineBuffer<24> Bytes(uint64_t bytes);
// Share in tenths of a percent: "12.3 %".
LineBuffer<24> Percent(uint64_t part, uint64_t whole);

}  // namespace xalloc
