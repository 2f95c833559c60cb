// SPDX-License-Identifier: MIT
// Giving back: dirty runs leave the free set under the lock, go to the kernel without it, and return as known-zero.
#include <string.h>

#include "extent/extent_heap.h"
#include "os/system.h"
#include "os/thread.h"

namespace xalloc {

ExtentHeap::Flight* ExtentHeap::TakeFlight() {
  for (Flight& f : seldom_.flights) {
    if (f.taken) continue;
    f.taken = true;
    f.count = 0;
    return &f;
  }
  return nullptr;
}

size_t ExtentHeap::GiveBack(size_t bytes, Manner manner, Stage stage) {
  size_t done = 0;
  // What is freed meanwhile is for the next time: a trim beside busy threads would not end.
  const ExtentSizes now = Sizes();
  bytes = Min(bytes, now.dirty + now.muzzy);
  while (done < bytes && purging_.Relaxed() != kRefused) {
    if (stage == Stage::kOffer && no_offer_.Relaxed()) stage = Stage::kPurge;
    lock_.Acquire(os::Rank::kExtents);
    Flight* flight = TakeFlight();
    if (flight != nullptr && (flight->count = CollectDirty(flight->pieces, (bytes - done + kGranule - 1) >> kLgGranule, manner, stage)) == 0) {
      flight->taken = false;
      flight = nullptr;
    }
    const bool timed = used_ + dirty_ >= kTimed;
    lock_.Release(os::Rank::kExtents);
    if (flight == nullptr) break;
    const uint64_t begin = timed ? os::NowNs() : 0;
    for (unsigned i = 0; i < flight->count; ++i) Advise(flight->pieces[i].hugepage, flight->pieces[i].advice);
    size_t calls = 0;
    if (stage == Stage::kOffer) {
      for (unsigned i = 0; i < flight->count; ++i) OfferPiece(flight->pieces[i]);
      calls = flight->count;
    } else {
      calls = PurgePieces(flight->pieces, flight->count);
    }
    const uint64_t took = timed ? os::NowNs() - begin : 0;
    size_t back = 0;
    for (unsigned i = 0; i < flight->count; ++i) back += flight->pieces[i].done ? size_t{flight->pieces[i].run.length} << kLgGranule : 0;
    lock_.Acquire(os::Rank::kExtents);
    ReturnPieces(flight->pieces, flight->count, stage);
    flight->taken = false;
    stats_.pages.purges++;
    stats_.pages.purge_calls += calls;
    stats_.pages.purge_ns += took;
    if (stage == Stage::kPurgeOffered) {
      stats_.pages.muzzy_purges++;
      stats_.pages.muzzy_calls += calls;
      stats_.pages.muzzy_purged += back;
    }
    lock_.Release(os::Rank::kExtents);
    if (back == 0) break;  // refused pieces come round again
    done += back;
  }
  return done;
}

void ExtentHeap::ReturnFlights() {
  os::Guard<os::Rank::kExtents> guard(lock_);
  for (Flight& f : seldom_.flights) {
    if (!f.taken) continue;
    // The kernel may have been in the middle of any of them.
    for (unsigned i = 0; i < f.count; ++i) f.pieces[i].done = false;
    ReturnPieces(f.pieces, f.count, Stage::kPurge);
    f.taken = false;
  }
  for (Rest& rest : seldom_.rests) {
    if (rest.hugepage == nullptr) continue;
    MarkDirty(rest.hugepage, rest.run);
    ReturnRest(rest);
  }
}

// Takes dirty runs until `target` granules or kBatch runs are in hand. Whole free hugepages come first: they break nothing.
unsigned ExtentHeap::CollectDirty(Piece* pieces, size_t target, Manner manner, Stage stage) {
  unsigned n = 0;
  size_t taken = 0;
  for (unsigned pass = 0; pass < 2; ++pass) {
    const bool whole = pass == 0;
    const Hugepage* last = dirty_list_.back();
    unsigned looked = 0;
    Hugepage* next = nullptr;
    for (Hugepage* h = dirty_list_.front(); h != nullptr && n < kBatch && taken < target && looked < kLookedAt; h = next, ++looked) {
      next = h == last ? nullptr : h->dirty_next;
      if (whole && h->by_free.longest != kGranulesPerHugepage) continue;
      const unsigned got = CollectFrom(h, pieces + n, kBatch - n, manner, stage);
      for (unsigned i = n; i < n + got; ++i) taken += pieces[i].run.length;
      n += got;
      NoteCleared(h);
      // What stays of it lets others come first next time.
      if (h->by_dirty.longest != 0 && n < kBatch) {
        dirty_list_.Remove(h);
        dirty_list_.PushBack(h);
      }
    }
  }
  return n;
}

unsigned ExtentHeap::CollectFrom(Hugepage* h, Piece* pieces, unsigned room, Manner manner, Stage stage) {
  const Bitmap128 wanted = stage == Stage::kPurgeOffered ? h->muzzy : stage == Stage::kOffer ? h->dirty.Without(h->muzzy) : h->dirty;
  if (h->huge && manner != Manner::kEverything && wanted.Count() < kWorthBreaking) {
    stats_.pages.spared++;
    return 0;
  }
  // Runs are made whole pages of the kernel: longer where what follows is free, too, else shorter; what is left over waits for a neighbour.
  const auto page = static_cast<unsigned>(Max(os::PageSize() >> kLgGranule, size_t{1}));
  const auto all_free = [h](unsigned from, unsigned to) { return h->free.AllIn({from, to - from}); };
  const unsigned shortest = manner == Manner::kLongRuns ? kShortRun : 1;
  unsigned n = 0, done = 0;
  for (Run r = wanted.NextRun(0); r.length != 0 && n < room; r = wanted.NextRun(r.begin + r.length)) {
    const unsigned r_end = r.begin + r.length;
    auto begin = static_cast<unsigned>(AlignDown(r.begin, page));
    if (begin < done || !all_free(begin, r.begin)) begin = static_cast<unsigned>(AlignUp(r.begin, page));
    auto end = static_cast<unsigned>(AlignUp(r_end, page));
    if (!all_free(r_end, end)) end = static_cast<unsigned>(AlignDown(r_end, page));
    if (begin >= end || end - begin < shortest) continue;
    const Run run = {begin, end - begin};
    done = end;
    const unsigned muzzy = h->muzzy.CountIn(run), dirty = h->dirty.CountIn(run);
    dirty_ -= dirty;
    muzzy_ -= muzzy;
    gone_dirty_ += dirty - muzzy;
    gone_muzzy_ += muzzy;
    h->free.Clear(run);
    h->dirty.Clear(run);
    h->muzzy.Clear(run);
    h->zero.Clear(run);
    pieces[n++] = {h, run, false, false, Advice::kNone};
  }
  if (n != 0) pieces[0].advice = AdviceOnBreaking(h, pieces[0].run.length == kGranulesPerHugepage);
  return n;
}

// A part of h goes back, or all of it. A huge page in its place later would bring back all that was given back.
ExtentHeap::Advice ExtentHeap::AdviceOnBreaking(Hugepage* h, bool whole) {
  h->huge = false;
  const auto thp = static_cast<Thp>(g_options.thp);
  if (!HugePagesAreOurs() || (thp != Thp::kAuto && thp != Thp::kAlways)) return Advice::kNone;
  if (h->plain) {
    if (!whole) return Advice::kNone;
    h->plain = false;
    --plain_;
    // Empty as it is, its next touch may make it huge again.
    h->wanted = true;
    return Advice::kHuge;
  }
  if (whole || !(h->wanted || huge_unasked_.Relaxed())) return Advice::kNone;
  if (plain_ >= kMostPlain + used_ / kLivePerPlain) return Advice::kNone;
  h->wanted = false;
  h->plain = true;
  ++plain_;
  return Advice::kPlain;
}

void ExtentHeap::ReturnPieces(const Piece* pieces, unsigned n, Stage stage) {
  for (unsigned i = 0; i < n; ++i) {
    const Piece& piece = pieces[i];
    Hugepage* h = piece.hugepage;
    const size_t bytes = size_t{piece.run.length} << kLgGranule;
    SetFree(h, piece.run);
    if (!piece.done || stage == Stage::kOffer) {
      MarkDirty(h, piece.run);
      if (!piece.done) {
        gone_dirty_ -= Min<uint64_t>(gone_dirty_, piece.run.length);
      } else {
        h->muzzy.Set(piece.run);
        muzzy_ += piece.run.length;
        stats_.pages.offered += bytes;
      }
    } else {
      stats_.pages.ranges++;
      stats_.pages.purged += bytes;
      if (piece.zeroed) h->zero.Set(piece.run);
    }
  }
}

// Returns the number of system calls. One call for all where the kernel can and is known; what it does not do is asked for piece by piece.
size_t ExtentHeap::PurgePieces(Piece* pieces, unsigned n) {
  unsigned i = n > 1 && os::InOwnThread() && (purging_.Relaxed() == kZeroes || purging_.Relaxed() == kKeeps) ? PurgeInOneCall(pieces, n) : 0;
  size_t calls = i != 0 ? 1 : 0;
  for (; i < n && purging_.Relaxed() != kRefused; ++i, ++calls) PurgePiece(pieces[i]);
  return calls;
}

// Returns how many of them are done. In threads of our own alone: a sandbox that the program's threads are in may kill on a call that it
// does not know, and a tick may have no stack for the frame.
XALLOC_NOINLINE unsigned ExtentHeap::PurgeInOneCall(Piece* pieces, unsigned n) {
  os::PageRange ranges[kBatch];
  for (unsigned i = 0; i < n; ++i) {
    ranges[i] = {pieces[i].hugepage->base + (size_t{pieces[i].run.begin} << kLgGranule), size_t{pieces[i].run.length} << kLgGranule};
  }
  const bool zeroes = purging_.Relaxed() == kZeroes;
  const auto done = static_cast<unsigned>(pages_.purge_many(ranges, n));
  for (unsigned i = 0; i < done; ++i) pieces[i].done = true, pieces[i].zeroed = zeroes;
  return done;
}

// The first purges of a process are checked: emulated kernels exist that accept the call and leave the contents. Threads that purge
// for the first time at once check each for itself.
void ExtentHeap::PurgePiece(Piece& piece) {
  char* at = piece.hugepage->base + (size_t{piece.run.begin} << kLgGranule);
  const size_t bytes = size_t{piece.run.length} << kLgGranule;
  const uint32_t known = purging_.Relaxed();
  volatile char* probe = at;
  if (known == kUnknown) *probe = 1;
  piece.done = pages_.purge(at, bytes);
  NoteAnswer(piece.done);
  if (XALLOC_LIKELY(known == kZeroes && piece.done)) {
    piece.zeroed = true;
    return;
  }
  if (piece.done && known == kUnknown) {
    piece.zeroed = *probe == 0;
    purging_.SetRelaxed(piece.zeroed ? uint32_t{kZeroes} : kKeeps);
  }
}

void ExtentHeap::NoteAnswer(bool yes) {
  if (yes) {
    if (refusals_.Relaxed() != 0) refusals_.SetRelaxed(0);
  } else if (refusals_.AddRelaxed(1) + 1 >= kPatience) {
    purging_.SetRelaxed(kRefused);
  }
}

void ExtentHeap::OfferPiece(Piece& piece) {
  piece.done = pages_.offer(piece.hugepage->base + (size_t{piece.run.begin} << kLgGranule), size_t{piece.run.length} << kLgGranule);
  if (!piece.done) no_offer_.SetRelaxed(true);
}

size_t ExtentHeap::PurgeInside(char* from, size_t bytes) {
  if (purging_.Relaxed() == kRefused) return 0;
  Hugepage* h = HugepageOf(from);
  if (h == nullptr) return 0;
  lock_.Acquire(os::Rank::kExtents);
  const Advice advice = AdviceOnBreaking(h, false);
  h->hollow = true;
  lock_.Release(os::Rank::kExtents);
  Advise(h, advice);
  const bool done = pages_.purge(from, bytes);
  NoteAnswer(done);
  os::Guard<os::Rank::kExtents> guard(lock_);
  stats_.pages.purge_calls++;
  if (!done) return 0;
  stats_.pages.inside += bytes;
  return bytes;
}

size_t ExtentHeap::PinnedByHugePages() {
  os::Guard<os::Rank::kExtents> guard(lock_);
  size_t pinned = 0;
  for (const Hugepage* h = dirty_list_.front(); h != nullptr; h = h->dirty_next) {
    if (h->huge && h->dirty.Count() < kWorthBreaking) pinned += h->dirty.Count();
  }
  return pinned << kLgGranule;
}

}  // namespace xalloc
