// SPDX-License-Identifier: MIT
// An arena is made by whoever needs it first, while others need it too, or only look: all get the same one, and whole. One table after the other.
#include "arena/arena.h"
#include "litmus.h"

using namespace xalloc;
using namespace litmus;

namespace {

constexpr unsigned kRounds = 400;
struct Fresh {
  ArenaTable table{{&g_extents, &g_page_map, &g_meta}};
};
constinit Fresh g_fresh[kRounds];
constinit Atomic<Arena*> g_got[kRounds];
constinit Atomic<unsigned> g_met[kRounds];
constinit Atomic<uint64_t> g_raced{0};
unsigned g_threads, g_rounds;

Arena* Wait(const ArenaTable& table) {
  for (;;) {
    if (Arena* arena = table.At(0); arena != nullptr) return arena;
    arch::SpinHint();
  }
}

void Need(unsigned me) {
  const unsigned cls = SizeToClass(20000);
  for (unsigned round = 0; round < g_rounds; ++round) {
    ArenaTable& table = g_fresh[round].table;
    g_met[round].AddOrdered(1);
    for (unsigned spins = 0; g_met[round].Acquire() != g_threads; ++spins) {
      if (spins % 64 == 63) sched_yield();
    }
    if (table.At(0) == nullptr) g_raced.AddRelaxed(1);
    Arena* arena = me == 0 ? Wait(table) : table.Current();
    REQUIRE(arena != nullptr && table.count() == 1);
    REQUIRE(arena->slot() == 0);
    Arena* first = nullptr;
    REQUIRE(g_got[round].CompareExchangeRelease(first, arena) || first == arena);
    void* object = nullptr;
    if (arena->TakeFromSlabs(cls, &object, 1) == 0 && me == 1) REQUIRE(arena->AddSlabs(cls));
    arena->Validate();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = Parse(argc, argv);
  g_threads = a.threads;
  g_rounds = Min(kRounds, a.ms);  // one takes less than a millisecond
  g_options.narenas = 1;          // all want the same
  RunThreads(a.threads, 0, Need);
  printf("arenas: %u made, %llu times a thread came before it was there\n", g_rounds, static_cast<unsigned long long>(g_raced.Relaxed()));
  REQUIRE(g_raced.Relaxed() > g_rounds / 4);
  return 0;
}
