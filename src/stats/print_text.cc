// SPDX-License-Identifier: MIT
// print_text.cc: statistics for people. docs/stats.md explains every line.
#include "conf/options.h"
#include "os/system.h"
#include "purge/purge.h"
#include "stats/print.h"
#include "stats/snapshot.h"
#include "stats/version.h"

namespace xalloc {
namespace {

constexpr unsigned kLabel = 34, kNumber = 12;

void Line(Emitter& out, const char* label, uint64_t bytes, uint64_t whole, const char* why) {
  out << "  ";
  out.Name(label, kLabel).Column(Bytes(bytes).data(), kNumber).Column(Percent(bytes, whole).data(), 9);
  if (*why != '\0') out << "  " << why;
  out << '\n';
}

void WriteOption(void* out, const OptionShown& option) { *static_cast<Emitter*>(out) << ' ' << option.name << ':' << option.text; }

void WriteGeneral(Emitter& out) {
  out << "Version: " << kVersion << "\nOptions:";
  ForEachOption(false, WriteOption, &out);
  out << "\nPage size " << os::PageSize() << ", arenas " << ArenaCount() << ", thread caches " << TotalsOfEpoch().caches << "\n\n";
}

void WriteWhere(Emitter& out, const TotalNumbers& t) {
  const uint64_t whole = t.resident;
  out << "Memory: " << Bytes(t.resident).data() << " resident at most, " << Bytes(t.peak).data() << " at its highest, " << Bytes(t.retained).data()
      << " of address space kept\n";
  Line(out, "in the program's hands", t.allocated, whole, "");
  Line(out, "in thread caches", t.tcache_bytes, whole, "at hand for their threads; malloc_trim or tcache:false returns it");
  Line(out, "in depots", t.depot_bytes, whole, "at hand for all threads; malloc_trim returns it");
  Line(out, "free slots of slabs in use", t.slab_free, whole, "fragmentation: the slab holds live blocks, too");
  const uint64_t inside = t.allocated + t.tcache_bytes + t.depot_bytes + t.slab_free;
  if (t.active > inside) Line(out, "ends of slabs and of large blocks", t.active - inside, whole, "rounding");
  Line(out, "dirty", t.dirty - Min(t.dirty, t.huge_pinned), whole, DirtyDecayMs() < 0 ? "dirty_decay_ms is never" : "goes back within dirty_decay_ms; a smaller one returns it sooner");
  Line(out, "free in huge pages", t.huge_pinned, whole, "less than half of the huge page is free; thp:never or malloc_trim returns it");
  Line(out, "muzzy", t.muzzy, whole, "the kernel takes it when it needs some; muzzy_decay_ms:0 has no such stage");
  Line(out, "metadata", t.metadata, whole, "reused, never given back");
  out << '\n';
}

void Hint(Emitter& out, const TotalNumbers& t) {
  const uint64_t idle = t.resident - Min(t.resident, t.allocated);
  if (t.resident < (8 << 20) || idle * 4 < t.resident) return;
  out << "Hint: " << Percent(idle, t.resident).data() << " of resident memory is not in use; most of it is ";
  const uint64_t cached = t.tcache_bytes + t.depot_bytes;
  if (t.dirty >= cached && t.dirty >= t.slab_free) {
    out << "dirty: dirty_decay_ms and dirty_limit bound it, background_thread:true returns it without the program's help\n\n";
  } else if (cached >= t.slab_free) {
    out << "in caches: fewer or shorter-lived threads, tcache_max, or malloc_trim when idle\n\n";
  } else {
    out << "in half-empty slabs: blocks that outlive their neighbours; an arena of their own (arenas.create) keeps them apart\n\n";
  }
}

void WriteHuge(Emitter& out, const TotalNumbers& t) {
  const PageCounters& p = t.pages;
  out << "Given back: " << Bytes(p.purged + p.inside).data() << " in " << p.ranges << " runs by " << p.purge_calls << " system calls, "
      << p.purge_ns / 1000 << " us; of it inside of slabs " << Bytes(p.inside).data() << "; offered " << Bytes(p.offered).data() << '\n';
  out << "Huge pages: " << Bytes(p.huge).data() << " made at birth, " << p.collapses << " made later, " << p.collapse_failures << " refused, " << p.stalls
      << " slow; left whole " << p.spared << " times; populated ahead " << Bytes(p.populated).data() << '\n';
  out << "Purger: " << (t.purger_threads != 0 ? "running" : "not running") << ", " << t.purger_runs << " steps\n\n";
}

void WriteBins(Emitter& out, const ArenaNumbers& n) {
  bool head = false;
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    const BinNumbers& b = n.bins[cls];
    if (b.nslabs == 0 && b.nmalloc == 0) continue;
    if (!head) out << "  bins:    size      regs     bytes  used      slabs   partial      nmalloc      ndalloc     nfills   nflushes\n";
    head = true;
    const uint64_t slots = b.curslabs * ShapeOf(cls).slots;
    out << "      ";
    out.Column(ClassSize(cls), 8).Column(b.curregs, 10).Column(Bytes(b.curregs * ClassSize(cls)).data(), 10);
    out.Column(slots == 0 ? uint64_t{0} : b.curregs * 100 / slots, 4) << " %";
    out.Column(b.curslabs, 11).Column(b.nonfull_slabs, 10).Column(b.nmalloc, 13).Column(b.ndalloc, 13).Column(b.nfills, 11).Column(b.nflushes, 11) << '\n';
  }
}

void WriteLarge(Emitter& out, const ArenaNumbers& n) {
  bool head = false;
  for (unsigned i = 0; i < kLextents; ++i) {
    const LextentNumbers& l = n.lextents[i];
    if (l.nmalloc == 0) continue;
    if (!head) out << "  large:  up to    blocks      nmalloc      ndalloc\n";
    head = true;
    out << "   ";
    out.Column(Bytes(LextentSize(i)).data(), 12).Column(l.curlextents, 10).Column(l.nmalloc, 13).Column(l.ndalloc, 13) << '\n';
  }
}

void WriteArena(Emitter& out, const ArenaNumbers& n, const Parts& parts) {
  const size_t page = os::PageSize();
  out << "  small " << Bytes(n.small_allocated).data() << ", large " << Bytes(n.large_allocated).data() << ", active " << Bytes(n.pactive * page).data()
      << ", dirty " << Bytes(n.pdirty * page).data() << ", mapped " << Bytes(n.mapped).data() << ", retained " << Bytes(n.retained).data() << "; refills "
      << n.small_nfills << ", flushes " << n.small_nflushes << '\n';
  if (parts.bins) WriteBins(out, n);
  if (parts.large) WriteLarge(out, n);
  out << '\n';
}

}  // namespace

