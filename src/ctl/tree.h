// SPDX-License-Identifier: MIT
// tree.h: the one table of the mallctl tree: name, type, access, and where the value comes from. Everything else is derived from it: name
// lookup, MIBs, the tests, the list in docs/stats.md.
//
// '#' stands for a number. Rows that share a beginning stand together. A leaf's source is one of
//   Total(field), Arena(field), Bin(field), Lextent(field)   a word of the last snapshot (stats/snapshot.h)
//   Option(name)                                             a row of the option table
//   Call(function)                                           a function of leaves.cc
// Types are jemalloc's: B bool, U unsigned, W uint32_t, Z size_t, Q uint64_t, S ssize_t, T const char*, P pointer, V none.
// Access: R, W, RW, RP (reads its type, writes a pointer), RC (reading makes something); V leaves do something: by any access that carries no value.
#pragma once

#include "conf/options.h"

#define XALLOC_CTL_OPTION(name, def, lo, hi, unit, words, help) X("opt." #name, Opt, R, Option(name))

#define XALLOC_CTL_ROWS                                                            \
  X("version", T, R, Call(Version))                                                \
  X("epoch", Q, RW, Call(Epoch))                                                   \
  X("background_thread", B, RW, Call(BackgroundThreadOn))                          \
  X("max_background_threads", Z, RW, Call(MaxBackgroundThreadsLeaf))               \
  X("config.cache_oblivious", B, R, Call(False))                                   \
  X("config.debug", B, R, Call(IsDebug))                                           \
  X("config.fill", B, R, Call(True))                                               \
  X("config.lazy_lock", B, R, Call(False))                                         \
  X("config.malloc_conf", T, R, Call(BuiltInConf))                                 \
  X("config.opt_safety_checks", B, R, Call(True))                                  \
  X("config.prof", B, R, Call(False))                                              \
  X("config.prof_libgcc", B, R, Call(False))                                       \
  X("config.prof_libunwind", B, R, Call(False))                                    \
  X("config.stats", B, R, Call(True))                                              \
  X("config.utrace", B, R, Call(False))                                            \
  X("config.xmalloc", B, R, Call(True))                                            \
  XALLOC_OPTIONS(XALLOC_CTL_OPTION)                                                \
  X("opt.prof", B, R, Call(False))                                                 \
  X("opt.retain", B, R, Call(True))                                                \
  X("thread.arena", U, RW, Call(ThreadArena))                                      \
  X("thread.allocated", Q, R, Call(ThreadAllocated))                               \
  X("thread.allocatedp", P, R, Call(ThreadAllocatedP))                             \
  X("thread.deallocated", Q, R, Call(ThreadDeallocated))                           \
  X("thread.deallocatedp", P, R, Call(ThreadDeallocatedP))                         \
  X("thread.tcache.enabled", B, RW, Call(ThreadCacheEnabled))                      \
  X("thread.tcache.flush", V, W, Call(ThreadCacheFlush))                           \
  X("thread.tcache.max", Z, R, Call(ThreadCacheMax))                               \
  X("thread.idle", V, W, Call(ThreadIdle))                                         \
  X("thread.peak.read", Q, R, Call(ThreadPeakRead))                                \
  X("thread.peak.reset", V, W, Call(ThreadPeakReset))                              \
  X("tcache.create", U, RC,Call(CacheCreate))                                      \
  X("tcache.flush", U, W, Call(CacheFlush))                                        \
  X("tcache.destroy", U, W, Call(CacheDestroy))                                    \
  X("arena.#.initialized", B, R, Call(ArenaInitialized))                           \
  X("arena.#.decay", V, W, Call(ArenaDecay))                                       \
  X("arena.#.purge", V, W, Call(ArenaPurge))                                       \
  X("arena.#.reset", V, W, Call(ArenaReset))                                       \
  X("arena.#.destroy", V, W, Call(ArenaDestroy))                                   \
  X("arena.#.dss", T, R, Call(Dss))                                                \
  X("arena.#.dirty_decay_ms", S, RW, Call(ArenaDirtyDecay))                        \
  X("arena.#.muzzy_decay_ms", S, RW, Call(ArenaMuzzyDecay))                        \
  X("arena.#.extent_hooks", P, RW, Call(ArenaHooks))                               \
  X("arena.#.name", T, RW, Call(ArenaName))                                        \
  X("arenas.narenas", U, R, Call(Narenas))                                         \
  X("arenas.dirty_decay_ms", S, RW, Call(ArenasDirtyDecay))                        \
  X("arenas.muzzy_decay_ms", S, RW, Call(ArenasMuzzyDecay))                        \
  X("arenas.quantum", Z, R, Call(Quantum))                                         \
  X("arenas.page", Z, R, Call(Page))                                               \
  X("arenas.hugepage", Z, R, Call(HugepageBytes))                                  \
  X("arenas.tcache_max", Z, R, Call(ThreadCacheMax))                               \
  X("arenas.nbins", U, R, Call(Nbins))                                             \
  X("arenas.nhbins", U, R, Call(Nhbins))                                           \
  X("arenas.nlextents", U, R, Call(Nlextents))                                     \
  X("arenas.bin.#.size", Z, R, Call(BinSize))                                      \
  X("arenas.bin.#.nregs", W, R, Call(BinNregs))                                    \
  X("arenas.bin.#.slab_size", Z, R, Call(BinSlabSize))                             \
  X("arenas.bin.#.nshards", W, R, Call(BinNshards))                                \
  X("arenas.lextent.#.size", Z, R, Call(LextentBytes))                             \
  X("arenas.create", U, RP, Call(ArenasCreate))                                    \
  X("arenas.lookup", U, RP, Call(ArenasLookup))                                    \
  X("stats.allocated", Z, R, Total(allocated))                                     \
  X("stats.active", Z, R, Total(active))                                           \
  X("stats.metadata", Z, R, Total(metadata))                                       \
  X("stats.metadata_thp", Z, R, Total(metadata_thp))                               \
  X("stats.resident", Z, R, Total(resident))                                       \
  X("stats.mapped", Z, R, Total(mapped))                                           \
  X("stats.retained", Z, R, Total(retained))                                       \
  X("stats.zero_reallocs", Z, R, Total(zero_reallocs))                             \
  X("stats.cached", Z, R, Total(tcache_bytes))                                     \
  X("stats.depots", Z, R, Total(depot_bytes))                                      \
  X("stats.slab_free", Z, R, Total(slab_free))                                     \
  X("stats.peak", Z, R, Total(peak))                                               \
  X("stats.size_mismatches", Q, R, Total(size_mismatches))                         \
  X("stats.hugepages.pinned", Z, R, Total(huge_pinned))                            \
  X("stats.hugepages.huge", Q, R, Total(pages.huge))                               \
  X("stats.hugepages.populated", Q, R, Total(pages.populated))                     \
  X("stats.hugepages.spared", Q, R, Total(pages.spared))                           \
  X("stats.hugepages.stalls", Q, R, Total(pages.stalls))                           \
  X("stats.hugepages.collapses", Q, R, Total(pages.collapses))                     \
  X("stats.hugepages.collapse_failures", Q, R, Total(pages.collapse_failures))     \
  X("stats.background_thread.num_threads", Z, R, Total(purger_threads))            \
  X("stats.background_thread.num_runs", Q, R, Total(purger_runs))                  \
  X("stats.background_thread.run_interval", Q, R, Total(purger_interval_ns))       \
  X("stats.arenas.#.nthreads", U, R, Arena(nthreads))                              \
  X("stats.arenas.#.dss", T, R, Call(Dss))                                         \
  X("stats.arenas.#.dirty_decay_ms", S, R, Call(ArenaDirtyDecay))                  \
  X("stats.arenas.#.muzzy_decay_ms", S, R, Call(ArenaMuzzyDecay))                  \
  X("stats.arenas.#.pactive", Z, R, Arena(pactive))                                \
  X("stats.arenas.#.pdirty", Z, R, Arena(pdirty))                                  \
  X("stats.arenas.#.pmuzzy", Z, R, Arena(pmuzzy))                                  \
  X("stats.arenas.#.mapped", Z, R, Arena(mapped))                                  \
  X("stats.arenas.#.retained", Z, R, Arena(retained))                              \
  X("stats.arenas.#.base", Z, R, Arena(base))                                      \
  X("stats.arenas.#.internal", Z, R, Arena(internal))                              \
  X("stats.arenas.#.tcache_bytes", Z, R, Arena(tcache_bytes))                      \
  X("stats.arenas.#.depot_bytes", Z, R, Arena(depot_bytes))                        \
  X("stats.arenas.#.resident", Z, R, Arena(resident))                              \
  X("stats.arenas.#.dirty_npurge", Q, R, Arena(dirty_npurge))                      \
  X("stats.arenas.#.dirty_nmadvise", Q, R, Arena(dirty_nmadvise))                  \
  X("stats.arenas.#.dirty_purged", Q, R, Arena(dirty_purged))                      \
  X("stats.arenas.#.muzzy_npurge", Q, R, Arena(muzzy_npurge))                      \
  X("stats.arenas.#.muzzy_nmadvise", Q, R, Arena(muzzy_nmadvise))                  \
  X("stats.arenas.#.muzzy_purged", Q, R, Arena(muzzy_purged))                      \
  X("stats.arenas.#.small.allocated", Z, R, Arena(small_allocated))                \
  X("stats.arenas.#.small.nmalloc", Q, R, Arena(small_nmalloc))                    \
  X("stats.arenas.#.small.ndalloc", Q, R, Arena(small_ndalloc))                    \
  X("stats.arenas.#.small.nrequests", Q, R, Arena(small_nrequests))                \
  X("stats.arenas.#.small.nfills", Q, R, Arena(small_nfills))                      \
  X("stats.arenas.#.small.nflushes", Q, R, Arena(small_nflushes))                  \
  X("stats.arenas.#.large.allocated", Z, R, Arena(large_allocated))                \
  X("stats.arenas.#.large.nmalloc", Q, R, Arena(large_nmalloc))                    \
  X("stats.arenas.#.large.ndalloc", Q, R, Arena(large_ndalloc))                    \
  X("stats.arenas.#.large.nrequests", Q, R, Arena(large_nrequests))                \
  X("stats.arenas.#.large.nfills", Q, R, Arena(large_nfills))                      \
  X("stats.arenas.#.large.nflushes", Q, R, Arena(large_nflushes))                  \
  X("stats.arenas.#.bins.#.nmalloc", Q, R, Bin(nmalloc))                           \
  X("stats.arenas.#.bins.#.ndalloc", Q, R, Bin(ndalloc))                           \
  X("stats.arenas.#.bins.#.nrequests", Q, R, Bin(nrequests))                       \
  X("stats.arenas.#.bins.#.curregs", Z, R, Bin(curregs))                           \
  X("stats.arenas.#.bins.#.nfills", Q, R, Bin(nfills))                             \
  X("stats.arenas.#.bins.#.nflushes", Q, R, Bin(nflushes))                         \
  X("stats.arenas.#.bins.#.nslabs", Q, R, Bin(nslabs))                             \
  X("stats.arenas.#.bins.#.nreslabs", Q, R, Bin(nreslabs))                         \
  X("stats.arenas.#.bins.#.curslabs", Z, R, Bin(curslabs))                         \
  X("stats.arenas.#.bins.#.nonfull_slabs", Z, R, Bin(nonfull_slabs))               \
  X("stats.arenas.#.lextents.#.nmalloc", Q, R, Lextent(nmalloc))                   \
  X("stats.arenas.#.lextents.#.ndalloc", Q, R, Lextent(ndalloc))                   \
  X("stats.arenas.#.lextents.#.nrequests", Q, R, Lextent(nrequests))               \
  X("stats.arenas.#.lextents.#.curlextents", Z, R, Lextent(curlextents))           \
  X("approximate_stats.active", Z, R, Call(ApproximateActive))
