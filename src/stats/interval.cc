// SPDX-License-Identifier: MIT
#include "stats/interval.h"

#include "base/attributes.h"
#include "cache/fast_path.h"
#include "stats/print.h"

namespace xalloc {
namespace {

// Bytes handed out at the last print. Relaxed: whoever moves it on prints, and nothing else hangs on it. No flag that a thread could
// hold when another forks.
constinit Atomic<uint64_t> g_printed_at{0};

}  // namespace

void StatsTick(Event) {
  if (XALLOC_LIKELY(g_options.stats_interval <= 0) || t_local.printing || Reporting() || SteppedAside()) return;
  const uint64_t now = g_bytes_handed_out.Relaxed();
  uint64_t last = g_printed_at.Relaxed();
  if (now - last < static_cast<uint64_t>(g_options.stats_interval) || !g_printed_at.CompareExchangeAcquire(last, now)) return;
  t_local.printing = true;
  PrintStats(g_options.stats_interval_opts.text);
  t_local.printing = false;
}

}  // namespace xalloc
