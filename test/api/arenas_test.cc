// SPDX-License-Identifier: MIT
// The seven functions with arenas and caches that the program made. Linked with the archive: what makes those is the library's own interface.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xalloc/xalloc.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "api/allocator.h"
#include "arena/manual.h"
#include "cache/explicit.h"

using namespace xalloc;

namespace {

bool Aligned(const void* p, size_t alignment) { return reinterpret_cast<uintptr_t>(p) % alignment == 0; }

class Arenas : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(CreateArena(nullptr, &index_));
    ASSERT_TRUE(CreateExplicitCache(&cache_));
    arena_ = ArenaOf(index_).manual;
    all_flags_ = {0,
                  XMALLOCX_TCACHE_NONE,
                  XMALLOCX_TCACHE(cache_),
                  XMALLOCX_ARENA(0),
                  XMALLOCX_ARENA(index_),
                  XMALLOCX_ARENA(0) | XMALLOCX_TCACHE_NONE,
                  XMALLOCX_ARENA(index_) | XMALLOCX_TCACHE_NONE,
                  XMALLOCX_ARENA(0) | XMALLOCX_TCACHE(cache_),
                  XMALLOCX_ARENA(index_) | XMALLOCX_TCACHE(cache_),
                  XMALLOCX_TCACHE(4000)};
  }
  void TearDown() override {
    ValidateManual(arena_);
    EXPECT_EQ(DestroyArena(index_), ArenaDone::kDone);
    EXPECT_TRUE(DestroyExplicitCache(cache_));
  }
  unsigned OwnerOf(const void* p) {
    unsigned owner = ~0u;
    EXPECT_TRUE(LookupArena(p, &owner));
    return owner;
  }
  unsigned index_ = 0, cache_ = 0;
  ManualArena* arena_ = nullptr;
  std::vector<int> all_flags_;
};

TEST_F(Arenas, NallocxForetellsSallocxForAllSizesAlignmentsAndFlags) {
  for (const int flags : all_flags_) {
    for (int lg = 0; lg <= 22; ++lg) {
      for (size_t n = 1; n < 3000000; n += n / 3 + 1) {
        const int f = flags | XMALLOCX_LG_ALIGN(lg) | (n % 5 == 0 ? XMALLOCX_ZERO : 0);
        auto* p = static_cast<char*>(xmallocx(n, f));
        ASSERT_NE(p, nullptr) << n << " " << f;
        ASSERT_EQ(xsallocx(p, f), xnallocx(n, f)) << n << " " << f;
        ASSERT_EQ(malloc_usable_size(p), xnallocx(n, f));
        ASSERT_TRUE(Aligned(p, size_t{1} << lg));
        if ((f & XMALLOCX_ZERO) != 0) {
          for (size_t i = 0; i < n; i += 61) ASSERT_EQ(p[i], 0) << n << " " << f;
          ASSERT_EQ(p[n - 1], 0);
        }
        memset(p, 0xee, Min<size_t>(xsallocx(p, f), 10000));
        p[n - 1] = 1;
        if (n % 3 == 0) {
          xsdallocx(p, n, f);
        } else if (n % 3 == 1) {
          xdallocx(p, f);
        } else {
          free(p);
        }
      }
    }
  }
}

TEST_F(Arenas, ANamedArenaOwnsTheBlock) {
  for (const int cache : {0, XMALLOCX_TCACHE_NONE}) {
    for (const size_t n : {10, 1000, 30000, 100000, 5000000}) {
      void* p = xmallocx(n, XMALLOCX_ARENA(index_) | cache);
      EXPECT_EQ(OwnerOf(p), index_);
      xdallocx(p, cache);
      p = xmallocx(n, XMALLOCX_ARENA(0) | cache);
      EXPECT_EQ(OwnerOf(p), 0u);
      xdallocx(p, cache);
    }
  }
  EXPECT_EQ(StatsOf(arena_).small_allocated + StatsOf(arena_).large_allocated, 0u);
}

TEST_F(Arenas, ABadArenaHasNoMemory) {
  unsigned gone = 0;
  ASSERT_TRUE(CreateArena(nullptr, &gone));
  ASSERT_EQ(DestroyArena(gone), ArenaDone::kDone);
  errno = 9;
  for (const unsigned index : {gone, 4000u, 4094u}) {
    for (const size_t n : {10, 100000}) {
      EXPECT_EQ(xmallocx(n, XMALLOCX_ARENA(index)), nullptr);
      EXPECT_EQ(xmallocx(n, XMALLOCX_ARENA(index) | XMALLOCX_TCACHE(cache_)), nullptr);
      auto* p = static_cast<char*>(xmallocx(10, 0));
      p[0] = 7;
      EXPECT_EQ(xrallocx(p, n, XMALLOCX_ARENA(index)), nullptr);
      EXPECT_EQ(p[0], 7);
      xdallocx(p, XMALLOCX_ARENA(index));
    }
  }
  EXPECT_EQ(errno, 9);
}

