// SPDX-License-Identifier: MIT
// What diag/ asks for before it writes a report: see BeginReport.
#include "cache/thread_cache.h"

namespace xalloc {

// No path to a report holds a lock, but for broken invariants in debug builds; there the thread must not trip over its own ranks.
// From here on it takes none: empty cache, memory from the last words, frees ignored.
XALLOC_COLD void BeginReport() {
  t_local.front = const_cast<CacheFront*>(&kEmptyCache);
  t_local.state = ThreadState::kReporting;
  os::DebugForgetLocks();
}

}  // namespace xalloc
