// SPDX-License-Identifier: MIT
#include "purge/purger.h"

#include "arena/manual.h"
#include "cache/thread_cache.h"
#include "os/system.h"
#include "os/thread.h"
#include "purge/decay.h"
#include "purge/purge.h"

namespace xalloc {
namespace {

enum State : uint32_t { kNone, kRunning, kResting };
constinit Atomic<uint32_t> g_state{kNone};  // by who starts it (acquire) and by itself; at rest it sleeps on this word
constinit Atomic<uint32_t> g_wakes{0};      // between two steps it sleeps on this one: counts who wants it to look again; ordered against g_state
constinit Atomic<uint32_t> g_left{0};       // 1: a tick left something to it since its last step; ordered against g_state
constinit Atomic<uint32_t> g_refusals{0};   // in a row; relaxed
constinit Atomic<bool> g_over{false};       // the program has no thread any more: the process ends with the purger; ordered
constinit Atomic<uint64_t> g_starts{0}, g_steps{0}, g_helper_starts{0};  // relaxed: counts
constinit Atomic<uint64_t> g_first_ns{0}, g_last_ns{0};                  // of the first and the last step; relaxed

constexpr int64_t kAsOption = -1;
constinit Atomic<int64_t> g_wanted{kAsOption}, g_most{kAsOption};  // relaxed

constexpr uint32_t kMostRefusals = 8;  // a sandbox that forbids threads does not change its mind
// Steps without a tick and anything to do before it rests: one decay period and a half.
constexpr unsigned kIdleSteps = Decay::kSteps * 3 / 2;
constexpr uint64_t kShortestStepMs = 10, kOtherwiseMs = 5000 / Decay::kSteps;

// What the purger shares with its helpers: bytes that nobody has taken on yet. Relaxed: shares of work, and how; what is worked on is under the
// heap's lock, and a helper of the time before that takes a share in the manner of then does no harm.
constinit Atomic<size_t> g_debt{0};
constinit Atomic<uint32_t> g_manner{0};
constinit Atomic<int64_t> g_helpers{0};
constexpr size_t kWorthHelp = size_t{8} << 20, kSlice = size_t{4} << 20;

// Since the purger ended because it was alone, and how often that came before it had given anything back.
constinit Atomic<uint32_t> g_births{0}, g_fruitless{0};  // relaxed
constexpr uint32_t kFreeStarts = 4, kMostFruitless = 10;

// Where all goes back at once, or never, there is nothing for it to do. Arenas that the program created have times of their own.
bool HasWork() {
  const int64_t decay = DirtyDecayMs();
  return decay > 0 || (decay < 0 && g_options.soft_limit != 0) || (decay == 0 && MuzzyDecayMs() > 0) || ManualBytes() != 0;
}

// A first thread beside the program's one would turn its shared pointers and stdio atomic.
bool Needed() {
  const BackgroundThread wanted = BackgroundThreadWanted();
  return HasWork() && !g_over.Ordered() && (wanted == BackgroundThread::kTrue || (wanted == BackgroundThread::kAuto && HasThreads()));
}

// From its rest; from the sleep between two steps it wakes by itself.
void Rouse() {
  uint32_t resting = kResting;
  if (g_state.Relaxed() == kResting && g_state.CompareExchangeOrdered(resting, kRunning)) os::Wake(g_state);
}

XALLOC_ALWAYS_READ("purger") constexpr char kName[] = "xalloc_purger";

uint64_t StepMs() {
  const int64_t decay = DirtyDecayMs();
  return decay > 0 ? Max(static_cast<uint64_t>(decay) / Decay::kSteps, kShortestStepMs) : kOtherwiseMs;
}

size_t WorkOff() {
  size_t bytes = 0;
  for (size_t debt = g_debt.Relaxed(); debt != 0;) {
    const size_t slice = Min(debt, kSlice);
    if (!g_debt.CompareExchangeAcquire(debt, debt - slice)) continue;
    const size_t back = g_extents.Purge(slice, static_cast<Manner>(g_manner.Relaxed()));
    bytes += back;
    if (back == 0) g_debt.SetRelaxed(0);
    debt = g_debt.Relaxed();
  }
  return bytes;
}

void HelperMain() {
  DoWithoutCache();
  os::NameThread(kName);
  WorkOff();
  g_helpers.AddRelaxed(-1);
}

// Until a tick has something for it, or nobody needs it any more.
void Rest() {
  constexpr uint64_t kNoDeadlineMs = uint64_t{1} << 40;
  g_state.ExchangeOrdered(kResting);
  // Whoever ends the need for it after this look wakes it, and so does a tick.
  if (!Needed() || g_left.Ordered() != 0) Rouse();
  while (g_state.Ordered() == kResting) os::SleepOn(g_state, kResting, kNoDeadlineMs);
}

void CountStep() {
  const uint64_t now = os::NowNs();
  if (g_steps.AddRelaxed(1) == 0) g_first_ns.SetRelaxed(now);
  g_last_ns.SetRelaxed(now);
}

// Until nobody needs it; then it first finishes what it is at, while the program has a thread.
void Work() {
  unsigned quiet = 0;
  unsigned idle = HeapIsSmall() ? kIdleSteps : 0;
  bool worked = idle == 0, fruitless = true;
  for (;;) {
    const uint32_t wakes = g_wakes.Ordered();
    if (BackgroundThreadWanted() == BackgroundThread::kFalse || g_over.Ordered() || (!worked && !Needed())) break;
    if (idle >= kIdleSteps) {
      Rest();
      quiet = 0;
      idle = 1;
      worked = false;
      continue;
    }
    CountStep();
    // Before it looks. A tick that still read 1 may have come too late for this look: there are more to come.
    const bool left = g_left.ExchangeOrdered(0) != 0;
    PurgeWork work;
    PurgeStep(SIZE_MAX / 2, work);
    if (work.looked) quiet = work.changed ? 0 : quiet + 1;
    // Nobody has allocated or freed for a decay period: what lies ready lies there in vain, however young.
    if (work.looked && quiet == kLooks && DirtyDecayMs() >= 0) work.bytes += PurgeUnused(Manner::kAnyRun);
    const bool collapsed = g_extents.CollapseStep();
    worked = work.bytes != 0 || collapsed;
    idle = worked || left ? 0 : idle + 1;
    if (worked) fruitless = false;
    os::SleepOn(g_wakes, wakes, StepMs());
  }
  if (BackgroundThreadWanted() != BackgroundThread::kAuto) return;
  if (!fruitless) {
    g_fruitless.SetRelaxed(0);
  } else if (g_fruitless.Relaxed() < kMostFruitless) {
    g_fruitless.AddRelaxed(1);
  }
  g_births.SetRelaxed(0);
}

// Whoever starts a thread looks at the state after that, and the purger for threads after it has changed its state: one sees the other.
bool Ends() {
  g_state.ExchangeOrdered(kNone);
  uint32_t none = kNone;
  return !Needed() || !g_state.CompareExchangeOrdered(none, kRunning);
}

void PurgerMain() {
  DoWithoutCache();
  os::NameThread(kName);
  if (os::HugePagesUnasked()) g_extents.SetHugeUnasked();
  do Work();
  while (!Ends());
  if (g_over.Ordered()) os::UnblockSignals();
}

bool Start() {
  uint32_t none = kNone;
  if (g_refusals.Relaxed() >= kMostRefusals) return false;
  if (!g_state.CompareExchangeAcquire(none, kRunning)) return true;
  if (os::StartThread(PurgerMain)) {
    g_refusals.SetRelaxed(0);
    g_starts.AddRelaxed(1);
    return true;
  }
  g_refusals.AddRelaxed(1);
  g_state.SetRelease(kNone);
  return false;
}

}  // namespace

BackgroundThread BackgroundThreadWanted() {
  const int64_t set = g_wanted.Relaxed();
  return static_cast<BackgroundThread>(set != kAsOption ? set : g_options.background_thread);
}

void SetBackgroundThread(BackgroundThread wanted) {
  g_wanted.SetRelaxed(static_cast<int64_t>(wanted));
  WakePurger();
}

int64_t MaxBackgroundThreads() {
  const int64_t set = g_most.Relaxed();
  return set != kAsOption ? set : g_options.max_background_threads;
}

void SetMaxBackgroundThreads(int64_t most) { g_most.SetRelaxed(most); }

void WakePurger() {
  Rouse();
  g_wakes.AddOrdered(1);
  if (g_state.Ordered() == kRunning) os::Wake(g_wakes);
  if (Needed()) Start();
}

void PurgerGainsCompany() {
  if (g_state.Ordered() != kNone || !Needed()) return;
  // A program whose threads come one at a time, each soon gone, would get two for each of them.
  const uint32_t fruitless = g_fruitless.Relaxed();
  const uint32_t least = fruitless <= kFreeStarts ? 1 : uint32_t{1} << (fruitless - kFreeStarts);
  if (g_births.AddRelaxed(1) + 1 >= least) Start();
}

void PurgerLosesCompany(bool last) {
  if (last) g_over.ExchangeOrdered(true);
  if (g_state.Ordered() != kNone && !Needed()) WakePurger();
}

bool LeftToPurger(Event event) {
  uint32_t state = g_state.Relaxed();
  if (state == kRunning) {
    // It may be about to rest: one sees the other.
    if (g_left.Relaxed() == 0) g_left.ExchangeOrdered(1);
    state = g_state.Ordered();
  }
  if (state == kRunning) return true;
  if (state == kResting) {
    Rouse();
    return true;
  }
  return BackgroundThreadWanted() == BackgroundThread::kTrue && event == Event::kAllocated && Needed() && Start();
}

size_t PurgeTogether(size_t bytes, Manner manner) {
  // Only where a thread was asked for: a sandbox that came after the program's threads may kill who makes one.
  const bool asked = BackgroundThreadWanted() == BackgroundThread::kTrue;
  if (bytes < kWorthHelp || !asked || g_state.Relaxed() != kRunning) return g_extents.Purge(bytes, manner);
  g_manner.SetRelaxed(static_cast<uint32_t>(manner));
  g_debt.SetRelaxed(bytes);
  const int64_t helpers = Min<int64_t>(MaxBackgroundThreads() - 1, static_cast<int64_t>(bytes / kWorthHelp));
  for (int64_t running = g_helpers.Relaxed(); running < helpers; ++running) {
    g_helpers.AddRelaxed(1);
    if (os::StartThread(HelperMain)) {
      g_helper_starts.AddRelaxed(1);
    } else {
      g_helpers.AddRelaxed(-1);
      break;
    }
  }
  return WorkOff();
}

void ForgetPurger() {
  g_state.SetRelaxed(kNone);
  g_over.SetRelaxed(false);
  g_left.SetRelaxed(0);
  g_debt.SetRelaxed(0);
  g_helpers.SetRelaxed(0);
  g_births.SetRelaxed(0);
  g_fruitless.SetRelaxed(0);
}

PurgerCounts CountsOfPurger() {
  const uint64_t steps = g_steps.Relaxed(), first = g_first_ns.Relaxed(), last = g_last_ns.Relaxed();
  const uint64_t interval = steps > 1 && last > first ? (last - first) / (steps - 1) : 0;
  return {g_starts.Relaxed(), steps, g_helper_starts.Relaxed(), interval, g_state.Relaxed() != kNone};
}

}  // namespace xalloc
