// SPDX-License-Identifier: MIT
// print_metrics.cc: OpenMetrics text, for Prometheus and its like.
#include "stats/print.h"
#include "stats/snapshot.h"

namespace xalloc {
namespace {

void Gauge(Emitter& out, const char* name, const char* help, uint64_t value) {
  out << "# TYPE xalloc_" << name << " gauge\n# UNIT xalloc_" << name << " bytes\n# HELP xalloc_" << name << ' ' << help << "\nxalloc_" << name << ' ' << value << '\n';
}

void Counter(Emitter& out, const char* name, const char* help, uint64_t value) {
  out << "# TYPE xalloc_" << name << " counter\n# HELP xalloc_" << name << ' ' << help << "\nxalloc_" << name << "_total " << value << '\n';
}

template <class Fn>
void PerBin(Emitter& out, const char* name, const char* type, const char* suffix, const char* help, Fn value) {
  const ArenaNumbers* n = NumbersOf(kMerged);
  if (n == nullptr) return;
  out << "# TYPE xalloc_bin_" << name << ' ' << type << "\n# HELP xalloc_bin_" << name << ' ' << help << '\n';
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    if (n->bins[cls].nmalloc == 0) continue;
    out << "xalloc_bin_" << name << suffix << "{size=\"" << ClassSize(cls) << "\"} " << value(n->bins[cls]) << '\n';
  }
}

}  // namespace

void PrintMetrics(Emitter& out) {
  const TotalNumbers t = CopyOfTotals();
  Gauge(out, "allocated_bytes", "In the program's hands.", t.allocated);
  Gauge(out, "active_bytes", "In slabs and large blocks.", t.active);
  Gauge(out, "resident_bytes", "Resident at most.", t.resident);
  Gauge(out, "mapped_bytes", "Mapped and in use or dirty.", t.mapped);
  Gauge(out, "retained_bytes", "Address space kept.", t.retained);
  Gauge(out, "metadata_bytes", "The allocator's own.", t.metadata);
  Gauge(out, "cached_bytes", "In thread caches.", t.tcache_bytes);
  Gauge(out, "depot_bytes", "In depots.", t.depot_bytes);
  Gauge(out, "slab_free_bytes", "Free slots of slabs in use.", t.slab_free);
  Gauge(out, "dirty_bytes", "Free and not yet given back.", t.dirty);
  Gauge(out, "muzzy_bytes", "Offered to the kernel.", t.muzzy);
  Gauge(out, "peak_bytes", "The most that was resident.", t.peak);
  Counter(out, "purged_bytes", "Given back to the kernel.", t.pages.purged + t.pages.inside);
  Counter(out, "purge_calls", "System calls to give back.", t.pages.purge_calls);
  Counter(out, "huge_bytes", "Huge pages made at birth.", t.pages.huge);
  Counter(out, "collapses", "Huge pages made later.", t.pages.collapses);
  Counter(out, "size_mismatches", "Frees with a wrong size.", t.size_mismatches);
  PerBin(out, "live", "gauge", "", "Slots out of slabs.", [](const BinNumbers& b) { return b.curregs; });
  PerBin(out, "slabs", "gauge", "", "Slabs.", [](const BinNumbers& b) { return b.curslabs; });
  PerBin(out, "refilled", "counter", "_total", "Objects moved to threads.", [](const BinNumbers& b) { return b.nmalloc; });
  PerBin(out, "flushed", "counter", "_total", "Objects that came back.", [](const BinNumbers& b) { return b.ndalloc; });
  out << "# EOF\n";
}

}  // namespace xalloc
