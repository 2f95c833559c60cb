// SPDX-License-Identifier: MIT
#pragma once
#include "cache/thread_cache.h"
namespace xalloc {
inline bool CreateExplicitCache(unsigned*) { return false; }
inline bool FlushExplicitCache(unsigned) { return false; }
inline bool DestroyExplicitCache(unsigned) { return false; }
inline bool BindThread(unsigned index) { return index == 0; }
inline unsigned BoundArena() { return 0; }
}  // namespace xalloc
