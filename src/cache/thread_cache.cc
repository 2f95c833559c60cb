// SPDX-License-Identifier: MIT
// The slow paths of one bin: how many objects move, and when a bin grows or shrinks.
//
// A bin starts with kInlineSlots - 1 slots inside the cache's block; a refill fetches 1, 1, 1, 2, 4 ... objects up to a batch; the bin
// moves to an array of twice the slots, as far as MaxCapacity, when it proves hot: an underflow follows an overflow, or two underflows in
// one tick. A thread that touches many sizes a few times stays within its two pages.
#include "cache/thread_cache.h"

#include <string.h>

namespace xalloc {
namespace {

constexpr unsigned kSlowRefills = 2;  // of one object each, before refills double
// The arrays of all threads together may come to hold this much; no thread is held below kLeastBudget.
constexpr size_t kGlobalBudget = size_t{32} << 20, kLeastBudget = size_t{256} << 10;

// Two batches; and where a thread takes and gives back more than that in turn, so that the bin was empty and full since the last tick, as many as
// a bin of smaller blocks has.
constexpr size_t kSwingSlots = 32, kSwingBytes = size_t{256} << 10;
unsigned MaxCapacity(unsigned cls, const BinState& s) {
  const bool swings = s.underflows != 0 && s.overflows != 0;
  const size_t slots = Max(ShapeOf(cls).batch * size_t{2}, swings ? Min(kSwingSlots, kSwingBytes / ClassSize(cls)) : 0);
  return Min(static_cast<unsigned>(slots) - 1, CachedAtMost(cls));
}
// Of the array that holds so much, the sentinel included, in whole lines.
unsigned SlotsFor(unsigned capacity) { return (capacity / kInlineSlots + 1) * kInlineSlots; }
unsigned CountOf(const ThreadCache* cache, unsigned cls) { return static_cast<unsigned>(cache->bins[cls].top - cache->state[cls].base()); }

// Moves the bin's objects to `array` (perhaps its own: then down to its start, after a drain).
void Move(ThreadCache* cache, unsigned cls, void** array, unsigned capacity) {
  BinState& s = cache->state[cls];
  const unsigned count = s.array == nullptr ? 0 : CountOf(cache, cls);
  if (count != 0) memmove(array + 1, s.base() + 1, count * sizeof(void*));
  array[0] = nullptr;
  s.array = array;
  s.bottom = 0;
  s.capacity = static_cast<uint16_t>(capacity);
  cache->bins[cls] = {array + count, array + capacity};
}

void FirstUse(ThreadCache* cache, unsigned cls) {
  Move(cache, cls, cache->slots[cls], Min(kInlineSlots - 1, MaxCapacity(cls, cache->state[cls])));
}

bool Grow(ThreadCache* cache, unsigned cls) {
  BinState& s = cache->state[cls];
  const unsigned old_slots = SlotsFor(s.capacity);
  if (s.capacity >= MaxCapacity(cls, s)) return false;
  const unsigned capacity = Min(old_slots * 2 - 1, MaxCapacity(cls, s));
  const unsigned slots = SlotsFor(capacity);
  const size_t more = (capacity - s.capacity) * ClassSize(cls);
  if (cache->grown_bytes + more > Max(kGlobalBudget / Max(LiveCaches(), 1u), kLeastBudget)) return false;
  auto** array = static_cast<void**>(g_meta.Allocate(slots * sizeof(void*)));
  if (array == nullptr) return false;
  void** old = s.array;
  Move(cache, cls, array, capacity);
  if (old != cache->slots[cls]) g_meta.Free(old, old_slots * sizeof(void*));
  cache->grown_bytes += more;
  s.overflows = 0;
  return true;
}

// With so many objects a thread has whole cache lines: it shares none with who takes the next ones. One more, for there may be one
// that was given back on its own; of 8 and 24 bytes the inline slots hold no more than the lines do.
unsigned ObjectsInLines(unsigned cls) {
  const size_t size = ClassSize(cls);
  return size >= arch::kCacheLine ? 1 : static_cast<unsigned>(arch::kCacheLine / (size & -size)) + 1;
}

// Sends the `n` coldest objects, those at the bottom, to the arena.
FlushResult FlushBottom(ThreadCache* cache, unsigned cls, unsigned n, bool check) {
  BinState& s = cache->state[cls];
  const bool past_depots = check || g_options.harden == static_cast<int64_t>(Harden::kFull);
  Arena* arena = past_depots ? nullptr : g_arenas.Current(cls);
  FlushResult bad;
  for (unsigned done = 0; done < n && bad.misuse == Misuse::kNone;) {
    const unsigned batch = Min<unsigned>(n - done, ShapeOf(cls).batch);
    void** from = s.base() + 1 + done;
    bad = arena == nullptr ? Arena::FlushToSlabs(cls, from, batch) : arena->Flush(cls, from, batch);
    done += batch;
  }
  t_local.deallocated += n * ClassSize(cls);
  s.bottom = static_cast<uint16_t>(s.bottom + n);
  Move(cache, cls, s.array, s.capacity);
  return bad;
}

}  // namespace

// The later of two ranges that overlap counts.
XALLOC_COLD unsigned CachedAtMostByRanges(unsigned cls) {
  unsigned most = ~0u;
  for (const CachedRange* range = g_options.cached_ranges; range->high != 0; ++range) {
    const bool below = cls < SizeToClass(Min<size_t>(Max<size_t>(range->low, 1), kMaxSmall));
    const bool above = cls > SizeToClass(Min<size_t>(range->high, kMaxSmall));
    if (!below && !above && range->low <= kMaxSmall) most = static_cast<unsigned>(Min<size_t>(range->most, ~0u));
  }
  return most;
}

void* RefillAndPop(ThreadCache* cache, unsigned cls, Arena* arena) {
  BinState& s = cache->state[cls];
  CacheBin& bin = cache->bins[cls];
  if (s.array == nullptr) FirstUse(cache, cls);
  if (*bin.top != nullptr) return *bin.top--;  // a drain that did not succeed gave its object back
  const bool hot = s.overflows != 0 || s.underflows != 0;
  if (hot && s.fill > s.capacity / 2u) Grow(cache, cls);
  if (s.bottom != 0) Move(cache, cls, s.array, s.capacity);
  const unsigned batch = ShapeOf(cls).batch;
  // One more than the bin has room for: it is handed out.
  void* few[kInlineSlots];
  const unsigned room = s.capacity < kInlineSlots ? s.capacity + 1u : s.capacity;
  const unsigned wanted = Min<unsigned>(Max<unsigned>(s.fill, ObjectsInLines(cls)), Min(room, batch));
  void** out = wanted <= s.capacity ? s.array + 1 : few;
  const unsigned got = arena->Refill(cls, out, wanted);
  if (got == 0) return nullptr;
  t_local.allocated += got * ClassSize(cls);
  if (s.refills == 0) {
    // The one highest in memory is handed out first: those below may be single slots of lines in which others have theirs.
    void* const first = out[0];
    out[0] = out[got - 1];
    out[got - 1] = first;
  }
  void* const last = out[got - 1];
  if (out == few) memcpy(s.array + 1, few, (got - 1) * sizeof(void*));
  if (s.underflows < 255) s.underflows++;
  // 1, 1, 1, 2, 4 ...: a thread that touches a size a few times takes no more than it uses, so that what threads touch lies dense
  // (doubling one refill earlier costs a thread that touched 40 sizes 3 KiB).
  if (s.refills < kSlowRefills) {
    s.refills++;
    s.fill = 1;
  } else {
    s.fill = static_cast<uint16_t>(Min<unsigned>(s.fill * 2u, batch));
  }
  bin.top = s.array + got - 1;
  return last;
}

FlushResult MakeRoomAndPush(ThreadCache* cache, unsigned cls, void* p) {
  BinState& s = cache->state[cls];
  CacheBin& bin = cache->bins[cls];
  FlushResult bad;
  if (s.array == nullptr) FirstUse(cache, cls);
  if (s.bottom != 0) Move(cache, cls, s.array, s.capacity);
  if (bin.top == bin.limit) {
    const bool hot = s.underflows != 0 || s.overflows >= 2;
    const bool grown = hot && Grow(cache, cls);
    if (s.overflows < 255) s.overflows++;
    if (!grown) bad = FlushBottom(cache, cls, Max(s.capacity / 2u, 1u), false);
  }
  *++bin.top = p;
  return bad;
}

FlushResult ShrinkUnused(ThreadCache* cache) {
  FlushResult bad;
  for (unsigned cls = 1; cls <= kNumClasses && bad.misuse == Misuse::kNone; ++cls) {
    BinState& s = cache->state[cls];
    if (s.array == nullptr) continue;
    const unsigned count = CountOf(cache, cls);
    if (s.underflows == 0) {
      // Not refilled for a tick: the smaller of the two counts lay there all the time. Three quarters of it go.
      const unsigned unused = Min<unsigned>(s.last, count) * 3 / 4;
      if (unused != 0) bad = FlushBottom(cache, cls, unused, false);
      if (s.fill > 1) s.fill = static_cast<uint16_t>(s.fill / 2);
    }
    s.last = static_cast<uint16_t>(CountOf(cache, cls));
    s.underflows = 0;
    s.overflows = 0;
  }
  return bad;
}

FlushResult FlushAll(ThreadCache* cache, bool check) {
  FlushResult bad;
  for (unsigned cls = 1; cls <= kNumClasses && bad.misuse == Misuse::kNone; ++cls) {
    BinState& s = cache->state[cls];
    if (s.array != nullptr) bad = FlushBottom(cache, cls, CountOf(cache, cls), check);
  }
  return bad;
}

void FlushClass(ThreadCache* cache, unsigned cls) {
  cache->lock.Acquire(os::Rank::kCache);
  FlushResult bad;
  if (cache->state[cls].array != nullptr) bad = FlushBottom(cache, cls, CountOf(cache, cls), false);
  cache->lock.Release(os::Rank::kCache);
  if (bad.misuse != Misuse::kNone) ReportMisuse(bad.misuse, Act::kFree, bad.pointer, bad.size);
}

void ValidateCache(ThreadCache* cache) {
  for (unsigned cls = 1; cls <= kNumClasses; ++cls) {
    const BinState& s = cache->state[cls];
    const CacheBin& bin = cache->bins[cls];
    if (s.array == nullptr) continue;
    if (*s.base() != nullptr) Panic("broken invariant: cache I1");
    if (bin.top < s.base() || bin.top > bin.limit) Panic("broken invariant: cache I2");
    for (void** slot = s.base() + 1; slot <= bin.top; ++slot) {
      if (*slot == nullptr || (g_page_map.CodeOf(*slot) != cls * 2 && g_page_map.Covers(*slot))) Panic("broken invariant: cache I3");
    }
  }
}

}  // namespace xalloc
