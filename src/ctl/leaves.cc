// SPDX-License-Identifier: MIT
// leaves.cc: what the leaves do that are more than a word of a snapshot.
#include <errno.h>
#include <string.h>
#include <xalloc/xalloc.h>

#include "arena/manual.h"
#include "cache/explicit.h"
#include "cache/fast_path.h"
#include "cache/thread_stats.h"
#include "ctl/request.h"
#include "ctl/tree.h"
#include "os/system.h"
#include "purge/purge.h"
#include "purge/purger.h"
#include "stats/snapshot.h"
#include "stats/version.h"

namespace xalloc {
namespace {

// ---- the library -------------------------------------------------------------------------------------------------------------

int Version(Request& r) { return r.SetPointer(kVersion), 0; }
int True(Request& r) { return r.out = 1, 0; }
int False(Request& r) { return r.out = 0, 0; }
int IsDebug(Request& r) { return r.out = XALLOC_DEBUG, 0; }
int BuiltInConf(Request& r) { return r.SetPointer(g_built_in_conf), 0; }

int Epoch(Request& r) {
  if (r.writing && !RefreshSnapshot()) return EAGAIN;
  r.out = EpochNow();
  return 0;
}

// What was asked for; `auto`: whether there is one.
bool BackgroundThreadIsOn() {
  const BackgroundThread wanted = BackgroundThreadWanted();
  return wanted == BackgroundThread::kAuto ? CountsOfPurger().running : wanted == BackgroundThread::kTrue;
}

int BackgroundThreadOn(Request& r) {
  r.out = BackgroundThreadIsOn() ? 1 : 0;
  if (r.writing) SetBackgroundThread(r.in != 0 ? BackgroundThread::kTrue : BackgroundThread::kFalse);
  return 0;
}

int MaxBackgroundThreadsLeaf(Request& r) {
  r.out = static_cast<uint64_t>(MaxBackgroundThreads());
  if (!r.writing) return 0;
  if (r.in == 0 || r.in > 64) return EINVAL;
  SetMaxBackgroundThreads(static_cast<int64_t>(r.in));
  return 0;
}

// ---- thread ------------------------------------------------------------------------------------------------------------------

int ThreadArena(Request& r) {
  r.out = BoundArena();
  return r.writing && !BindThread(static_cast<unsigned>(r.in)) ? EFAULT : 0;
}

int ThreadAllocated(Request& r) {
  SyncThreadStats();
  return r.out = t_local.allocated, 0;
}
int ThreadAllocatedP(Request& r) { return r.SetPointer(AllocatedWord()), 0; }
int ThreadDeallocated(Request& r) { return r.out = *DeallocatedWord(), 0; }
int ThreadDeallocatedP(Request& r) { return r.SetPointer(DeallocatedWord()), 0; }
int ThreadPeakRead(Request& r) { return r.out = PeakOfThread(), 0; }
int ThreadPeakReset(Request&) { return ResetPeakOfThread(), 0; }

int ThreadCacheEnabled(Request& r) {
  r.out = CacheEnabled() ? 1 : 0;
  if (r.writing) EnableCache(r.in != 0);
  return 0;
}

int ThreadCacheFlush(Request&) {
  if (!CacheEnabled()) return EFAULT;
  return FlushOwnCache(false), 0;
}

int ThreadCacheMax(Request& r) { return r.out = static_cast<uint64_t>(g_options.tcache_max), 0; }

// The thread will not allocate for a while: nothing stays with it.
int ThreadIdle(Request&) { return FlushOwnCache(false), 0; }

// ---- tcache ------------------------------------------------------------------------------------------------------------------

int CacheCreate(Request& r) {
  unsigned id = 0;
  if (!r.reading) return EINVAL;
  if (!CreateExplicitCache(&id)) return EAGAIN;
  return r.out = id, 0;
}
int CacheFlush(Request& r) { return !r.writing ? EINVAL : FlushExplicitCache(static_cast<unsigned>(r.in)) ? 0 : EFAULT; }
int CacheDestroy(Request& r) { return !r.writing ? EINVAL : DestroyExplicitCache(static_cast<unsigned>(r.in)) ? 0 : EFAULT; }

// ---- arena.<i> -----------------------------------------------------------------------------------------------------------------

// One past the last is an old name for all.
bool IsAll(size_t index) { return index == kMerged || index == ArenaCount(); }
ArenaRef TheArena(const Request& r) { return ArenaOf(static_cast<unsigned>(r.index[0])); }

int ArenaInitialized(Request& r) {
  r.out = IsAll(r.index[0]) || TheArena(r).exists() ? 1 : 0;
  return 0;
}

// The automatic arenas share one heap: what is asked of one is done for all of them.
template <class ForShared, class ForManual>
int ForEachMeant(const Request& r, ForShared shared, ForManual manual) {
  if (!IsAll(r.index[0])) {
    const ArenaRef arena = TheArena(r);
    if (!arena.exists()) return EFAULT;
    if (arena.automatic != nullptr) shared();
    if (arena.manual != nullptr) manual(arena.manual);
    return 0;
  }
  shared();
  for (unsigned i = 0; i < ArenaCount(); ++i) {
    if (ManualArena* arena = ArenaOf(i).manual; arena != nullptr) manual(arena);
  }
  return 0;
}

int ArenaPurge(Request& r) {
  return ForEachMeant(r, [] { PurgeUnused(Manner::kEverything); }, [](ManualArena* arena) { PurgeArena(arena); });
}

int ArenaDecay(Request& r) {
  return ForEachMeant(
      r, [] { DecayNow(); },
      [](ManualArena* arena) { DecayArena(arena, os::NowMs()); });
}

int ErrorOf(ArenaDone done) { return done == ArenaDone::kDone ? 0 : done == ArenaDone::kNoSuch ? ENOENT : EFAULT; }
int ArenaReset(Request& r) { return ErrorOf(ResetArena(static_cast<unsigned>(r.index[0]))); }
int ArenaDestroy(Request& r) {
  NoteDestroyed(static_cast<unsigned>(r.index[0]));
  return ErrorOf(DestroyArena(static_cast<unsigned>(r.index[0])));
}

int Dss(Request& r) { return r.SetPointer("disabled"), 0; }

template <int64_t (*Get)(), void (*Set)(int64_t), int64_t (*GetOf)(ManualArena*), void (*SetOf)(ManualArena*, int64_t)>
int DecayOf(Request& r) {
  const auto ms = static_cast<int64_t>(r.in);
  if (r.writing && (ms < -1 || ms > 86400000)) return EINVAL;
  ManualArena* arena = IsAll(r.index[0]) ? nullptr : TheArena(r).manual;
  const bool is_there = IsAll(r.index[0]) || r.index[0] == 0 || r.index[0] == kDestroyed || TheArena(r).exists();
  if (!is_there) return EFAULT;
  r.out = static_cast<uint64_t>(arena != nullptr ? GetOf(arena) : Get());
  if (!r.writing) return 0;
  if (arena != nullptr) return SetOf(arena, ms), 0;
  Set(ms);
  // "arena.4096" means all; "arenas" those that share the setting.
  for (unsigned i = 0; IsAll(r.index[0]) && i < ArenaCount(); ++i) {
    if (ManualArena* each = ArenaOf(i).manual; each != nullptr) SetOf(each, ms);
  }
  return 0;
}
int ArenaDirtyDecay(Request& r) { return DecayOf<DirtyDecayMs, SetDirtyDecayMs, DirtyDecayMsOf, SetDirtyDecayMs>(r); }
int ArenaMuzzyDecay(Request& r) { return DecayOf<MuzzyDecayMs, SetMuzzyDecayMs, MuzzyDecayMsOf, SetMuzzyDecayMs>(r); }

int ArenaHooks(Request& r) {
  const ArenaRef arena = TheArena(r);
  if (!arena.exists()) return ENOENT;
  r.SetPointer(arena.manual != nullptr ? HooksOf(arena.manual) : DefaultExtentHooks());
  if (!r.writing) return 0;
  auto* hooks = r.InPointer<extent_hooks_t>();
  if (arena.manual == nullptr) return EPERM;  // the heap of the automatic arenas stays what it is
  if (hooks == nullptr || hooks->alloc == nullptr) return EINVAL;
  return SetHooks(arena.manual, hooks), 0;
}

// The value is the address of 32 bytes of the caller, which receive the name.
int ArenaName(Request& r) {
  const ArenaRef arena = TheArena(r);
  if (!arena.exists()) return ENOENT;
  if (r.reading) {
    char* room = nullptr;
    memcpy(&room, r.old, sizeof room);
    if (room == nullptr) return EINVAL;
    char name[32] = "auto";
    if (arena.manual != nullptr) NameOf(arena.manual, name);
    memcpy(room, name, sizeof name);
    r.SetPointer(room);
  }
  if (!r.writing) return 0;
  if (arena.manual == nullptr) return EPERM;
  if (r.in == 0) return EINVAL;
  return SetName(arena.manual, r.InPointer<const char>()), 0;
}

// ---- arenas --------------------------------------------------------------------------------------------------------------------

int Narenas(Request& r) {
  g_arenas.Current();  // there is one, whoever asks
  return r.out = ArenaCount(), 0;
}

int ArenasDirtyDecay(Request& r) {
  r.index[0] = 0;
  return ArenaDirtyDecay(r);
}
int ArenasMuzzyDecay(Request& r) {
  r.index[0] = 0;
  return ArenaMuzzyDecay(r);
}

int Quantum(Request& r) { return r.out = 16, 0; }
int Page(Request& r) { return r.out = os::PageSize(), 0; }
int HugepageBytes(Request& r) { return r.out = kHugepage, 0; }
int Nbins(Request& r) { return r.out = kNumClasses, 0; }
int Nhbins(Request& r) {
  unsigned n = 0;
  while (n < kNumClasses && ClassSize(n + 1) <= static_cast<size_t>(g_options.tcache_max)) ++n;
  return r.out = n, 0;
}
int Nlextents(Request& r) { return r.out = kLextents, 0; }

unsigned ClassOf(const Request& r) { return static_cast<unsigned>(r.index[0]) + 1; }
int BinSize(Request& r) { return r.out = ClassSize(ClassOf(r)), 0; }
int BinNregs(Request& r) { return r.out = ShapeOf(ClassOf(r)).slots, 0; }
int BinSlabSize(Request& r) { return r.out = ShapeOf(ClassOf(r)).granules * kGranule, 0; }
int BinNshards(Request& r) { return r.out = 1, 0; }
int LextentBytes(Request& r) { return r.out = LextentSize(static_cast<unsigned>(r.index[0])), 0; }

int ArenasCreate(Request& r) {
  unsigned index = 0;
  if (!r.reading) return EINVAL;
  auto* hooks = r.writing ? r.InPointer<extent_hooks_t>() : nullptr;
  if (hooks != nullptr && hooks->alloc == nullptr) return EINVAL;
  if (!CreateArena(hooks, &index)) return EAGAIN;
  // What is set now, not what the options said.
  if (ManualArena* made = ArenaOf(index).manual; made != nullptr) {
    SetDirtyDecayMs(made, DirtyDecayMs());
    SetMuzzyDecayMs(made, MuzzyDecayMs());
  }
  return r.out = index, 0;
}

int ArenasLookup(Request& r) {
  unsigned index = 0;
  if (!r.reading || !r.writing || !LookupArena(r.InPointer<const void>(), &index)) return EINVAL;
  return r.out = index, 0;
}

int ApproximateActive(Request& r) {
  const ExtentStats stats = g_extents.Stats();
  return r.out = stats.used + stats.mapped_blocks, 0;
}

// ---- opt -----------------------------------------------------------------------------------------------------------------------

// "word=value|word=value" with each '=' and '|' turned into an end of string.
template <size_t N>
struct Words {
  char text[N];
};
template <size_t N>
constexpr Words<N> Terminated(const char (&words)[N]) {
  Words<N> out{};
  for (size_t i = 0; i < N; ++i) out.text[i] = words[i] == '=' || words[i] == '|' ? '\0' : words[i];
  return out;
}

// The word for a value; null: it is a number.
const char* WordOf(const char* words, size_t bytes, int64_t value) {
  const char* end = words + bytes - 1;
  while (words < end && *words != '\0') {
    const char* number = words + strlen(words) + 1;
    int64_t of = 0;
    for (const char* c = *number == '-' ? number + 1 : number; *c != '\0'; ++c) of = of * 10 + (*c - '0');
    if ((*number == '-' ? -of : of) == value) return words;
    words = number + strlen(number) + 1;
  }
  return nullptr;
}

// `auto` is told as what it comes to now.
const OptionText& PresentEffect(OptionText Options::*option) { return g_options.*option; }
int64_t PresentEffect(int64_t Options::*option) {
  if (option == &Options::narenas && g_options.narenas == 0) return Max(g_arenas.count(), 1u);
  if (option == &Options::background_thread) return g_options.background_thread == 2 ? CountsOfPurger().running : g_options.background_thread;
  return g_options.*option;
}

uint64_t Told(int64_t value, bool word, const char* words, size_t bytes) {
  return word ? reinterpret_cast<uintptr_t>(WordOf(words, bytes, value)) : static_cast<uint64_t>(value);
}
uint64_t Told(const OptionText& value, bool, const char*, size_t) { return reinterpret_cast<uintptr_t>(value.text); }
constexpr bool IsYesNo(const char* words) { return words[0] == 'f' && words[8] == 't'; }  // false=0|true=1...

}  // namespace

uint64_t ValueOfOption(unsigned option) {
  unsigned k = 0;
#define XALLOC_OPTION_VALUE(name, def, lo, hi, unit, words, help)                                                                     \
  if (option == k++) {                                                                  \
    static constexpr auto kWords = Terminated(words);                                   \
    const bool word = OptionUnit::unit == OptionUnit::kNone && !IsYesNo(words);                     \
    return Told(PresentEffect(&Options::name), word, kWords.text, sizeof words);        \
  }
  XALLOC_OPTIONS(XALLOC_OPTION_VALUE)
#undef XALLOC_OPTION_VALUE
  return 0;
}

#define Total(field) ENOENT
#define Arena(field) ENOENT
#define Bin(field) ENOENT
#define Lextent(field) ENOENT
#define Option(name) ENOENT
#define Call(function) function(request)
int CallLeaf(unsigned row, Request& request) {
  unsigned k = 0;
#define X(name, type, access, source) \
  if (row == k++) return source;
  XALLOC_CTL_ROWS
#undef X
  return ENOENT;
}

}  // namespace xalloc
