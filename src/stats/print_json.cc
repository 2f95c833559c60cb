// SPDX-License-Identifier: MIT
// print_json.cc: the shape that readers of jemalloc's JSON know: jemalloc.{version, config, opt, arenas, stats, stats.arenas}; a few members
// of ours beside theirs, and none of those whose mechanism does not exist here.
#include <string.h>

#include "conf/options.h"
#include "conf/words.h"
#include "os/system.h"
#include "purge/purge.h"
#include "purge/purger.h"
#include "stats/print.h"
#include "stats/snapshot.h"
#include "stats/version.h"

namespace xalloc {
namespace {

class Json {
 public:
  explicit Json(Emitter& out) : out_(out) {}
  void Open(const char* key, char bracket) {
    Key(key);
    out_ << bracket;
    empty_ = true;
    ++depth_;
  }
  void Close(char bracket) {
    --depth_;
    if (!empty_) NewLine();
    out_ << bracket;
    empty_ = false;
  }
  void Number(const char* key, uint64_t value) { Key(key), out_ << value; }
  void Signed(const char* key, int64_t value) { Key(key), out_ << value; }
  void Yes(const char* key, bool value) { Key(key), out_ << (value ? "true" : "false"); }
  void Raw(const char* key, const char* value) { Key(key), out_ << value; }
  // Of what can stand in our strings only these two need an escape.
  void Text(const char* key, const char* value) {
    Key(key);
    out_ << '"';
    for (; *value != '\0'; ++value) {
      if (*value == '"' || *value == '\\') out_ << '\\';
      out_ << *value;
    }
    out_ << '"';
  }

 private:
  void NewLine() {
    out_ << '\n';
    for (unsigned i = 0; i < depth_; ++i) out_ << ' ';
  }
  void Key(const char* key) {
    if (!empty_) out_ << ',';
    if (depth_ != 0) NewLine();
    empty_ = false;
    if (key != nullptr) out_ << '"' << key << "\": ";
  }
  Emitter& out_;
  unsigned depth_ = 0;
  bool empty_ = true;
};

void WriteConfig(Json& json) {
  json.Open("config", '{');
  json.Yes("cache_oblivious", false);
  json.Yes("debug", XALLOC_DEBUG != 0);
  json.Yes("fill", true);
  json.Yes("lazy_lock", false);
  json.Text("malloc_conf", g_built_in_conf);
  json.Yes("opt_safety_checks", true);
  json.Yes("prof", false);
  json.Yes("prof_libgcc", false);
  json.Yes("prof_libunwind", false);
  json.Yes("stats", true);
  json.Yes("utrace", false);
  json.Yes("xmalloc", true);
  json.Close('}');
}

// What readers take for a number or for yes and no is that: `auto` as what it comes to.
void WriteOption(void* to, const OptionShown& option) {
  auto* json = static_cast<Json*>(to);
  const Span name = {option.name, strlen(option.name)};
  if (name.Is("background_thread")) return json->Yes(option.name, TotalsOfEpoch().purger_threads != 0);
  if (name.Is("narenas")) return json->Number(option.name, g_options.narenas != 0 ? static_cast<uint64_t>(g_options.narenas) : TotalsOfEpoch().arenas);
  if (option.word) return json->Text(option.name, option.text);
  json->Raw(option.name, option.text);
}

void WriteSizes(Json& json, const Parts& parts) {
  json.Open("arenas", '{');
  json.Number("narenas", ArenaCount());
  json.Signed("dirty_decay_ms", DirtyDecayMs());
  json.Signed("muzzy_decay_ms", MuzzyDecayMs());
  json.Number("quantum", 16);
  json.Number("page", os::PageSize());
  json.Number("hugepage", kHugepage);
  json.Signed("tcache_max", g_options.tcache_max);
  json.Number("nbins", kNumClasses);
  json.Number("nhbins", kNumClasses);
  if (parts.bins) {
    json.Open("bin", '[');
    for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
      json.Open(nullptr, '{');
      json.Number("size", ClassSize(cls));
      json.Number("nregs", ShapeOf(cls).slots);
      json.Number("slab_size", ShapeOf(cls).granules * kGranule);
      json.Number("nshards", 1);
      json.Close('}');
    }
    json.Close(']');
  }
  json.Number("nlextents", kLextents);
  if (parts.large) {
    json.Open("lextent", '[');
    for (unsigned i = 0; i < kLextents; ++i) {
      json.Open(nullptr, '{');
      json.Number("size", LextentSize(i));
      json.Close('}');
    }
    json.Close(']');
  }
  json.Close('}');
}

void WriteTotals(Json& json, const Parts& parts) {
  const TotalNumbers t = CopyOfTotals();
  json.Open("stats", '{');
  json.Number("allocated", t.allocated);
  json.Number("active", t.active);
  json.Number("metadata", t.metadata);
  json.Number("metadata_thp", t.metadata_thp);
  json.Number("resident", t.resident);
  json.Number("mapped", t.mapped);
  json.Number("retained", t.retained);
  json.Number("zero_reallocs", t.zero_reallocs);
  json.Number("cached", t.tcache_bytes);
  json.Number("depots", t.depot_bytes);
  json.Number("slab_free", t.slab_free);
  json.Number("peak", t.peak);
  json.Number("size_mismatches", t.size_mismatches);
  json.Open("background_thread", '{');
  json.Number("num_threads", t.purger_threads);
  json.Number("num_runs", t.purger_runs);
  json.Number("run_interval", t.purger_interval_ns);
  json.Close('}');
  if (parts.huge) {
    json.Open("hugepages", '{');
    json.Number("pinned", t.huge_pinned);
    json.Number("huge", t.pages.huge);
    json.Number("populated", t.pages.populated);
    json.Number("spared", t.pages.spared);
    json.Number("stalls", t.pages.stalls);
    json.Number("collapses", t.pages.collapses);
    json.Number("collapse_failures", t.pages.collapse_failures);
    json.Close('}');
  }
  json.Close('}');
}

void WriteKind(Json& json, const char* kind, const uint64_t (&v)[6]) {
  static constexpr char kNames[][12] = {"allocated", "nmalloc", "ndalloc", "nrequests", "nfills", "nflushes"};
  json.Open(kind, '{');
  for (unsigned i = 0; i < 6; ++i) json.Number(kNames[i], v[i]);
  json.Close('}');
}

void WriteBins(Json& json, const ArenaNumbers& n) {
  json.Open("bins", '[');
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    const BinNumbers& b = n.bins[cls];
    json.Open(nullptr, '{');
    json.Number("nmalloc", b.nmalloc);
    json.Number("ndalloc", b.ndalloc);
    json.Number("curregs", b.curregs);
    json.Number("nrequests", b.nrequests);
    json.Number("nfills", b.nfills);
    json.Number("nflushes", b.nflushes);
    json.Number("nslabs", b.nslabs);
    json.Number("nreslabs", b.nreslabs);
    json.Number("curslabs", b.curslabs);
    json.Number("nonfull_slabs", b.nonfull_slabs);
    json.Close('}');
  }
  json.Close(']');
}

