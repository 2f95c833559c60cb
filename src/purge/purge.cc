// SPDX-License-Identifier: MIT
#include "purge/purge.h"

#include "cache/explicit.h"
#include "cache/fast_path.h"
#include "os/cgroup.h"
#include "os/system.h"
#include "os/thread.h"
#include "purge/decay.h"
#include "purge/purger.h"

namespace xalloc {
namespace {

// At most this much is purged inline at a tick: 64 slow events pay for it together.
constexpr size_t kPerTick = size_t{4} << 20;
// At most so many slabs are relieved of their free pages inline, in a decay period: some 3 ms.
constexpr unsigned kColdInline = 1024;
// Small programs are left alone, the clock included: there are sandboxes that kill on madvise, and on clock_gettime as a system call.
constexpr size_t kSmallHeap = size_t{8} << 20;
// A heap that has grown by so much is looked at for slabs that are nearly empty; so many of them are relieved, some 1 ms.
constexpr size_t kReliefStep = size_t{1} << 20;
constexpr unsigned kReliefSlabs = 128;
// Crumbs of a step are not worth a system call.
constexpr size_t kWorthIt = size_t{1} << 20;
// How often the limit of the control group is read again, and caches are emptied because a limit is crossed.
constexpr uint64_t kReadLimitMs = 10000, kRelieveMs = 1000;
// Where nothing decays by time, a step is as long as if this were the time.
constexpr uint64_t kOtherwiseMs = 5000;

constexpr int64_t kAsOption = INT64_MIN;
constinit Atomic<int64_t> g_dirty_ms{kAsOption}, g_muzzy_ms{kAsOption};  // relaxed

// All below: by whoever has set g_at_it.
constinit Atomic<uint32_t> g_at_it{0};  // acquire, release
struct Progress {
  Decay dirty, muzzy;
  uint64_t born = 0;    // ms: when the heap was first seen to be worth looking at
  uint64_t looked = 0;  // step of the last look at caches
  uint64_t steps = 0;   // since the last pass over crumbs and cold slabs: there are two in a decay period
  uint64_t step = 0;
  uint64_t read_limit = 0, relieved = 0;  // ms
  uint64_t blocks = 0;                    // large blocks handed out, at the last look
};
constinit Progress g_progress;

uint64_t PeriodMs() { return DirtyDecayMs() > 0 ? static_cast<uint64_t>(DirtyDecayMs()) : kOtherwiseMs; }

void AgeAllDepots() {
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i); arena != nullptr) arena->AgeDepots(Arena::Ageing::kHalf);
  }
}

size_t PurgeAllColdSlabs(Arena::Relief which, unsigned budget = ~0u) {
  size_t bytes = 0;
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (Arena* arena = g_arenas.At(i); arena != nullptr) bytes += arena->PurgeColdSlabs(which, budget);
  }
  return bytes;
}

// The thread sanitizer knows nothing of the barrier by which a drain is safe (docs/design/models has the proof): it sees the rest.
#ifdef __SANITIZE_THREAD__
constexpr bool kDrains = false;
#else
constexpr bool kDrains = true;
#endif

// A drain needs a system call that a sandbox may kill for. Our own threads are not in one that a thread of the program is in for itself;
// and who forbids them wants the program's to do everything.
bool MayDrain() { return kDrains && (os::InOwnThread() ? LiveCaches() > 0 : LiveCaches() > 1 && BackgroundThreadWanted() == BackgroundThread::kFalse); }

// Caches first: what they hold pins slabs, and breaks what could be purged in one piece.
void LookAtCaches(PurgeWork& work) {
  const IdleLook look = MayDrain() ? DrainIdleCaches(kLooks / 2) : IdleLook{0, true};
  const uint64_t blocks = g_extents.Sizes().blocks;
  work.looked = true;
  work.changed = look.changed || blocks != g_progress.blocks;
  work.bytes += look.moved;
  g_progress.blocks = blocks;
  AgeAllDepots();
}

