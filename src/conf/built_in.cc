// SPDX-License-Identifier: MIT
// The options that whoever builds the library puts into it: cmake -DXALLOC_MALLOC_CONF="key:value,key:value". A file of its own: the string
// is the one thing that a distributor changes.
#include "conf/options.h"

#ifndef XALLOC_MALLOC_CONF
#define XALLOC_MALLOC_CONF ""
#endif

namespace xalloc {
constinit const char* const g_built_in_conf = XALLOC_MALLOC_CONF;
}  // namespace xalloc
