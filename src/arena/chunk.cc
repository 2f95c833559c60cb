// SPDX-License-Identifier: MIT
#include "arena/chunk.h"

#include <string.h>

#include "diag/report.h"

namespace xalloc {
namespace {

size_t WordsFor(size_t granules) { return CeilDiv(granules, 64); }

// Calls fn(word, mask) for each word that the run touches.
template <class Fn>
void ForEachWord(Run run, Fn fn) {
  unsigned at = run.begin;
  for (const unsigned end = run.begin + run.length; at < end;) {
    const unsigned bits = Min(64 - at % 64, end - at);
    const uint64_t mask = (bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1) << (at % 64);
    fn(at / 64, mask);
    at += bits;
  }
}

void Set(uint64_t* words, Run run) {
  ForEachWord(run, [=](unsigned w, uint64_t mask) { words[w] |= mask; });
}
void Clear(uint64_t* words, Run run) {
  ForEachWord(run, [=](unsigned w, uint64_t mask) { words[w] &= ~mask; });
}
unsigned CountIn(const uint64_t* words, Run run) {
  unsigned count = 0;
  ForEachWord(run, [&](unsigned w, uint64_t mask) { count += PopCount(words[w] & mask); });
  return count;
}

// Index of the first bit at or after `from` that is set (flip = 0) or clear (flip = ~0) in `a`, or in `a & b`; `bits` when none.
unsigned NextBit(const uint64_t* a, const uint64_t* b, unsigned bits, unsigned from, uint64_t flip) {
  for (unsigned w = from / 64; w < WordsFor(bits); ++w) {
    uint64_t word = (b == nullptr ? a[w] : a[w] & b[w]) ^ flip;
    if (w == from / 64) word &= ~uint64_t{0} << (from % 64);
    if (word != 0) return Min(w * 64 + LowestBit(word), bits);
  }
  return bits;
}
Run NextRun(const uint64_t* a, const uint64_t* b, unsigned bits, unsigned from) {
  if (from >= bits) return {bits, 0};
  const unsigned begin = NextBit(a, b, bits, from, 0);
  if (begin == bits) return {bits, 0};
  return {begin, NextBit(a, b, bits, begin, ~uint64_t{0}) - begin};
}

size_t MapBytes(size_t granules) { return 5 * WordsFor(granules) * sizeof(uint64_t) + granules * sizeof(Extent*); }

}  // namespace

bool MakeChunkMaps(MetaAllocator& meta, Chunk* chunk, size_t bytes) {
  const size_t granules = bytes >> kLgGranule;
  const size_t words = WordsFor(granules);
  auto* memory = static_cast<uint64_t*>(meta.Allocate(MapBytes(granules)));
  if (memory == nullptr) return false;
  chunk->free = memory;
  chunk->dirty = memory + words;
  chunk->muzzy = memory + 2 * words;
  chunk->zero = memory + 3 * words;
  chunk->busy = memory + 4 * words;
  chunk->owner = reinterpret_cast<Extent**>(memory + 5 * words);
  chunk->granules = chunk->longest = chunk->free_count = static_cast<uint32_t>(granules);
  chunk->dirty_count = chunk->muzzy_count = chunk->busy_count = 0;
  chunk->full = chunk->kept = chunk->zeroes = false;
  Set(chunk->free, {0, chunk->granules});
  return true;
}

void MarkZero(Chunk* chunk) { Set(chunk->zero, {0, chunk->granules}); }

void FreeChunkMaps(MetaAllocator& meta, Chunk* chunk) {
  meta.Free(chunk->free, MapBytes(chunk->granules));
  chunk->free = nullptr;
}

Run FindFreeRun(Chunk* chunk, unsigned granules, size_t alignment) {
  if (granules > chunk->longest) return {0, 0};
  unsigned longest = 0;
  for (Run run = NextRun(chunk->free, nullptr, chunk->granules, 0); run.length != 0;
       run = NextRun(chunk->free, nullptr, chunk->granules, run.begin + run.length)) {
    longest = Max(longest, run.length);
    const auto at = reinterpret_cast<uintptr_t>(chunk->At(run.begin));
    const size_t skip = (AlignUp(at, alignment) - at) >> kLgGranule;
    if (skip + granules <= run.length) return {run.begin + static_cast<unsigned>(skip), granules};
  }
  chunk->longest = longest;
  return {0, 0};
}

bool TakeRun(Chunk* chunk, Run run) {
  const bool zero = CountIn(chunk->zero, run) == run.length;
  chunk->dirty_count -= CountIn(chunk->dirty, run);
  chunk->muzzy_count -= CountIn(chunk->muzzy, run);
  chunk->free_count -= run.length;
  Clear(chunk->free, run);
  Clear(chunk->dirty, run);
  Clear(chunk->muzzy, run);
  Clear(chunk->zero, run);
  return zero;
}

void GiveRun(Chunk* chunk, Run run) {
  Set(chunk->free, run);
  Set(chunk->dirty, run);
  chunk->free_count += run.length;
  chunk->dirty_count += run.length;
  chunk->longest = chunk->granules;  // what it has joined up with is found at the next look
}

bool IsFree(const Chunk* chunk, size_t begin, size_t length) {
  if (begin > chunk->granules || length > chunk->granules - begin) return false;
  const Run run = {static_cast<unsigned>(begin), static_cast<unsigned>(length)};
  return CountIn(chunk->free, run) == length;
}

Run NextDirtyRun(const Chunk* chunk, unsigned from) { return NextRun(chunk->free, chunk->dirty, chunk->granules, from); }
Run NextMuzzyRun(const Chunk* chunk, unsigned from) { return NextRun(chunk->free, chunk->muzzy, chunk->granules, from); }

void BeginPurge(Chunk* chunk, Run run) {
  Clear(chunk->free, run);
  Set(chunk->busy, run);
  chunk->free_count -= run.length;
  chunk->busy_count += run.length;
}

void EndPurge(Chunk* chunk, Run run, Purged purged) {
  Clear(chunk->busy, run);
  Set(chunk->free, run);
  chunk->free_count += run.length;
  chunk->busy_count -= run.length;
  chunk->longest = chunk->granules;
  if (purged == Purged::kRefused) return;
  chunk->dirty_count -= CountIn(chunk->dirty, run);
  chunk->muzzy_count -= CountIn(chunk->muzzy, run);
  Clear(chunk->dirty, run);
  Clear(chunk->muzzy, run);
  if (purged == Purged::kOffered) {
    Set(chunk->muzzy, run);
    chunk->muzzy_count += run.length;
  }
  if (purged == Purged::kByForce && chunk->zeroes) Set(chunk->zero, run);
}

void ForgetPurge(Chunk* chunk) {
  for (Run run = NextRun(chunk->busy, nullptr, chunk->granules, 0); run.length != 0;
       run = NextRun(chunk->busy, nullptr, chunk->granules, run.begin)) {
    EndPurge(chunk, run, Purged::kRefused);
  }
}

void FreeAllRuns(Chunk* chunk) {
  for (unsigned w = 0; w < WordsFor(chunk->granules); ++w) {
    const unsigned bits = Min(64u, chunk->granules - w * 64);
    const uint64_t taken = ~(chunk->free[w] | chunk->busy[w]) & (bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1);
    chunk->free[w] |= taken;
    chunk->dirty[w] |= taken;
    chunk->free_count += PopCount(taken);
    chunk->dirty_count += PopCount(taken);
  }
  memset(chunk->owner, 0, chunk->granules * sizeof(Extent*));
  chunk->longest = chunk->granules;
}

void ValidateChunk(const Chunk* chunk) {
  unsigned free = 0, dirty = 0, muzzy = 0, busy = 0;
  for (unsigned w = 0; w < WordsFor(chunk->granules); ++w) {
    free += PopCount(chunk->free[w]);
    dirty += PopCount(chunk->dirty[w]);
    muzzy += PopCount(chunk->muzzy[w]);
    busy += PopCount(chunk->busy[w]);
    if ((chunk->free[w] & chunk->busy[w]) != 0) Panic("broken invariant: chunk I1");
    if (((chunk->dirty[w] | chunk->muzzy[w]) & ~(chunk->free[w] | chunk->busy[w])) != 0) Panic("broken invariant: chunk I2");
    if ((chunk->dirty[w] & chunk->muzzy[w]) != 0) Panic("broken invariant: chunk I2");
    if ((chunk->zero[w] & (chunk->dirty[w] | chunk->muzzy[w] | ~chunk->free[w])) != 0) Panic("broken invariant: chunk I3");
  }
  if (free != chunk->free_count || dirty != chunk->dirty_count || muzzy != chunk->muzzy_count || busy != chunk->busy_count) Panic("broken invariant: chunk I5");
  for (Run run = NextRun(chunk->free, nullptr, chunk->granules, 0); run.length != 0;
       run = NextRun(chunk->free, nullptr, chunk->granules, run.begin + run.length)) {
    if (run.length > chunk->longest) Panic("broken invariant: chunk I4");
    if (CountIn(chunk->busy, run) != 0) Panic("broken invariant: chunk I1");
    for (unsigned g = run.begin; g < run.begin + run.length; ++g) {
      if (chunk->owner[g] != nullptr) Panic("broken invariant: chunk I1");
    }
  }
}

}  // namespace xalloc
