// SPDX-License-Identifier: MIT
// glibc_extras.cc: malloc_trim, malloc_stats, mallinfo, mallinfo2, malloc_info, mallopt (glibc manual), with our numbers. On musl, whose
// headers have none of them, the first two only: they need no type that is not there.
#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#include "api/whole.h"
#include "os/libc.h"
#include "purge/purge.h"
#include "stats/stats.h"

using namespace xalloc;

// Gives back everything unused, thread caches included. 1 if something went back. `pad` is ignored: there is no top of a heap.
XALLOC_EXPORT int malloc_trim(size_t) { return PurgeEverything() > 0 ? 1 : 0; }

XALLOC_EXPORT void malloc_stats() { PrintSummary(); }

#if XALLOC_GLIBC
// arena: bytes of the heap that have memory behind them; uordblks: in the program's hands; fordblks: the rest of arena;
// hblks, hblkhd: mappings of their own (not in arena); fsmblks: in thread caches and depots; keepcost: what malloc_trim could
// give back at least.
XALLOC_EXPORT struct mallinfo2 mallinfo2() {
  const Totals t = CollectTotals();
  struct mallinfo2 m = {};
  m.arena = t.extents.used + t.extents.dirty;
  m.ordblks = t.bins.nslabs - t.bins.nslabs_freed;
  m.smblks = 0;
  m.hblkhd = t.extents.mapped_blocks;
  m.hblks = t.extents.mapped_blocks != 0 ? 1 : 0;
  m.uordblks = t.small_allocated + t.large_allocated - Min(t.large_allocated, t.extents.mapped_blocks);
  m.fordblks = m.arena - Min(m.arena, m.uordblks);
  m.fsmblks = t.small_cached();
  m.keepcost = t.extents.dirty;
  return m;
}

XALLOC_EXPORT struct mallinfo mallinfo() {
  const struct mallinfo2 from = mallinfo2();
  auto clamp = [](size_t v) { return static_cast<int>(Min(v, size_t{0x7fffffff})); };
  struct mallinfo m = {};
  m.arena = clamp(from.arena);
  m.ordblks = clamp(from.ordblks);
  m.hblks = clamp(from.hblks);
  m.hblkhd = clamp(from.hblkhd);
  m.fsmblks = clamp(from.fsmblks);
  m.uordblks = clamp(from.uordblks);
  m.fordblks = clamp(from.fordblks);
  m.keepcost = clamp(from.keepcost);
  return m;
}

XALLOC_EXPORT int malloc_info(int options, FILE* stream) {
  if (options != 0) return EINVAL;  // as glibc
  const Totals t = CollectTotals();
  const int written = fprintf(stream,
          "<malloc version=\"xalloc-1\">\n"
          "<total type=\"allocated\" size=\"%zu\"/>\n<total type=\"cached\" size=\"%zu\"/>\n<total type=\"slab-free\" size=\"%zu\"/>\n"
          "<total type=\"dirty\" size=\"%zu\"/>\n<total type=\"mmap\" size=\"%zu\"/>\n<total type=\"metadata\" size=\"%zu\"/>\n"
          "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n"
          "<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n"
          "<arenas count=\"%u\"/>\n<caches count=\"%u\"/>\n</malloc>\n",
          t.allocated(), t.small_cached(), t.slab_free, t.extents.dirty, t.extents.mapped_blocks, t.metadata,
          t.extents.used + t.extents.dirty + t.extents.mapped_blocks, t.extents.peak, t.extents.reserved, t.extents.committed, t.arenas, t.caches);
  return written < 0 ? -1 : 0;
}

// No parameter of glibc's heap exists here: as glibc for a parameter it does not know, 0, except for those whose wish is
// already fulfilled (M_ARENA_MAX, M_MMAP_THRESHOLD ... are hints, and programs check for 1).
XALLOC_EXPORT int mallopt(int parameter, int) {
  switch (parameter) {
    case M_MXFAST:
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
      return 1;
    default:
      return 0;
  }
}
#endif
