// SPDX-License-Identifier: MIT
// own_heap.h: an ExtentHeap with all that belongs to it.
#pragma once

#include "extent/extent_heap.h"

namespace xalloc {

struct OwnSeldom {
  ExtentHeap::Seldom own;
};
struct OwnHeap : private OwnSeldom, public ExtentHeap {
  OwnHeap(const os::PageOps& pages, PageMap& map, MetaAllocator& meta) : ExtentHeap(pages, map, meta, own) {}
};

}  // namespace xalloc
