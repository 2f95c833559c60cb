// SPDX-License-Identifier: MIT
#include "cache/hooks.h"

#include "purge/purge.h"
#include "purge/purger.h"

namespace xalloc {

constinit const Hooks g_hooks = {PurgeTick, PurgerLosesCompany};

}  // namespace xalloc
