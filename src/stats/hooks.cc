// SPDX-License-Identifier: MIT
#include "cache/hooks.h"

#include "base/attributes.h"
#include "conf/options.h"
#include "purge/purge.h"
#include "purge/purger.h"
#include "stats/interval.h"
#include "stats/page.h"

namespace xalloc {

namespace {
void Tick(Event event) {
  PurgeTick(event);
  // Looked at here: what a small program never runs lies apart from this.
  if (XALLOC_UNLIKELY(g_options.stats_interval > 0)) StatsTick(event);
  if (XALLOC_UNLIKELY(g_options.stats_page != 0)) StatsPageTick();
}
}  // namespace

constinit const Hooks g_hooks = {Tick, PurgerLosesCompany};

}  // namespace xalloc
