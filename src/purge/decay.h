// SPDX-License-Identifier: MIT
// decay.h: how much may stay dirty at a moment: memory that became dirty goes back along a smooth curve over dirty_decay_ms.
//
// Time is cut into kSteps steps; the backlog holds how much became dirty in each of the last kSteps. What is i steps old may
// stay to the share Curve(i): 1 when young, 0 at the end, flat at both ends (smoothstep), so that neither a short burst is
// purged at once nor a cliff comes at the end.
// Pure: time comes in, no system call. Not thread-safe: the caller serialises.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc {

class Decay {
 public:
  static constexpr unsigned kSteps = 20;
  constexpr Decay() = default;

  // `dirty`: bytes dirty now; `dirtied`: bytes that became dirty, ever; both as the extent heap counts them.
  // Returns how many bytes may stay. decay_ms > 0.
  size_t Allowed(uint64_t now_ms, uint64_t decay_ms, size_t dirty, uint64_t dirtied);

 private:
  uint64_t last_step_ = 0;  // now / step length, at the last call
  uint64_t last_dirtied_ = 0;
  size_t backlog_[kSteps] = {};  // [kSteps - 1]: the running step
};

// The slow-path tick: purges what is over the curve. Any thread, no lock held.
void PurgeTick();
// In a fork child: whoever was ticking is gone.
void ForgetOtherTicks();
// Everything: all thread caches, all depots, all dirty pages. Returns bytes given back to the system.
size_t PurgeEverything();

}  // namespace xalloc
