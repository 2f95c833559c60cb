// SPDX-License-Identifier: MIT
// fill.h: what the options junk and zero want to see in memory that changes hands.
#pragma once

#include <string.h>

#include "base/attributes.h"
#include "conf/options.h"

namespace xalloc {

constexpr int kJunkByte = 0xa5, kFreedByte = 0x5a;  // as programs that look for them know from elsewhere

inline bool FillsFresh() { return (g_options.junk & kJunkAlloc) != 0 || g_options.zero != 0; }
// `from`: what lies below is the program's already.
inline void* Filled(void* p, size_t from, size_t to) {
  if (XALLOC_LIKELY(!FillsFresh()) || from >= to) return p;
  memset(static_cast<char*>(p) + from, g_options.zero != 0 ? 0 : kJunkByte, to - from);
  return p;
}
inline bool FillsFreed() { return XALLOC_UNLIKELY((g_options.junk & kJunkFree) != 0); }
inline void FillFreed(void* p, size_t size) {
  if (FillsFreed()) memset(p, kFreedByte, size);
}

}  // namespace xalloc
