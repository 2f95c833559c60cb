// SPDX-License-Identifier: MIT
#include "cache/hooks.h"

#include "purge/purge.h"
#include "purge/purger.h"
#include "stats/interval.h"

namespace xalloc {

namespace {
void Tick(Event event) {
  PurgeTick(event);
  StatsTick(event);
}
}  // namespace

constinit const Hooks g_hooks = {Tick, PurgerLosesCompany};

}  // namespace xalloc