void WriteArena(Json& json, const char* key, const ArenaNumbers& n, const Parts& parts, ManualArena* manual = nullptr) {
  json.Open(key, '{');
  json.Number("nthreads", n.nthreads);
  json.Text("dss", "disabled");
  json.Signed("dirty_decay_ms", manual != nullptr ? DirtyDecayMsOf(manual) : DirtyDecayMs());
  json.Signed("muzzy_decay_ms", manual != nullptr ? MuzzyDecayMsOf(manual) : MuzzyDecayMs());
  json.Number("pactive", n.pactive);
  json.Number("pdirty", n.pdirty);
  json.Number("pmuzzy", n.pmuzzy);
  json.Number("dirty_npurge", n.dirty_npurge);
  json.Number("dirty_nmadvise", n.dirty_nmadvise);
  json.Number("dirty_purged", n.dirty_purged);
  json.Number("muzzy_npurge", n.muzzy_npurge);
  json.Number("muzzy_nmadvise", n.muzzy_nmadvise);
  json.Number("muzzy_purged", n.muzzy_purged);
  WriteKind(json, "small", {n.small_allocated, n.small_nmalloc, n.small_ndalloc, n.small_nrequests, n.small_nfills, n.small_nflushes});
  WriteKind(json, "large", {n.large_allocated, n.large_nmalloc, n.large_ndalloc, n.large_nrequests, n.large_nfills, n.large_nflushes});
  json.Number("mapped", n.mapped);
  json.Number("retained", n.retained);
  json.Number("base", n.base);
  json.Number("internal", n.internal);
  json.Number("tcache_bytes", n.tcache_bytes);
  json.Number("depot_bytes", n.depot_bytes);
  json.Number("resident", n.resident);
  if (parts.bins) WriteBins(json, n);
  if (parts.large) {
    json.Open("lextents", '[');
    for (const LextentNumbers& l : n.lextents) {
      json.Open(nullptr, '{');
      json.Number("curlextents", l.curlextents);
      json.Close('}');
    }
    json.Close(']');
  }
  json.Close('}');
}

}  // namespace

void PrintJson(Emitter& out, const Parts& parts) {
  Json json(out);
  json.Open(nullptr, '{');
  json.Open("jemalloc", '{');
  if (parts.general) {
    json.Text("version", kVersion);
    WriteConfig(json);
    json.Open("opt", '{');
    ForEachOption(true, WriteOption, &json);
    json.Close('}');
    WriteSizes(json, parts);
  }
  WriteTotals(json, parts);
  if (parts.merged || parts.destroyed || parts.each_arena) {
    json.Open("stats.arenas", '{');
    if (const ArenaNumbers* n = NumbersOf(kMerged); parts.merged && n != nullptr) WriteArena(json, "merged", *n, parts);
    if (const ArenaNumbers* n = NumbersOf(kDestroyed); parts.destroyed && n != nullptr && n->there != 0) WriteArena(json, "destroyed", *n, parts);
    for (unsigned i = 0; parts.each_arena && i < ArenaCount(); ++i) {
      const ArenaNumbers* n = NumbersOf(i);
      if (n == nullptr || n->there == 0) continue;
      LineBuffer<12> key;
      key << i;
      WriteArena(json, key.data(), *n, parts, ArenaOf(i).manual);
    }
    json.Close('}');
  }
  json.Close('}');
  json.Close('}');
  out << '\n';
}

}  // namespace xalloc
