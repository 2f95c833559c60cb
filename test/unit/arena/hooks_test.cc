// SPDX-License-Identifier: MIT
// Extent hooks as programs write them: memory of their own, refusals, hooks that chain to ours, hooks that allocate.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xalloc/xalloc.h>

#include <atomic>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "arena/manual.h"
#include "arena/manual_arena.h"
#include "cache/fast_path.h"
#include "os/system.h"

namespace xalloc {
namespace {

// Hooks that hand out a fixed piece of memory, first fit by bumping, and count what they are asked.
struct Program {
  extent_hooks_t hooks = {Alloc, Dalloc, Destroy, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  char* base = nullptr;
  size_t size = 0, used = 0;
  bool committed = true, refuses_dalloc = false, refuses_commit = false, refuses_purge = false;
  std::set<std::pair<void*, size_t>> given;
  std::vector<unsigned> arenas;
  int allocs = 0, dallocs = 0, destroys = 0, commits = 0, forced = 0, lazy = 0;

  static Program* Of(extent_hooks_t* hooks) { return reinterpret_cast<Program*>(hooks); }
  static void* Alloc(extent_hooks_t* hooks, void* new_addr, size_t size, size_t alignment, bool* zero, bool* commit, unsigned arena) {
    Program* p = Of(hooks);
    EXPECT_EQ(new_addr, nullptr);
    EXPECT_FALSE(*zero);
    EXPECT_TRUE(*commit);
    EXPECT_EQ(size % os::PageSize(), 0u);
    EXPECT_EQ(alignment % os::PageSize(), 0u);
    p->allocs++;
    p->arenas.push_back(arena);
    const auto at = AlignUp(reinterpret_cast<uintptr_t>(p->base) + p->used, alignment);
    if (at + size > reinterpret_cast<uintptr_t>(p->base) + p->size) return nullptr;
    p->used = at + size - reinterpret_cast<uintptr_t>(p->base);
    *commit = p->committed;
    p->given.emplace(reinterpret_cast<void*>(at), size);
    return reinterpret_cast<void*>(at);
  }
  static bool Dalloc(extent_hooks_t* hooks, void* addr, size_t size, bool, unsigned) {
    Program* p = Of(hooks);
    p->dallocs++;
    EXPECT_EQ(p->given.count({addr, size}), 1u);  // exactly as it was got
    if (p->refuses_dalloc) return true;
    p->given.erase({addr, size});
    if (p->given.empty()) p->used = 0;
    return false;
  }
  static void Destroy(extent_hooks_t* hooks, void* addr, size_t size, bool, unsigned) {
    Program* p = Of(hooks);
    p->destroys++;
    EXPECT_EQ(p->given.erase({addr, size}), 1u);
  }
  static bool Commit(extent_hooks_t* hooks, void*, size_t, size_t, size_t, unsigned) {
    Of(hooks)->commits++;
    return Of(hooks)->refuses_commit;
  }
  static bool Forced(extent_hooks_t* hooks, void* addr, size_t size, size_t offset, size_t length, unsigned) {
    EXPECT_LE(offset + length, size);
    EXPECT_TRUE(IsAligned(static_cast<char*>(addr) + offset, os::PageSize()));
    EXPECT_EQ(length % os::PageSize(), 0u);
    Of(hooks)->forced++;
    return Of(hooks)->refuses_purge;
  }
  static bool Lazy(extent_hooks_t* hooks, void*, size_t, size_t, size_t, unsigned) {
    Of(hooks)->lazy++;
    return false;
  }
};

class Hooks : public testing::Test {
 protected:
  static constexpr size_t kBytes = size_t{1} << 20;
  void SetUp() override { Give(mmap(nullptr, kBytes + (64 << 10), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); }
  void Give(void* memory) {
    mapping_ = memory;
    program_.base = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(memory), 64 << 10));
    program_.size = kBytes;
  }
  void TearDown() override {
    if (alive_) Destroy();
    if (mapping_ != nullptr) munmap(mapping_, kBytes + (64 << 10));
  }
  void Create() {
    ASSERT_TRUE(CreateArena(&program_.hooks, &index_));
    arena_ = ArenaOf(index_).manual;
    alive_ = true;
  }
  void Destroy() {
    EXPECT_EQ(DestroyArena(index_), ArenaDone::kDone);
    alive_ = false;
  }
  void* Small(size_t size) {
    void* p = nullptr;
    return ManualRefill(arena_, SizeToClass(size), &p, 1) == 1 ? p : nullptr;
  }
  void* Large(size_t size) { return ManualAllocateLarge(arena_, size, 1, false); }
  bool Inside(const void* p) const { return static_cast<const char*>(p) >= program_.base && static_cast<const char*>(p) < program_.base + kBytes; }
  Program program_;
  void* mapping_ = nullptr;
  unsigned index_ = 0;
  ManualArena* arena_ = nullptr;
  bool alive_ = false;
};

TEST_F(Hooks, AMegabyteOfTheProgramsOwnIsAnArena) {
  Create();
  std::vector<void*> all;
  for (size_t size = 8; size <= 8192; size *= 2) all.push_back(Small(size));
  all.push_back(Large(100000));
  for (void* p : all) {
    ASSERT_NE(p, nullptr);
    EXPECT_TRUE(Inside(p));
  }
  for (const unsigned arena : program_.arenas) EXPECT_EQ(arena, index_);
  // To the last granule, and then nothing.
  size_t more = 0;
  while (void* p = Large(40000)) {
    EXPECT_TRUE(Inside(p));
    ++more;
  }
  EXPECT_GT(more, 3u);
  EXPECT_EQ(Large(40000), nullptr);
  ValidateManual(arena_);
  EXPECT_EQ(ResetArena(index_), ArenaDone::kDone);
  EXPECT_NE(Large(500000), nullptr);
  Destroy();
  EXPECT_EQ(program_.dallocs, 1);
  EXPECT_EQ(program_.destroys, 0);
  EXPECT_TRUE(program_.given.empty());
}

TEST_F(Hooks, WhereTheHookHasLittleItIsAskedForLess) {
  program_.size = 160 << 10;
  Create();
  EXPECT_NE(Large(100000), nullptr);
  EXPECT_EQ(program_.given.size(), 1u);
  EXPECT_EQ(program_.given.begin()->second, size_t{128} << 10);
}

TEST_F(Hooks, RefusedDallocKeepsTheChunkForDestroy) {
  program_.refuses_dalloc = true;
  Create();
  FreeSlow(Small(100));
  EXPECT_EQ(PurgeArena(arena_), 0u);
  EXPECT_EQ(program_.dallocs, 1);
  PurgeArena(arena_);
  EXPECT_EQ(program_.dallocs, 1);  // not asked again
  ValidateManual(arena_);
  EXPECT_NE(Small(100), nullptr);
  Destroy();
  EXPECT_EQ(program_.destroys, 1);
  EXPECT_TRUE(program_.given.empty());
}

TEST_F(Hooks, AllButAllocMayBeNull) {
  program_.hooks.dalloc = nullptr;
  program_.hooks.destroy = nullptr;
  Create();
  for (int round = 0; round < 3; ++round) {
    void* p = Large(600000);
    ASSERT_NE(p, nullptr);
    FreeSlow(p);
    EXPECT_EQ(PurgeArena(arena_), 0u);
    EXPECT_EQ(ResetArena(index_), ArenaDone::kDone);
  }
  Destroy();
  EXPECT_EQ(program_.allocs, 2);  // 2 MiB, 1 MiB
}

TEST_F(Hooks, MemoryThatIsNotCommittedIsCommittedFirst) {
  program_.committed = false;
  program_.hooks.commit = Program::Commit;
  Create();
  EXPECT_NE(Small(100), nullptr);
  EXPECT_EQ(program_.commits, 1);
}

TEST_F(Hooks, RefusedCommitGivesTheMemoryBack) {
  program_.committed = false;
  for (const bool has_hook : {true, false}) {
    program_.hooks.commit = has_hook ? Program::Commit : nullptr;
    program_.refuses_commit = true;
    Create();
    EXPECT_EQ(Small(100), nullptr);
    EXPECT_TRUE(program_.given.empty());
    ValidateManual(arena_);
    Destroy();
  }
}

TEST_F(Hooks, DecayAsksLazyFirstWhereThereIsAMuzzyTime) {
  program_.hooks.purge_forced = Program::Forced;
  program_.hooks.purge_lazy = Program::Lazy;
  Create();
  SetDirtyDecayMs(arena_, 1000);
  void* kept = ManualAllocateLarge(arena_, 65536, 1, false);
  for (const int64_t muzzy : {int64_t{0}, int64_t{1000}}) {
    SetMuzzyDecayMs(arena_, muzzy);
    program_.forced = program_.lazy = 0;
    Free(memset(ManualAllocateLarge(arena_, 262144, 1, false), 1, 262144));
    const uint64_t now = muzzy == 0 ? 5000 : 50000;
    EXPECT_EQ(DecayArena(arena_, now), 0u);
    EXPECT_GE(DecayArena(arena_, now + 1000), 262144u);
    EXPECT_EQ(program_.lazy > 0, muzzy != 0);
    EXPECT_EQ(program_.forced > 0, muzzy == 0);
  }
  Free(kept);
}

TEST_F(Hooks, WhatWasOfferedGoesBackByForceWhenTheMuzzyTimeIsOver) {
  program_.hooks.purge_forced = Program::Forced;
  program_.hooks.purge_lazy = Program::Lazy;
  program_.hooks.dalloc = nullptr;
  Create();
  SetDirtyDecayMs(arena_, 1000);
  SetMuzzyDecayMs(arena_, 3000);
  void* kept = ManualAllocateLarge(arena_, 65536, 1, false);
  void* used = memset(ManualAllocateLarge(arena_, 131072, 1, false), 1, 131072);
  void* gone = memset(ManualAllocateLarge(arena_, 262144, 1, false), 1, 262144);
  Free(used);
  Free(gone);
  EXPECT_EQ(StatsOf(arena_).dirty, 393216u);
  EXPECT_EQ(DecayArena(arena_, 5000), 0u);
  EXPECT_EQ(DecayArena(arena_, 6000), 393216u);
  EXPECT_EQ(program_.forced, 0);
  ManualStats stats = StatsOf(arena_);
  EXPECT_EQ(stats.dirty, 0u);
  EXPECT_EQ(stats.muzzy, 393216u);
  EXPECT_EQ(stats.of_dirty.bytes, 393216u);
  EXPECT_EQ(stats.of_muzzy.bytes, 0u);
  ValidateManual(arena_);
  // What is taken again is no more muzzy, and nobody says that it is zero.
  auto* again = static_cast<char*>(ManualAllocateLarge(arena_, 131072, 1, true));
  for (int i = 0; i < 131072; ++i) ASSERT_EQ(again[i], 0);
  EXPECT_EQ(StatsOf(arena_).muzzy, 262144u);
  EXPECT_EQ(DecayArena(arena_, 8999), 0u);
  EXPECT_EQ(DecayArena(arena_, 9000), 262144u);
  EXPECT_EQ(program_.forced, 1);
  stats = StatsOf(arena_);
  EXPECT_EQ(stats.muzzy, 0u);
  EXPECT_EQ(stats.of_muzzy.rounds, 1u);
  EXPECT_EQ(stats.of_muzzy.calls, 1u);
  EXPECT_EQ(stats.of_muzzy.bytes, 262144u);
  EXPECT_EQ(DecayArena(arena_, 20000), 0u);
  // Offered once more; without such a stage it goes at once.
  Free(again);
  EXPECT_EQ(DecayArena(arena_, 30000), 0u);
  EXPECT_EQ(DecayArena(arena_, 31000), 131072u);
  EXPECT_EQ(StatsOf(arena_).muzzy, 131072u);
  SetMuzzyDecayMs(arena_, 0);
  EXPECT_EQ(StatsOf(arena_).muzzy, 0u);
  EXPECT_EQ(program_.forced, 2);
  // And a purge takes both.
  SetMuzzyDecayMs(arena_, -1);
  Free(ManualAllocateLarge(arena_, 131072, 1, false));
  DecayArena(arena_, 40000);
  EXPECT_EQ(DecayArena(arena_, 41000), 131072u);
  EXPECT_EQ(DecayArena(arena_, 400000), 0u);
  Free(memset(ManualAllocateLarge(arena_, 65536, 1, false), 1, 65536));
  stats = StatsOf(arena_);
  EXPECT_GT(stats.muzzy, 0u);
  EXPECT_GT(stats.dirty, 0u);
  EXPECT_EQ(PurgeArena(arena_), 131072u);
  stats = StatsOf(arena_);
  EXPECT_EQ(stats.muzzy + stats.dirty, 0u);
  ValidateManual(arena_);
  Free(kept);
}

TEST_F(Hooks, PurgeForcedComesBeforeLazyAndARefusalLeavesItDirty) {
  program_.hooks.dalloc = nullptr;
  program_.hooks.purge_forced = Program::Forced;
  program_.refuses_purge = true;
  Create();
  ASSERT_NE(Small(100), nullptr);
  void* p = Large(200000);
  memset(p, 7, 200000);
  FreeSlow(p);
  const size_t dirty = StatsOf(arena_).dirty;
  EXPECT_GT(dirty, 0u);
  EXPECT_EQ(PurgeArena(arena_), 0u);
  EXPECT_EQ(program_.forced, 1);
  EXPECT_EQ(StatsOf(arena_).dirty, dirty);
  program_.hooks.purge_lazy = Program::Lazy;
  EXPECT_GT(PurgeArena(arena_), 0u);
  EXPECT_EQ(program_.forced, 2);
  EXPECT_EQ(program_.lazy, 1);
  // Nobody promised that it is zero: what is to be zero is cleared.
  auto* again = static_cast<char*>(ManualAllocateLarge(arena_, 200000, 1, true));
  for (int i = 0; i < 200000; ++i) ASSERT_EQ(again[i], 0);
  ValidateManual(arena_);
}

TEST_F(Hooks, AreReplacedWhileTheArenaLives) {
  Create();
  ASSERT_NE(Small(100), nullptr);
  EXPECT_EQ(HooksOf(arena_), &program_.hooks);
  Program other;
  other.base = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  other.base = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(other.base), 64 << 10));
  other.size = kBytes - (64 << 10);
  other.given = program_.given;  // it is to take back what the first one gave
  SetHooks(arena_, &other.hooks);
  EXPECT_EQ(HooksOf(arena_), &other.hooks);
  while (void* p = Large(50000)) {
    if (!Inside(p)) break;
  }
  EXPECT_GT(other.allocs, 0);
  Destroy();
  EXPECT_TRUE(other.given.empty());
  EXPECT_EQ(program_.dallocs, 0);
}

