// SPDX-License-Identifier: MIT
// The options that whoever builds the library puts into it: cmake -DXALLOC_MALLOC_CONF="key:value,key:value", and the path of a symbolic
// link whose target is such a line, -DXALLOC_CONF_LINK=/etc/malloc.conf. A file of its own: the strings are what a distributor changes.
#include "conf/options.h"

#ifndef XALLOC_MALLOC_CONF
#define XALLOC_MALLOC_CONF ""
#endif

#ifndef XALLOC_CONF_LINK
#define XALLOC_CONF_LINK ""
#endif

namespace xalloc {
constinit const char* const g_built_in_conf = XALLOC_MALLOC_CONF;
constinit const char* const g_conf_link = XALLOC_CONF_LINK;
}  // namespace xalloc
