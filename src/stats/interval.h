// SPDX-License-Identifier: MIT
// interval.h: statistics each time that the program was handed stats_interval bytes.
#pragma once

#include "cache/hooks.h"

namespace xalloc {

// At a slow-path tick: prints if it is time. Any thread, no lock of ours held.
void StatsTick(Event event);

}  // namespace xalloc