void PrintText(Emitter& out, const Parts& parts) {
  const TotalNumbers t = CopyOfTotals();
  out << "___ Begin xalloc statistics ___\n";
  if (parts.general) WriteGeneral(out);
  out << "Allocated: " << t.allocated << ", active: " << t.active << ", metadata: " << t.metadata << ", resident: " << t.resident << ", mapped: " << t.mapped
      << ", retained: " << t.retained << "\n\n";
  WriteWhere(out, t);
  Hint(out, t);
  if (t.size_mismatches != 0) out << "Frees with a wrong size: " << t.size_mismatches << "; harden:full reports them\n\n";
  if (parts.huge) WriteHuge(out, t);
  if (const ArenaNumbers* n = NumbersOf(kMerged); parts.merged && n != nullptr) {
    out << "Merged arenas:\n";
    WriteArena(out, *n, parts);
  }
  if (const ArenaNumbers* n = NumbersOf(kDestroyed); parts.destroyed && n != nullptr && n->there != 0) {
    out << "Destroyed arenas:\n";
    WriteArena(out, *n, parts);
  }
  for (unsigned i = 0; parts.each_arena && i < ArenaCount(); ++i) {
    const ArenaNumbers* n = NumbersOf(i);
    if (n == nullptr || n->there == 0) continue;
    out << "arenas[" << i << "]:\n";
    WriteArena(out, *n, parts);
  }
  out << "--- End xalloc statistics ---\n";
}

}  // namespace xalloc
