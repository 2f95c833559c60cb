// SPDX-License-Identifier: MIT
// The depot of a bin: batches that one thread flushes and another fetches. Each block is in one hand at a time, and holds what its last
// owner wrote.
#include "arena/arena.h"
#include "litmus.h"

using namespace xalloc;
using namespace litmus;

namespace {

constexpr unsigned kSize = 256;
constinit Atomic<uint64_t> g_taken{0}, g_from_others{0};
Arena* g_arena;

void PassOn(unsigned me) {
  const unsigned cls = SizeToClass(kSize);
  Random random(me + 1);
  uint64_t count = 0, from_others = 0;
  void* objects[kMaxBatch];
  while (!g_stop.Relaxed()) {
    const unsigned wanted = 1 + random.Below(ShapeOf(cls).batch);
    const unsigned n = g_arena->Refill(cls, objects, wanted);
    if (n == 0) {
      REQUIRE(g_arena->AddSlabs(cls));
      continue;
    }
    for (unsigned i = 0; i < n; ++i) from_others += static_cast<Payload*>(objects[i])->Take(me) ? 1 : 0;
    for (unsigned i = 0; i < n; ++i) static_cast<Payload*>(objects[i])->Give(me, ++count);
    REQUIRE(g_arena->Flush(cls, objects, n).misuse == Misuse::kNone);
  }
  g_taken.AddRelaxed(count);
  g_from_others.AddRelaxed(from_others);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = Parse(argc, argv);
  g_arena = g_arenas.Current();
  RunThreads(a.threads, a.ms, PassOn);
  const uint64_t hits = g_arena->StatsOf(SizeToClass(kSize)).counters.ndepot_hits;
  printf("depot: %llu blocks taken, %llu that another thread had before; %llu refills from the depot\n",
         static_cast<unsigned long long>(g_taken.Relaxed()), static_cast<unsigned long long>(g_from_others.Relaxed()),
         static_cast<unsigned long long>(hits));
  g_arena->Validate();
  REQUIRE(g_from_others.Relaxed() > 100 && hits > 100);
  return 0;
}
