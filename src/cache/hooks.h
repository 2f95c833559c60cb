// SPDX-License-Identifier: MIT
// hooks.h: the one way by which slow paths reach layers above them. Constant: what is off is an empty function.
#pragma once

namespace xalloc {

struct Hooks {
  void (*tick)();  // every kTickEvents slow events of a thread; no lock held
};

extern const Hooks g_hooks;  // stats/hooks.cc

}  // namespace xalloc
