// SPDX-License-Identifier: MIT
// Caches that are drained while their threads go on (bottom-steal): no block is in two hands, none holds what its last owner did not write.
// The model of the same: docs/design/models/bottom_steal.pml.
#include "cache/fast_path.h"
#include "litmus.h"

using namespace xalloc;
using namespace litmus;

namespace {

constexpr size_t kSizes[] = {32, 96, 500};
constexpr unsigned kInHand = 48, kBoxes = 32;
constinit Atomic<Payload*> g_box[3][kBoxes];
constinit Atomic<uint64_t> g_operations{0}, g_from_others{0}, g_drains{0}, g_bytes{0};

// Pops and pushes in bursts, so that stacks are deep and shallow by turns. Some blocks go to another thread to be freed there.
void Use(unsigned me) {
  Random random(me + 1);
  uint64_t count = 0, from_others = 0;
  while (!g_stop.Relaxed()) {
    const unsigned kind = random.Below(3), n = 1 + random.Below(kInHand);
    Payload* in_hand[kInHand];
    for (unsigned i = 0; i < n; ++i) {
      in_hand[i] = static_cast<Payload*>(Malloc(kSizes[kind]));
      REQUIRE(in_hand[i] != nullptr);
      from_others += in_hand[i]->Take(me) ? 1 : 0;
    }
    for (unsigned i = 0; i < n; ++i) {
      in_hand[i]->Give(me, ++count);
      Payload* nobody = nullptr;
      if (i % 16 != 0 || !g_box[kind][random.Below(kBoxes)].CompareExchangeRelease(nobody, in_hand[i])) Free(in_hand[i]);
    }
    Free(g_box[kind][random.Below(kBoxes)].ExchangeAcquire(nullptr));
  }
  g_operations.AddRelaxed(count * 2);
  g_from_others.AddRelaxed(from_others);
}

void Drain() {
  while (!g_stop.Relaxed()) {
    g_bytes.AddRelaxed(DrainOtherCaches());
    g_drains.AddRelaxed(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = Parse(argc, argv);
  if (!os::MemoryBarrierAllThreads()) {
    puts("skipped: no membarrier here, so nothing is drained");
    return 77;
  }
  RunThreads(a.threads, a.ms, [](unsigned me) { me == 0 ? Drain() : Use(me); });
  printf("steal: %llu operations, %llu blocks that another thread had before, %llu drains of %llu KiB in all\n",
         static_cast<unsigned long long>(g_operations.Relaxed()), static_cast<unsigned long long>(g_from_others.Relaxed()),
         static_cast<unsigned long long>(g_drains.Relaxed()), static_cast<unsigned long long>(g_bytes.Relaxed() >> 10));
  REQUIRE(g_drains.Relaxed() > 2 && g_bytes.Relaxed() > 1000 && g_from_others.Relaxed() > 10);
  return 0;
}