size_t Excess(Decay& decay, uint64_t now, int64_t ms, const Idle& idle) {
  const size_t allowed = ms == 0 ? 0 : decay.Allowed(now, static_cast<uint64_t>(ms), idle);
  const size_t excess = idle.now > allowed ? idle.now - allowed : 0;
  return excess >= Min(kWorthIt, idle.now) ? excess : 0;
}

size_t PurgeOverCurves(uint64_t now, size_t most, Manner manner) {
  const int64_t dirty_ms = DirtyDecayMs(), muzzy_ms = MuzzyDecayMs();
  const ExtentHeap::IdleStages idle = g_extents.TakeIdle();
  size_t bytes = 0;
  if (dirty_ms >= 0) {
    const size_t excess = Min(Excess(g_progress.dirty, now, dirty_ms, idle.dirty), most);
    bytes += muzzy_ms != 0 ? g_extents.Offer(excess, manner) : PurgeTogether(excess, manner);
  }
  if (muzzy_ms >= 0) bytes += g_extents.PurgeOffered(Min(Excess(g_progress.muzzy, now, muzzy_ms, idle.muzzy), most));
  return bytes;
}

// What crossed the limit goes back at once; what lies in caches and depots only now and then, since it is missed there.
size_t KeepSoftLimit(uint64_t now) {
  if (g_options.soft_limit == 0) return 0;
  if (g_options.soft_limit != kSoftLimitCgroup) {
    g_extents.SetSoftLimit(static_cast<size_t>(g_options.soft_limit));
  } else if (g_progress.read_limit == 0 || now - g_progress.read_limit >= kReadLimitMs) {
    g_progress.read_limit = now;
    const char* root = os::Environment("XALLOC_DEBUG_ROOT");
    g_extents.SetSoftLimit(os::CgroupMemoryLimit(root != nullptr ? root : "") / 10 * 9);
  }
  if (!g_extents.OverSoftLimit()) return 0;
  size_t bytes = g_extents.Purge(SIZE_MAX / 2);
  if (g_extents.OverSoftLimit() && now - g_progress.relieved >= kRelieveMs) {
    g_progress.relieved = now;
    if (MayDrain()) DrainOtherCaches();
    bytes += PurgeUnused(Manner::kEverything);
  }
  return bytes;
}

void Step(size_t most, PurgeWork& work) {
  const uint64_t now = os::NowMs();
  const uint64_t period = PeriodMs();
  const bool inline_ = most <= kPerTick;
  if (g_progress.born == 0) g_progress.born = now;
  work.bytes += KeepSoftLimit(now);
  const uint64_t step = now / Max(period / Decay::kSteps, uint64_t{1});
  if (step != g_progress.step) ++g_progress.steps;
  g_progress.step = step;
  if (step - g_progress.looked >= Decay::kSteps / kLooks) {
    g_progress.looked = step;
    LookAtCaches(work);
  }
  // Too young to give anything back; the curve runs already.
  if (DirtyDecayMs() > 0 && now - g_progress.born < period) most = 0;
  const bool crumbs = g_progress.steps >= Decay::kSteps / 2;
  if (crumbs) g_progress.steps = 0;
  work.bytes += PurgeOverCurves(now, most, crumbs ? Manner::kAnyRun : Manner::kLongRuns);
  if (crumbs) work.bytes += PurgeAllColdSlabs(Arena::Relief::kCold, inline_ ? kColdInline : ~0u);
  if (AnyManual()) work.bytes += DecayManualArenas(now, os::InOwnThread());
}

}  // namespace

int64_t DirtyDecayMs() {
  const int64_t set = g_dirty_ms.Relaxed();
  return set != kAsOption ? set : g_options.dirty_decay_ms;
}

int64_t MuzzyDecayMs() {
  const int64_t set = g_muzzy_ms.Relaxed();
  return set != kAsOption ? set : g_options.muzzy_decay_ms;
}

