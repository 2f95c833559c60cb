// SPDX-License-Identifier: MIT
// Linked with the archive, statically and dynamically, and in the dynamic case with the library preloaded, too: two copies in one
// process. Exceptions, threads, fork, and a program that replaces some operators only.
#include <atomic>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "../survival.h"

namespace {
int g_own_news = 0;
}
// Only this one is the program's own; its memory may be freed by any delete of ours.
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  ++g_own_news;
  return malloc(n);
}

int main() {
  delete new (std::nothrow) int(3);
  CHECK(g_own_news == 1);
  volatile std::size_t huge = std::size_t{1} << 60;
  bool caught = false;
  try {
    std::vector<char> v(huge);
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  CHECK(caught);
  std::vector<std::thread> threads;
  // The forks come while all threads are at work: the emulator's child waits for ever if a thread was about to start or to end.
  std::atomic<unsigned> at_work = 0;
  std::atomic<bool> forked = false;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([t, &at_work, &forked] {
      at_work.fetch_add(1);
      do {
        std::map<std::string, std::shared_ptr<std::string>> map;
        for (unsigned i = 0; i < 5000; ++i) map[std::to_string(i * (t + 1) % 777)] = std::make_shared<std::string>(i % 90, 'x');
        Churn(t, 2000);
      } while (!forked.load());
    });
  }
  while (at_work.load() != 4) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      std::thread([] { Churn(1, 500); }).join();
      _exit(0);
    }
    CHECK(EndOf(child) == 0);
  }
  forked.store(true);
  for (auto& t : threads) t.join();
  return 0;
}
