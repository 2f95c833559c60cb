// SPDX-License-Identifier: MIT
// What RocksDB does for its block cache: an arena whose memory is left out of core dumps, by hooks that chain to the default ones, and a cache
// of its own for it.
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cinttypes>
#include <string>
#include <vector>

#include "probe.h"

namespace {

std::atomic<extent_alloc_t*> original_alloc{nullptr};
std::atomic<int> allocations{0};

void* AllocUndumped(extent_hooks_t* hooks, void* new_addr, size_t size, size_t alignment, bool* zero, bool* commit, unsigned arena) {
  void* memory = original_alloc.load(std::memory_order_relaxed)(hooks, new_addr, size, alignment, zero, commit, arena);
  if (memory != nullptr) HOLDS(madvise(memory, size, MADV_DONTDUMP) == 0);
  ++allocations;
  return memory;
}

extent_hooks_t hooks;  // lives as long as the arena

std::string OfArena(unsigned arena, const char* leaf) { return "arena." + std::to_string(arena) + "." + leaf; }

unsigned NewArena() {
  unsigned arena = 0;
  size_t length = sizeof arena;
  MUST(mallctl("arenas.create", &arena, &length, nullptr, 0));
  extent_hooks_t* standard = nullptr;
  length = sizeof standard;
  MUST(mallctl(OfArena(arena, "extent_hooks").c_str(), static_cast<void*>(&standard), &length, nullptr, 0));
  HOLDS(standard != nullptr && standard->alloc != nullptr);
  hooks = *standard;
  original_alloc = standard->alloc;
  hooks.alloc = AllocUndumped;
  extent_hooks_t* ours = &hooks;
  MUST(mallctl(OfArena(arena, "extent_hooks").c_str(), nullptr, nullptr, static_cast<void*>(&ours), sizeof ours));
  return arena;
}

// Whether the mapping of `p` has the flag `dd`: no dump.
bool IsUndumped(const void* p) {
  FILE* maps = fopen("/proc/self/smaps", "r");
  HOLDS(maps != nullptr);
  char line[4096];
  bool inside = false, undumped = false;
  while (fgets(line, sizeof line, maps) != nullptr) {
    uintptr_t from, to;
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) inside = reinterpret_cast<uintptr_t>(p) - from < to - from;
    if (inside && strncmp(line, "VmFlags:", 8) == 0) undumped = strstr(line, " dd") != nullptr;
  }
  fclose(maps);
  return undumped;
}

}  // namespace

int main() {
  HOLDS(malloc_usable_size(nullptr) == 0);
  const unsigned arena = NewArena();
  unsigned cache = 0;
  size_t length = sizeof cache;
  MUST(mallctl("tcache.create", &cache, &length, nullptr, 0));
  const int flags = static_cast<int>(MALLOCX_ARENA(arena) | MALLOCX_TCACHE(cache));
  std::vector<char*> blocks;
  for (size_t size = 16; size <= 4 << 20; size += size / 3) {
    for (int i = 0; i < 20; ++i) {
      auto* p = static_cast<char*>(mallocx(size, flags));
      HOLDS(p != nullptr && malloc_usable_size(p) >= size);
      memset(p, i, size);
      blocks.push_back(p);
    }
    HOLDS(IsUndumped(blocks.back()));
  }
  HOLDS(allocations > 0);
  void* ordinary = malloc(1000);
  HOLDS(!IsUndumped(ordinary));
  free(ordinary);
  for (char* p : blocks) dallocx(p, MALLOCX_TCACHE(cache));
  MUST(mallctl("tcache.flush", nullptr, nullptr, &cache, sizeof cache));
  MUST(mallctl("tcache.destroy", nullptr, nullptr, &cache, sizeof cache));
  MUST(mallctl(OfArena(arena, "destroy").c_str(), nullptr, nullptr, nullptr, 0));
  HOLDS(mallctl(OfArena(arena, "destroy").c_str(), nullptr, nullptr, nullptr, 0) != 0);
  static std::string text;
  malloc_stats_print([](void* to, const char* part) { *static_cast<std::string*>(to) += part; }, &text, "");
  HOLDS(text.size() > 100);
  printf("%zu blocks, %d allocations by the hook\n", blocks.size(), allocations.load());
  return 0;
}
