// SPDX-License-Identifier: MIT
// hooks.h: the one way by which slow paths reach layers above them. Constant: what is off is an empty function.
#pragma once

namespace xalloc {

enum class Event : unsigned char { kAllocated, kFreed };

struct Hooks {
  // Every kTickEvents slow events of a thread; no lock of ours held. When freeing, libc may hold one that starting a thread needs.
  void (*tick)(Event event);
  void (*thread_ended)(bool last);  // last: no counted thread of the program is left
};

extern const Hooks g_hooks;  // stats/hooks.cc

}  // namespace xalloc
