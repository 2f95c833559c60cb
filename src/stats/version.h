// SPDX-License-Identifier: MIT
// version.h: what xalloc says it is, in the form that readers of jemalloc's version take apart.
#pragma once

#ifndef XALLOC_VERSION
#error "XALLOC_VERSION comes from the build"
#endif

namespace xalloc {

inline constexpr char kVersion[] = "5.3.0-0-g0-xalloc-" XALLOC_VERSION;

}  // namespace xalloc