TEST_F(Hooks, SharedMemoryIsSeenByAChild) {
  munmap(mapping_, kBytes + (64 << 10));
  const int fd = memfd_create("arena", 0);
  ASSERT_EQ(ftruncate(fd, kBytes + (64 << 10)), 0);
  Give(mmap(nullptr, kBytes + (64 << 10), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  close(fd);
  Create();
  auto* p = static_cast<volatile char*>(Small(1000));
  auto* q = static_cast<volatile char*>(Large(100000));
  p[0] = 1;
  q[0] = 1;
  const pid_t child = fork();
  if (child == 0) {
    const bool seen = p[0] == 1 && q[0] == 1;
    p[0] = 2;
    q[0] = 2;
    // The child's arena works on, too.
    void* more = Small(1000);
    FreeSlow(const_cast<char*>(q));
    _exit(seen && more != nullptr ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(p[0], 2);
  EXPECT_EQ(q[0], 2);
}

TEST_F(Hooks, TheProgramMayUseABlockOfOurs) {
  munmap(mapping_, kBytes + (64 << 10));
  mapping_ = nullptr;
  void* block = MallocAligned(kBytes, kGranule, false);
  program_.base = static_cast<char*>(block);
  Create();
  if (os::PageSize() > kGranule) GTEST_SKIP();
  void* first = Large(40000);
  ASSERT_NE(first, nullptr);
  EXPECT_TRUE(Inside(first));
  EXPECT_EQ(UsableSize(first, Act::kUsableSize), 40960u);
  Free(first);
  Free(Small(100));
  Destroy();
  EXPECT_GE(UsableSize(block, Act::kUsableSize), kBytes);
  Free(block);
}

TEST_F(Hooks, SlotsOfASharedSlabAreNotTaken) {
  void* block = MallocAligned(kGranule, kGranule, false);
  program_.base = static_cast<char*>(block);
  program_.size = kGranule;
  Create();
  EXPECT_EQ(Small(100), nullptr);
  EXPECT_TRUE(program_.given.empty());
  Free(block);
}

TEST_F(Hooks, MemoryThatIsGivenTwiceIsTakenOnce) {
  Create();
  ASSERT_NE(Large(600000), nullptr);
  program_.used = 0;
  EXPECT_EQ(Large(600000), nullptr);
  EXPECT_EQ(program_.dallocs, 0);
  ValidateManual(arena_);
}

// ---- chaining to the default ones ------------------------------------------------------------------------------------------

struct Chained {
  extent_hooks_t hooks;
  std::atomic<int> allocs{0};
  static void* Alloc(extent_hooks_t* hooks, void* new_addr, size_t size, size_t alignment, bool* zero, bool* commit, unsigned arena) {
    reinterpret_cast<Chained*>(hooks)->allocs++;
    const extent_hooks_t* original = DefaultExtentHooks();
    void* at = original->alloc(const_cast<extent_hooks_t*>(original), new_addr, size, alignment, zero, commit, arena);
    if (at != nullptr) madvise(at, size, MADV_DONTDUMP);
    return at;
  }
};

TEST(DefaultHooks, ACopyWithAnotherAllocWorks) {
  Chained chained{*DefaultExtentHooks(), {}};
  chained.hooks.alloc = Chained::Alloc;
  unsigned index = 0;
  ASSERT_TRUE(CreateArena(&chained.hooks, &index));
  ManualArena* arena = ArenaOf(index).manual;
  void* p = ManualAllocateLarge(arena, 5 << 20, 1, true);
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(chained.allocs, 1);
  FreeSlow(p);
  EXPECT_GT(PurgeArena(arena), 0u);
  EXPECT_EQ(StatsOf(arena).mapped, 0u);
  EXPECT_EQ(DestroyArena(index), ArenaDone::kDone);
}

TEST(DefaultHooks, DoNotUnmapWhatIsNotTheirs) {
  static char buffer[1 << 16] __attribute__((aligned(1 << 16)));
  auto* hooks = const_cast<extent_hooks_t*>(DefaultExtentHooks());
  EXPECT_TRUE(hooks->dalloc(hooks, buffer, sizeof buffer, true, 0));
  hooks->destroy(hooks, buffer, sizeof buffer, true, 0);
  buffer[5] = 1;
  bool zero = false, commit = true;
  const size_t bytes = size_t{4} << 16;
  auto* at = static_cast<char*>(hooks->alloc(hooks, nullptr, bytes, size_t{1} << 21, &zero, &commit, 0));
  ASSERT_NE(at, nullptr);
  EXPECT_TRUE(zero && commit);
  EXPECT_TRUE(IsAligned(at, size_t{1} << 21));
  EXPECT_TRUE(hooks->dalloc(hooks, at, bytes / 2, true, 0));
  at[0] = 1;
  EXPECT_FALSE(hooks->purge_forced(hooks, at, bytes, 0, bytes, 0));
  EXPECT_EQ(at[0], 0);
  EXPECT_EQ(hooks->alloc(hooks, at, bytes, os::PageSize(), &zero, &commit, 0), nullptr);  // taken
  EXPECT_FALSE(hooks->dalloc(hooks, at, bytes, true, 0));
  EXPECT_EQ(hooks->alloc(hooks, at, bytes, os::PageSize(), &zero, &commit, 0), at);
  EXPECT_FALSE(hooks->dalloc(hooks, at, bytes, true, 0));
}

// ---- hooks that allocate ------------------------------------------------------------------------------------------------

struct Allocating {
  extent_hooks_t hooks;
  static void* Alloc(extent_hooks_t*, void* new_addr, size_t size, size_t alignment, bool* zero, bool* commit, unsigned arena) {
    Touch();
    auto* original = const_cast<extent_hooks_t*>(DefaultExtentHooks());
    return original->alloc(original, new_addr, size, alignment, zero, commit, arena);
  }
  static bool Dalloc(extent_hooks_t*, void* at, size_t size, bool committed, unsigned arena) {
    Touch();
    auto* original = const_cast<extent_hooks_t*>(DefaultExtentHooks());
    return original->dalloc(original, at, size, committed, arena);
  }
  static bool Forced(extent_hooks_t*, void* at, size_t size, size_t offset, size_t length, unsigned arena) {
    Touch();
    auto* original = const_cast<extent_hooks_t*>(DefaultExtentHooks());
    return original->purge_forced(original, at, size, offset, length, arena);
  }
  static void Touch() {
    void* small = Malloc(100);
    void* large = Malloc(100000);
    Free(small);
    Free(large);
  }
};

TEST(AllocatingHooks, MayUseTheSharedArenas) {
  Allocating program{{Allocating::Alloc, Allocating::Dalloc, nullptr, nullptr, nullptr, nullptr, Allocating::Forced, nullptr, nullptr}};
  unsigned index = 0;
  ASSERT_TRUE(CreateArena(&program.hooks, &index));
  ManualArena* arena = ArenaOf(index).manual;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        void* p = ManualAllocateLarge(arena, 100000 + 50000u * static_cast<unsigned>(t), 1, false);
        ASSERT_NE(p, nullptr);
        Free(p);
        if (i % 20 == 0) PurgeArena(arena);
      }
    });
  }
  for (auto& t : threads) t.join();
  ValidateManual(arena);
  EXPECT_EQ(DestroyArena(index), ArenaDone::kDone);
}

