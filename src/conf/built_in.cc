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
namespace {
XALLOC_ALWAYS_READ("built_in") constexpr char kBuiltIn[] = XALLOC_MALLOC_CONF;
XALLOC_ALWAYS_READ("built_in") constexpr char kLink[] = XALLOC_CONF_LINK;
}  // namespace
constinit const char* const g_built_in_conf = kBuiltIn;
constinit const char* const g_conf_link = kLink;
}  // namespace xalloc
