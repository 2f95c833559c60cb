// SPDX-License-Identifier: MIT
// print.h: statistics as text for people, as JSON in jemalloc's shape, and as OpenMetrics. Each begins with a new snapshot.
// Thread safety: any thread, no lock held; the receiver may allocate.
#pragma once

#include "stats/emitter.h"

namespace xalloc {

// The parts that are written; letters of xmalloc_stats_print leave some out.
struct Parts {
  bool json = false, metrics = false;
  bool general = true, merged = true, destroyed = true, each_arena = true, bins = true, large = true, extents = true, huge = true;
};
Parts PartsOf(const char* letters);

void PrintStatistics(WriteText write, void* opaque, const char* letters);
// To where the library's own lines go.
void ToMessages(void*, const char* text);
// What stats_print and stats_interval write: the summary if `letters` is empty, else the statistics. May run inside of malloc and free.
void PrintStats(const char* letters);
void PrintText(Emitter& out, const Parts& parts);
void PrintJson(Emitter& out, const Parts& parts);
void PrintMetrics(Emitter& out);

}  // namespace xalloc
