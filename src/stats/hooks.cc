// SPDX-License-Identifier: MIT
#include "cache/hooks.h"

#include "purge/purge.h"
#include "purge/purger.h"
#include "stats/interval.h"
#include "stats/page.h"

namespace xalloc {

namespace {
void Tick(Event event) {
  PurgeTick(event);
  StatsTick(event);
  StatsPageTick();
}
}  // namespace

constinit const Hooks g_hooks = {Tick, PurgerLosesCompany};

}  // namespace xalloc