void SetDirtyDecayMs(int64_t ms) {
  g_dirty_ms.SetRelaxed(ms);
  if (ms == 0) g_extents.Purge(SIZE_MAX / 2);
  WakePurger();
}

void SetMuzzyDecayMs(int64_t ms) {
  g_muzzy_ms.SetRelaxed(ms);
  if (ms == 0) g_extents.PurgeOffered(SIZE_MAX / 2);
  WakePurger();
}

bool PurgeStep(size_t most, PurgeWork& work) {
  uint32_t idle = 0;
  if (!g_at_it.CompareExchangeAcquire(idle, 1)) return false;
  Step(most, work);
  g_at_it.SetRelease(0);
  return true;
}

namespace {
size_t HeapBytes() {
  const ExtentSizes sizes = g_extents.Sizes();
  return sizes.used + sizes.dirty + sizes.muzzy + (AnyManual() ? ManualBytes() : 0);
}
}  // namespace

bool HeapIsSmall() { return HeapBytes() < kSmallHeap; }

namespace {
// Peaks are bounded inside of slabs, too: a heap that grows although more lies free in slabs than may lie dirty gives back what it can of
// those that are nearly empty. What is given back stays in use for all that is counted here, so that each look is further up.
void RelieveSparseSlabs(size_t heap) {
  constinit static Atomic<size_t> next_look{0};  // bytes of the heap; relaxed: one look more or less
  const size_t next = next_look.Relaxed();
  if (heap < next && next - heap <= kReliefStep) return;
  next_look.SetRelaxed(heap + kReliefStep);
  if (heap < next) return;
  size_t free = 0;
  for (unsigned i = 0; i < g_arenas.count(); ++i) {
    if (const Arena* arena = g_arenas.At(i); arena != nullptr) free += arena->FreeSlotBytes();
  }
  if (free > Max(kSmallHeap, heap / 100 * static_cast<size_t>(g_options.dirty_limit))) PurgeAllColdSlabs(Arena::Relief::kSparse, kReliefSlabs);
}

// dirty_decay_ms:0. False: it is all done.
bool PurgeAtOnce() {
  const size_t dirty = Min(g_extents.Sizes().dirty, kPerTick);
  if (dirty == 0) return false;
  if (MuzzyDecayMs() != 0) {
    g_extents.Offer(dirty, Manner::kEverything);
    return true;
  }
  g_extents.Purge(dirty);
  return false;
}
}  // namespace

void PurgeTick(Event event) {
  const int64_t decay = DirtyDecayMs();
  // Arenas that the program created have times of their own.
  const bool others = AnyManual() && ManualBytes() != 0;
  if (decay < 0 && g_options.soft_limit == 0 && !others) return;
  if (decay == 0 && !PurgeAtOnce() && !others) return;
  const size_t heap = HeapBytes();
  if (heap < kSmallHeap) return;
  RelieveSparseSlabs(heap);
  if (LeftToPurger(event)) return;
  PurgeWork work;
  PurgeStep(kPerTick, work);
}

size_t PurgeUnused(Manner manner) {
  ReturnUnused();
  const size_t bytes = PurgeAllColdSlabs(Arena::Relief::kAll);
  return bytes + g_extents.Purge(SIZE_MAX / 2, manner);
}

size_t PurgeEverything() {
  if (kDrains) DrainOtherCaches();
  FlushExplicitCaches();
  const size_t bytes = PurgeManualArenas();
  return bytes + PurgeUnused(Manner::kEverything);
}

void DecayNow() {
  PurgeWork work;
  PurgeStep(SIZE_MAX / 2, work);
}

void ForgetPurging() {
  g_at_it.SetRelaxed(0);
  ForgetPurger();
  g_extents.ReturnFlights();
  ReturnColdSlab();
}

}  // namespace xalloc
