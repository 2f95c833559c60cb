// SPDX-License-Identifier: MIT
#include "purge/decay.h"

#include "cache/fast_path.h"
#include "os/system.h"

namespace xalloc {
namespace {

// 3x^2 - 2x^3 in 1/1024, x = share of the time left.
constexpr size_t Curve(unsigned steps_left) {
  const size_t x = steps_left * 1024 / Decay::kSteps;
  return (3 * x * x - 2 * x * x * x / 1024) / 1024;
}
static_assert(Curve(0) == 0 && Curve(Decay::kSteps) == 1024 && Curve(Decay::kSteps / 2) == 512);

// At most this much is purged inline at a tick: 64 slow events pay for it together.
constexpr size_t kPerTick = size_t{4} << 20;

constinit Atomic<uint32_t> g_ticking{0};  // one thread ticks at a time; the others go on
constinit Decay g_decay;                  // by whoever set g_ticking

}  // namespace

size_t Decay::Allowed(uint64_t now_ms, uint64_t decay_ms, size_t dirty, uint64_t dirtied) {
  const uint64_t step_ms = decay_ms < kSteps ? 1 : decay_ms / kSteps;
  const uint64_t step = now_ms / step_ms;
  uint64_t passed = last_step_ == 0 ? 0 : step - last_step_;
  if (passed > kSteps) passed = kSteps;
  last_step_ = step;
  for (unsigned i = 0; i < kSteps && passed != 0; ++i) backlog_[i] = i + passed < kSteps ? backlog_[i + passed] : 0;
  const uint64_t fresh = dirtied - last_dirtied_;
  last_dirtied_ = dirtied;
  // What was reused since then is not dirty any more: the newest step never holds more than there is.
  backlog_[kSteps - 1] += fresh;
  if (backlog_[kSteps - 1] > dirty) backlog_[kSteps - 1] = dirty;
  size_t allowed = 0;
  for (unsigned i = 0; i < kSteps; ++i) allowed += backlog_[i] / 1024 * Curve(i + 1);
  return allowed;
}

void PurgeTick() {
  if (g_options.dirty_decay_ms < 0) return;
  const ExtentStats stats = g_extents.Stats();
  if (stats.dirty == 0) return;
  // Small programs are left alone, the clock included: there are sandboxes that kill on madvise, and on clock_gettime as a system call.
  constexpr size_t kSmallHeap = size_t{8} << 20;
  if (g_options.dirty_decay_ms != 0 && stats.used + stats.dirty < kSmallHeap) return;
  uint32_t idle = 0;
  if (!g_ticking.CompareExchangeAcquire(idle, 1)) return;
  const size_t allowed = g_options.dirty_decay_ms == 0 ? 0 : g_decay.Allowed(os::NowMs(), static_cast<uint64_t>(g_options.dirty_decay_ms), stats.dirty, stats.dirtied);
  g_ticking.ExchangeRelease(0);
  // Crumbs of a step are not worth a system call: 64 granules.
  constexpr size_t kWorthIt = size_t{1} << 20;
  const size_t excess = stats.dirty > allowed ? stats.dirty - allowed : 0;
  if (excess >= Min(kWorthIt, stats.dirty)) g_extents.Purge(Min(excess, kPerTick));
}

void ForgetOtherTicks() { g_ticking.SetRelaxed(0); }

size_t PurgeEverything() {
  DrainOtherCaches();
  ReturnUnused();
  return g_extents.Purge(SIZE_MAX / 2);
}

}  // namespace xalloc