TEST_F(Arenas, RallocxWithoutAnArenaStaysInTheArena) {
  for (const int flags : {0, XMALLOCX_TCACHE_NONE, XMALLOCX_TCACHE(cache_), XMALLOCX_ALIGN(256), XMALLOCX_ZERO}) {
    auto* p = static_cast<char*>(xmallocx(20, XMALLOCX_ARENA(index_) | XMALLOCX_ZERO));
    p[0] = 7;
    for (const size_t n : {200, 3000, 40000, 50000, 900000, 30000000, 45000, 100, 9}) {
      const size_t old = xsallocx(p, 0);
      p = static_cast<char*>(xrallocx(p, n, flags));
      ASSERT_NE(p, nullptr);
      ASSERT_EQ(OwnerOf(p), index_) << n << " " << flags;
      ASSERT_GE(xsallocx(p, 0), n);
      ASSERT_EQ(p[0], 7);
      for (size_t i = old; (flags & XMALLOCX_ZERO) != 0 && i < xsallocx(p, 0); ++i) ASSERT_EQ(p[i], 0) << n;
      memset(p + 1, 1, xsallocx(p, 0) - 1);
    }
    p = static_cast<char*>(realloc(p, 5000));
    EXPECT_EQ(OwnerOf(p), index_);
    xdallocx(p, flags);
  }
}

TEST_F(Arenas, RallocxMovesIntoANamedArena) {
  void* p = xmallocx(100, 0);
  p = xrallocx(p, 1000, XMALLOCX_ARENA(index_));
  EXPECT_EQ(OwnerOf(p), index_);
  p = xrallocx(p, 100000, XMALLOCX_ARENA(0));
  EXPECT_EQ(OwnerOf(p), 0u);
  xdallocx(p, 0);
}

TEST_F(Arenas, XallocxGrowsAndShrinksInPlace) {
  for (const int arena : {0, XMALLOCX_ARENA(index_)}) {
    auto* p = static_cast<char*>(xmallocx(100000, arena));
    EXPECT_EQ(xxallocx(p, 50000, 0, 0), xnallocx(50000, 0));
    EXPECT_EQ(xxallocx(p, 60000, 40000, XMALLOCX_ZERO), xnallocx(100000, 0));
    for (size_t i = xnallocx(50000, 0); i < 100000; ++i) ASSERT_EQ(p[i], 0);
    EXPECT_EQ(xxallocx(p, 100000, SIZE_MAX, 0), xnallocx(100000, 0));  // clamped; the least is possible
    EXPECT_EQ(xxallocx(p, Hidden(SIZE_MAX), Hidden(SIZE_MAX), 0), xnallocx(100000, 0));
    EXPECT_EQ(xxallocx(p, 10, 0, 0), xnallocx(100000, 0));
    EXPECT_EQ(xsallocx(p, 0), xnallocx(100000, 0));
    xsdallocx(p, 100000, 0);
    p = static_cast<char*>(xmallocx(100, arena));
    EXPECT_EQ(xxallocx(p, 200, 100, 0), xnallocx(100, 0));
    EXPECT_EQ(xxallocx(p, 1, 0, 0), xnallocx(100, 0));
    xsdallocx(p, 100, 0);
  }
}

TEST_F(Arenas, ImpossibleSizesAreNullWithEveryFlag) {
  errno = 9;
  for (const int flags : all_flags_) {
    for (const size_t n : {Hidden(SIZE_MAX), Hidden(size_t{PTRDIFF_MAX} + 1), Hidden(PTRDIFF_MAX)}) {
      EXPECT_EQ(xmallocx(n, flags), nullptr);
      EXPECT_EQ(xnallocx(n, flags), 0u);
      void* p = xmallocx(10, flags);
      EXPECT_EQ(xrallocx(p, n, flags), nullptr);
      EXPECT_EQ(xxallocx(p, n, 0, flags), xnallocx(10, flags));
      xdallocx(p, flags);
    }
    EXPECT_EQ(xmallocx(Hidden(size_t{1} << 62), flags), nullptr);
    EXPECT_EQ(xmallocx(1, flags | XMALLOCX_LG_ALIGN(63)), nullptr);
    EXPECT_EQ(xnallocx(1, flags | XMALLOCX_LG_ALIGN(63)), 0u);
  }
  EXPECT_EQ(errno, 9);
}

TEST_F(Arenas, NeitherFreeingNorAllocatingTouchesErrno) {
  errno = 9;
  for (const int flags : all_flags_) {
    for (const size_t n : {10, 3000, 100000, 40000000}) xdallocx(xmallocx(n, flags), flags);
  }
  PurgeArena(arena_);
  ResetArena(index_);
  EXPECT_EQ(errno, 9);
}

