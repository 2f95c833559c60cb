// SPDX-License-Identifier: MIT
// Fork, threads and their ends, loading at run time, a small address space.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "allocator.h"

namespace {

// Runs fn in a child; its exit code, or -signal.
template <class Fn>
int InChild(Fn fn) {
  const pid_t child = fork();
  if (child == 0) _exit(fn());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int Churn() {
  std::vector<void*> all;
  for (size_t i = 0; i < 3000; ++i) all.push_back(malloc(1 + i * 37 % 5000));
  for (void* p : all) {
    if (p == nullptr) return 1;
    free(p);
  }
  return 0;
}

TEST(Fork, ChildrenOfABusyProgramAllocateAndFreeTheParentsBlocks) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop) Churn();
    });
  }
  std::vector<void*> parents;
  for (size_t i = 0; i < 200; ++i) parents.push_back(malloc(16 + i * 300));
  for (int i = 0; i < 15; ++i) {  // survival/fork has them by the hundred
    ASSERT_EQ(InChild([&] {
                for (void* p : parents) free(p);
                int bad = Churn();
                std::thread([&] { bad += Churn(); }).join();
                return bad + InChild(Churn);
              }),
              0);
  }
  stop = true;
  for (auto& t : threads) t.join();
  for (void* p : parents) free(p);
}

TEST(Fork, AnOrdinarySingleThreadedChild) { EXPECT_EQ(InChild(Churn), 0); }

pthread_key_t g_key;
std::atomic<int> g_destructor_runs{0};
void AllocateInDestructor(void* round) {
  ++g_destructor_runs;
  Churn();
  free(round);
  if (g_destructor_runs % 4 != 0) pthread_setspecific(g_key, malloc(100));
}

TEST(Threads, KeyDestructorsMayAllocateInEveryRound) {
  ASSERT_EQ(pthread_key_create(&g_key, AllocateInDestructor), 0);
  for (int i = 0; i < 20; ++i) std::thread([] { pthread_setspecific(g_key, malloc(50)); }).join();
  EXPECT_GE(g_destructor_runs, 20);
  pthread_key_delete(g_key);
}

struct FreesAtThreadExit {
  void* p = malloc(300);
  ~FreesAtThreadExit() {
    free(p);
    Churn();
  }
};

TEST(Threads, ThreadLocalDestructorsMayAllocate) {
  for (int i = 0; i < 20; ++i) {
    std::thread([] {
      thread_local FreesAtThreadExit object;
      memset(object.p, 1, 300);
    }).join();
  }
}

TEST(Threads, ComeAndGoByTheHundred) {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; ++i) threads.emplace_back(Churn);
    for (auto& t : threads) t.join();
  }
}

TEST(Threads, BlocksFreedByThreadsThatNeverAllocated) {
  std::vector<void*> blocks;
  for (size_t i = 0; i < 5000; ++i) blocks.push_back(malloc(i % 3000));
  std::thread([&] {
    for (void* p : blocks) free(p);
  }).join();
}

TEST(Loading, TheLibraryCanBeOpenedAtRunTime) {
  if (OnXalloc()) GTEST_SKIP() << "it is already here";
  const int code = InChild([] {
    // A private copy beside libc's malloc: its own names must work, with blocks of its own.
    void* library = dlopen(XALLOC_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    auto mallocx = reinterpret_cast<void* (*)(size_t, int)>(dlsym(library, "xmallocx"));
    auto dallocx = reinterpret_cast<void (*)(void*, int)>(dlsym(library, "xdallocx"));
    std::vector<void*> all;
    for (size_t i = 1; i < 3000; ++i) all.push_back(mallocx(i * 17, 0));
    for (void* p : all) dallocx(p, 0);
    return dlclose(library) == 0 && Churn() == 0 ? 0 : 2;
  });
  EXPECT_EQ(code, 0);
}

TEST(Limits, ASmallAddressSpaceEndsInEnomemNotInDeath) {
  for (size_t mib : {96, 160, 400}) {
    EXPECT_EQ(InChild([mib] {
                // What the process already has, and this much more.
                size_t pages = 0;
                FILE* f = fopen("/proc/self/statm", "r");
                if (f == nullptr || fscanf(f, "%zu", &pages) != 1) return 1;
                fclose(f);
                const rlim_t bytes = pages * 4096 + (mib << 20);
                const struct rlimit limit = {bytes, bytes};
                if (setrlimit(RLIMIT_AS, &limit) != 0) return 2;
                std::vector<void*> all;
                all.reserve(100000);
                size_t got = 0;
                for (void* p; all.size() < 100000 && (p = malloc(20000)) != nullptr; got += 20000) all.push_back(p);
                if (errno != ENOMEM || got < (mib << 20) / 2) return 3;
                for (void* p : all) free(p);
                return Churn() != 0 ? 4 : 0;
              }),
              0)
        << mib;
  }
}

}  // namespace
