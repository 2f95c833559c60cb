// SPDX-License-Identifier: MIT
// What locks cost, counted. The counting itself disturbs: three shared additions at each release. Nothing here in an ordinary build.
#include "os/lock.h"
#include "os/system.h"

#if XALLOC_LOCK_COUNTS
extern "C" void __sanitizer_cov_trace_pc();
static constinit thread_local uint64_t t_blocks [[gnu::tls_model("initial-exec")]] = 0;
// The compiler calls it at each basic block (-fsanitize-coverage=trace-pc).
extern "C" [[gnu::visibility("hidden")]] void __sanitizer_cov_trace_pc() { ++t_blocks; }

namespace xalloc::os {
namespace {

struct alignas(arch::kSharedLine) Counter {
  Atomic<uint64_t> taken{0}, waited{0}, held{0}, longest{0}, blocks{0}, most{0};  // relaxed, by all: read when the program ends
};
constinit Counter g_counter[kRanks];
struct Since {
  uint64_t ticks, blocks;
};
constinit thread_local Since t_since[kRanks] [[gnu::tls_model("initial-exec")]] = {};  // a thread holds one lock of a rank at a time

// When the counting began, by both clocks.
constinit Atomic<uint64_t> g_begin_ns{0}, g_begin_ticks{0};

void Raise(Atomic<uint64_t>& most, uint64_t value) {
  uint64_t seen = most.Relaxed();
  while (value > seen && !most.CompareExchangeOrdered(seen, value)) {
  }
}

}  // namespace

void NoteWaited(Rank rank) { g_counter[static_cast<unsigned>(rank)].waited.AddRelaxed(1); }

void NoteTaken(Rank rank) {
  if (XALLOC_UNLIKELY(g_begin_ns.Relaxed() == 0)) {
    g_begin_ticks.SetRelaxed(arch::Ticks());
    g_begin_ns.SetRelaxed(NowNs());
  }
  t_since[static_cast<unsigned>(rank)] = {arch::Ticks(), t_blocks};
}

void NoteReleased(Rank rank) {
  Counter& c = g_counter[static_cast<unsigned>(rank)];
  const Since& since = t_since[static_cast<unsigned>(rank)];
  const uint64_t ticks = arch::Ticks() - since.ticks, blocks = t_blocks - since.blocks;
  c.taken.AddRelaxed(1);
  c.held.AddRelaxed(ticks);
  c.blocks.AddRelaxed(blocks);
  Raise(c.longest, ticks);
  Raise(c.most, blocks);
}

LockCounts LockCountsOf(Rank rank) {
  const Counter& c = g_counter[static_cast<unsigned>(rank)];
  return {c.taken.Relaxed(), c.waited.Relaxed(), c.held.Relaxed(), c.longest.Relaxed(), c.blocks.Relaxed(), c.most.Relaxed()};
}

uint64_t TicksPerSecond() {
  const uint64_t ns = NowNs() - g_begin_ns.Relaxed(), ticks = arch::Ticks() - g_begin_ticks.Relaxed();
  return static_cast<uint64_t>(static_cast<double>(ticks) * 1e9 / static_cast<double>(ns));
}

}  // namespace xalloc::os
#endif
