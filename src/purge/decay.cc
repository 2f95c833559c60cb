// SPDX-License-Identifier: MIT
#include "purge/decay.h"

#include "base/bits.h"

namespace xalloc {
namespace {

// 3x^2 - 2x^3 in 1/1024, x = share of the time left.
constexpr size_t Curve(unsigned steps_left) {
  const size_t x = steps_left * 1024 / Decay::kSteps;
  return (3 * x * x - 2 * x * x * x / 1024) / 1024;
}
static_assert(Curve(0) == 0 && Curve(Decay::kSteps) == 1024 && Curve(Decay::kSteps / 2) == 512);

}  // namespace

size_t Decay::Allowed(uint64_t now_ms, uint64_t decay_ms, const Idle& idle) {
  const uint64_t step_ms = decay_ms < kSteps ? 1 : decay_ms / kSteps;
  const uint64_t step = now_ms / step_ms;
  if (step_ms != step_ms_) last_step_ = step;
  step_ms_ = step_ms;
  const auto passed = static_cast<unsigned>(Min<uint64_t>(step - last_step_, kSteps));
  last_step_ = step;
  // Of the steps since the last call, `least` holds for each.
  least_[0] = Min(least_[0], idle.least);
  for (unsigned i = kSteps; passed != 0 && i-- > 0;) least_[i] = i >= passed ? least_[i - passed] : idle.least;

  size_t allowed = 0;
  uint64_t so_old = idle.now + idle.gone;
  for (unsigned i = 0; i < kSteps; ++i) {
    const uint64_t older = Min(so_old, least_[i]);
    allowed += (so_old - older) / 1024 * Curve(kSteps - i);
    so_old = older;
  }
  return allowed;
}

}  // namespace xalloc