TEST_F(Arenas, MisuseIsReported) {
  auto* p = static_cast<char*>(xmallocx(100, XMALLOCX_ARENA(index_)));
  EXPECT_DEATH(free(p + 16), "xalloc: free of interior pointer");
  EXPECT_DEATH(xdallocx(p + 16, 0), "xalloc: free of interior pointer");
  EXPECT_DEATH(xdallocx(p + 16, XMALLOCX_TCACHE_NONE), "xalloc: free of interior pointer");
  EXPECT_DEATH((void)!xrallocx(p + 16, 1000, 0), "xalloc: realloc of interior pointer");
  EXPECT_DEATH((void)!xsallocx(p + 16, 0), "xalloc: usable size of interior pointer");
  auto* q = static_cast<char*>(xmallocx(100, XMALLOCX_ARENA(index_)));
  xdallocx(p, 0);
  EXPECT_DEATH(xdallocx(p, 0), "xalloc: double free of");
  EXPECT_DEATH(free(p), "xalloc: double free of");
  EXPECT_DEATH((void)!xrallocx(p, 1000, XMALLOCX_TCACHE_NONE), "xalloc: realloc of unallocated pointer");
  xdallocx(q, 0);
  // Of a size that the test itself does not use; another one keeps the slab.
  void* shared = xmallocx(20000, XMALLOCX_ARENA(0));
  void* neighbour = xmallocx(20000, XMALLOCX_ARENA(0));
  xdallocx(shared, XMALLOCX_TCACHE_NONE);
  EXPECT_DEATH(xdallocx(shared, XMALLOCX_TCACHE_NONE), "xalloc: double free of");
  EXPECT_DEATH((void)!xrallocx(shared, 1000, XMALLOCX_ALIGN(64)), "xalloc: realloc of unallocated pointer");
  xdallocx(neighbour, 0);
}

TEST_F(Arenas, TrimGivesTheirMemoryBackToo) {
  void* p = xmallocx(10000000, XMALLOCX_ARENA(index_));
  xdallocx(p, 0);
  void* small = xmallocx(100, XMALLOCX_ARENA(index_) | XMALLOCX_TCACHE(cache_));
  xdallocx(small, XMALLOCX_TCACHE(cache_));
  EXPECT_EQ(malloc_trim(0), 1);
  EXPECT_EQ(StatsOf(arena_).mapped, 0u);
}

TEST_F(Arenas, ABoundThreadGetsAllFromItsArena) {
  std::thread([&] {
    ASSERT_TRUE(BindThread(index_));
    void* all[] = {malloc(100),
                   malloc(0),
                   calloc(3, 1000),
                   realloc(nullptr, 50),
                   aligned_alloc(4096, 5000),
                   memalign(128, 3),
                   valloc(10),
                   malloc(1000000),
                   ::operator new(10),
                   xmallocx(10, 0),
                   xmallocx(10, XMALLOCX_TCACHE_NONE),
                   xmallocx(10, XMALLOCX_ALIGN(64)),
                   xmallocx(10, XMALLOCX_TCACHE(cache_))};
    for (void* p : all) {
      EXPECT_EQ(OwnerOf(p), index_);
      free(p);
    }
    void* p = xmallocx(100, XMALLOCX_ARENA(0));
    EXPECT_EQ(OwnerOf(p), 0u);
    free(p);
    ASSERT_TRUE(BindThread(0));
    p = malloc(100);
    EXPECT_NE(OwnerOf(p), index_);
    free(p);
  }).join();
}

TEST_F(Arenas, TheChildOfAThreadedProgramCanUseThem) {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (size_t n = 1; !done; n = n * 7 % 300007) {
        void* p = xmallocx(n, XMALLOCX_ARENA(index_));
        xdallocx(p, 0);
        if (t == 0 && n % 16 == 0) PurgeArena(arena_);
        unsigned other = 0;
        if (t == 1 && CreateArena(nullptr, &other)) {
          (void)!xmallocx(100, XMALLOCX_ARENA(other));
          DestroyArena(other);
        }
      }
    });
  }
  auto* kept = static_cast<char*>(xmallocx(1000, XMALLOCX_ARENA(index_)));
  kept[0] = 7;
  for (int i = 0; i < 40; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      bool good = kept[0] == 7;
      for (size_t n = 1; n < 300000; n = n * 3) {
        void* p = xmallocx(n, XMALLOCX_ARENA(index_));
        good = good && p != nullptr;
        xdallocx(p, 0);
        p = xmallocx(n, XMALLOCX_TCACHE(cache_));
        xdallocx(p, XMALLOCX_TCACHE(cache_));
      }
      free(kept);
      PurgeArena(arena_);
      ValidateManual(arena_);
      unsigned index = 0;
      good = good && CreateArena(nullptr, &index) && DestroyArena(index) == ArenaDone::kDone && DestroyArena(index_) == ArenaDone::kDone;
      _exit(good ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
  }
  done = true;
  for (auto& t : threads) t.join();
  xdallocx(kept, 0);
}

}  // namespace
