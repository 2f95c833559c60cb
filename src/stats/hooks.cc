// SPDX-License-Identifier: MIT
#include "cache/hooks.h"

#include "purge/decay.h"

namespace xalloc {

constinit const Hooks g_hooks = {PurgeTick};

}  // namespace xalloc
