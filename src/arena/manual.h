// SPDX-License-Identifier: MIT
#pragma once
#include "arena/directory.h"
#include "xalloc/xalloc.h"
namespace xalloc {
inline const extent_hooks_t* DefaultExtentHooks() { return nullptr; }
inline bool CreateArena(extent_hooks_t*, unsigned*) { return false; }
enum class ArenaDone { kDone, kNoSuch, kNotManual };
inline ArenaDone DestroyArena(unsigned) { return ArenaDone::kNoSuch; }
inline ArenaDone ResetArena(unsigned) { return ArenaDone::kNoSuch; }
inline size_t PurgeArena(ManualArena*) { return 0; }
inline extent_hooks_t* HooksOf(ManualArena*) { return nullptr; }
inline void SetHooks(ManualArena*, extent_hooks_t*) {}
inline int64_t DirtyDecayMsOf(ManualArena*) { return 0; }
inline void SetDirtyDecayMs(ManualArena*, int64_t) {}
inline int64_t MuzzyDecayMsOf(ManualArena*) { return 0; }
inline void SetMuzzyDecayMs(ManualArena*, int64_t) {}
inline void NameOf(ManualArena*, char (&)[32]) {}
inline void SetName(ManualArena*, const char*) {}
struct ManualStats { size_t mapped, active, dirty, small_allocated, large_allocated; uint64_t nmalloc_small, ndalloc_small, nmalloc_large, ndalloc_large, npurge, nmadvise, purged; };
inline ManualStats StatsOf(ManualArena*) { return {}; }
inline BinStats BinStatsOf(ManualArena*, unsigned) { return {}; }
}  // namespace xalloc
