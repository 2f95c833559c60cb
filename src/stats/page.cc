// SPDX-License-Identifier: MIT
#include "stats/page.h"

#include "cache/fast_path.h"
#include "os/system.h"

namespace xalloc {
namespace {

constexpr size_t kBytes = 4096;  // of the file, as docs/stats.md says; not a page of the kernel
constexpr uint64_t kEveryMs = 100;
static_assert(sizeof(StatsPage) <= kBytes);

constinit Atomic<StatsPage*> g_page{nullptr};  // set (release) when it is there
constinit os::KeptFd g_fd;                     // written with it
constinit Atomic<uint64_t> g_written_ms{0};    // relaxed: whoever moves it on writes the page
constinit Atomic<uint32_t> g_writing{0};       // acquire, release: one writer at a time; others let it be

void Fill(StatsPage& p) {
  const Totals t = CollectTotals();
  const ExtentStats& e = t.extents;
  p.allocated = t.allocated();
  p.active = e.used + e.mapped_blocks;
  p.resident = p.active + e.dirty + e.muzzy + t.metadata;
  p.mapped = p.resident;
  p.retained = e.reserved - Min(e.reserved, e.used + e.dirty + e.muzzy);
  p.metadata = t.metadata;
  p.cached = t.in_caches;
  p.depots = t.in_depots;
  p.slab_free = t.slab_free;
  p.dirty = e.dirty;
  p.muzzy = e.muzzy;
  p.huge_pinned = t.huge_pinned;
  p.peak = e.peak;
  p.arenas = t.arenas;
  p.caches = t.caches;
  p.small_nmalloc = t.bins.nmalloc;
  p.small_ndalloc = t.bins.ndalloc;
  p.nfills = t.bins.nfills;
  p.nflushes = t.bins.nflushes;
  p.large_nmalloc = e.blocks;
  p.purged = e.pages.purged + e.pages.inside;
  p.purge_calls = e.pages.purge_calls;
  p.purge_ns = e.pages.purge_ns;
  p.huge = e.pages.huge;
  p.populated = e.pages.populated;
  p.collapses = e.pages.collapses;
  p.size_mismatches = t.size_mismatches;
}

// The words of `from` behind `sequence`, between two steps of that.
void WriteWords(StatsPage& page, const StatsPage& from) {
  const uint64_t sequence = __atomic_load_n(&page.sequence, __ATOMIC_RELAXED) | 1;
  __atomic_exchange_n(&page.sequence, sequence, __ATOMIC_ACQ_REL);  // the words are written after it
  auto* out = &page.updated_ns;
  const auto* in = &from.updated_ns;
  constexpr size_t kWords = (sizeof(StatsPage) - offsetof(StatsPage, updated_ns)) / sizeof(uint64_t);
  for (size_t i = 0; i < kWords; ++i) __atomic_store_n(out + i, in[i], __ATOMIC_RELAXED);
  __atomic_store_n(&page.sequence, sequence + 1, __ATOMIC_RELEASE);
}

void Write(StatsPage& page) {
  uint32_t nobody = 0;
  if (!g_writing.CompareExchangeAcquire(nobody, 1)) return;
  StatsPage now{};
  Fill(now);
  now.updated_ns = os::NowNs();
  WriteWords(page, now);
  g_writing.SetRelease(0);
}

}  // namespace

void OpenStatsPage() {
  auto* page = static_cast<StatsPage*>(os::MapPublished("xalloc-stats", kBytes, g_fd));
  if (page == nullptr) return;
  page->layout = StatsPage::kLayout;
  page->bytes = sizeof(StatsPage);
  page->pid = os::ProcessId();
  __atomic_store_n(&page->magic, StatsPage::kMagic, __ATOMIC_RELEASE);
  g_page.SetRelease(page);
  Write(*page);
}

void StatsPageTick() {
  if (XALLOC_LIKELY(g_options.stats_page == 0) || Reporting() || SteppedAside()) return;
  StatsPage* page = g_page.Acquire();
  if (page == nullptr) return;
  const uint64_t now = os::NowMs();
  uint64_t last = g_written_ms.Relaxed();
  if (now - last < kEveryMs || !g_written_ms.CompareExchangeAcquire(last, now)) return;
  Write(*page);
}

void ReopenStatsPage() {
  StatsPage* page = g_page.Relaxed();
  if (page == nullptr) return;
  os::ForgetPublished(page, kBytes, g_fd);
  g_page.SetRelaxed(nullptr);
  g_writing.SetRelaxed(0);
  OpenStatsPage();
}

}  // namespace xalloc
