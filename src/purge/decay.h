// SPDX-License-Identifier: MIT
// decay.h: how much may stay dirty at a moment: memory that nobody wants goes back along a smooth curve over a decay time.
//
// What counts is how long memory has lain idle, not when it was freed: of what a program frees and takes again all the time, the least that
// lay there in a step is what nobody wanted in it. Time is cut into kSteps steps; the least of the last i steps has been idle for i of
// them, and of that the share Curve(i) may stay: all when young, nothing at the end, flat at both ends (smoothstep), so that neither a
// short burst is purged at once nor a cliff comes at the end.
// Pure: time comes in, no system call. Not thread-safe: the caller serialises.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "extent/extent_heap.h"

namespace xalloc {

class Decay {
 public:
  static constexpr unsigned kSteps = 20;
  constexpr Decay() = default;

  // `idle`: what the extent heap says, asked once for each call. Returns how many bytes may stay. decay_ms > 0; where it changes, what
  // exists goes on from where it is on the curve.
  size_t Allowed(uint64_t now_ms, uint64_t decay_ms, const Idle& idle);

 private:
  uint64_t step_ms_ = 0;    // length of a step, at the last call
  uint64_t last_step_ = 0;  // now / step length, at the last call
  uint64_t least_[kSteps] = {};  // Idle::least of each step; [0]: the running one
};

}  // namespace xalloc