// A thread that allocates elsewhere may be in a hook, with a lock of the program's: it calls no hooks. Who uses the arena does.
TEST(DecayingHooks, AreCalledByWhoUsesTheArena) {
  Chained chained{*DefaultExtentHooks(), {}};
  unsigned index = 0;
  ASSERT_TRUE(CreateArena(&chained.hooks, &index));
  ManualArena* arena = ArenaOf(index).manual;
  SetDirtyDecayMs(arena, 30);
  Free(ManualAllocateLarge(arena, 20 << 20, 1, false));
  DecayManualArenas(1000, false);
  EXPECT_EQ(DecayManualArenas(1000000, false), 0u);
  EXPECT_GE(StatsOf(arena).dirty, size_t{20} << 20);
  for (int i = 0; i < 5000 && StatsOf(arena).dirty >= size_t{10} << 20; ++i) {
    for (int n = 0; n < 100; ++n) {
      void* p = nullptr;
      ASSERT_EQ(ManualRefill(arena, 5, &p, 1), 1u);
      Free(p);
    }
    usleep(1000);
  }
  EXPECT_LT(StatsOf(arena).dirty, size_t{10} << 20);
  EXPECT_EQ(DestroyArena(index), ArenaDone::kDone);
}

// One megabyte, wanted by many: nobody is told that there is none while another one has just got it.
TEST_F(Hooks, ThreadsWaitForWhatAnotherIsAboutToGet) {
  static std::atomic<Program*> program;
  program = &program_;
  program_.hooks.alloc = [](extent_hooks_t*, void* new_addr, size_t size, size_t alignment, bool* zero, bool* commit, unsigned arena) {
    static std::atomic<bool> busy{false};
    while (busy.exchange(true)) std::this_thread::yield();
    void* at = Program::Alloc(&program.load()->hooks, new_addr, size, alignment, zero, commit, arena);
    busy = false;
    if (at != nullptr) usleep(2000);
    return at;
  };
  Create();
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      if (Small(64) == nullptr) ++failed;
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace xalloc
