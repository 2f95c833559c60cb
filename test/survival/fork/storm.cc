// SPDX-License-Identifier: MIT
// argv[1] forks of a threaded program that is busy in every slow path: growth, large blocks, trimming, statistics, births and deaths of
// threads. Two threads fork at the same time. Each child frees its parent's blocks, allocates, starts a thread, and forks again.
#include <malloc.h>

#include <atomic>
#include <thread>
#include <vector>

#include "../survival.h"

namespace {
std::atomic<bool> g_stop{false};

void Small() {
  for (unsigned i = 0; !g_stop; ++i) Churn(i, 300), usleep(300);
}
void Large() {
  for (size_t i = 0; !g_stop; ++i) {
    void* p = malloc(100000 + i % 40 * 100000);
    CHECK(p != nullptr);
    memset(p, 1, 5000);
    p = realloc(p, 9000000);
    CHECK(p != nullptr);
    free(p);
    usleep(500);
  }
}
void TrimAndCount() {
  while (!g_stop) {
    malloc_trim(0);
    CHECK(mallinfo2().arena > 0);
    usleep(3000);
  }
}
void Births() {
  while (!g_stop) {
    std::thread([] { Churn(1, 100); }).join();
    usleep(1000);
  }
}

void Work() {
  alarm(60);
  Churn(2, 50);
  std::thread([] { Churn(3, 30); }).join();
  void* large = malloc(3000000);
  CHECK(large != nullptr);
  free(large);
}

[[noreturn]] void Child(const std::vector<void*>& parents, bool again) {
  for (void* p : parents) free(p);
  Work();
  if (again) {
    const pid_t child = fork();
    if (child == 0) {
      Work();
      _exit(0);
    }
    CHECK(EndOf(child) == 0);
  }
  _exit(0);
}

void Forks(long count) {
  for (long i = 0; i < count; ++i) {
    std::vector<void*> blocks;
    for (size_t b = 0; b < 100; ++b) blocks.push_back(malloc(b * 100 + (b == 0 ? 200000 : 0)));
    const pid_t child = fork();
    if (child == 0) Child(blocks, i % 8 == 0);
    const int result = EndOf(child);
    if (result != 0) fprintf(stderr, "fork %ld: %d\n", i, result);
    CHECK(result == 0);
    for (void* p : blocks) free(p);
  }
}
}  // namespace

int main(int argc, char** argv) {
  const long forks = Scale(argc, argv, 1000);
  std::vector<std::thread> busy;
  for (auto* fn : {Small, Large, TrimAndCount, Births}) busy.emplace_back(fn);
  std::thread other(Forks, forks / 2);
  Forks(forks - forks / 2);
  other.join();
  g_stop = true;
  for (auto& t : busy) t.join();
  return 0;
}
