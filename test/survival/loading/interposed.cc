// SPDX-License-Identifier: MIT
// A threaded program under loading/interposers.cc: the library must not call what a program can interpose.
#include <dlfcn.h>
#include <sys/mman.h>

#include <thread>

#include "../survival.h"

extern "C" [[gnu::weak]] int interposed_calls;

int main() {
  CHECK(&interposed_calls != nullptr);
  const int before = interposed_calls;
  // 280 MiB in small and in large blocks, and back again: growth, purging, mappings.
  for (int round = 0; round < 1; ++round) {
    for (size_t size : {size_t{100}, size_t{40000}, size_t{40} << 20}) {
      void* all[4000];
      const size_t count = size > 1000000 ? 3 : 4000;
      for (size_t i = 0; i < count; ++i) memset(all[i] = malloc(size), 1, 50);
      for (size_t i = 0; i < count; ++i) free(all[i]);
    }
  }
  if (OnXalloc()) CHECK(interposed_calls == before);
  std::thread threads[4];
  for (auto& t : threads) {
    t = std::thread([] {
      for (int i = 0; i < 5; ++i) {
        Churn(static_cast<unsigned>(i), 1000);
        CHECK(dlsym(RTLD_DEFAULT, "malloc") != nullptr);
        CHECK(NowUs() > 0);
        void* p = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(p, 4096);
        const pid_t child = fork();
        if (child == 0) {
          Churn(3, 500);
          _exit(0);
        }
        CHECK(EndOf(child) == 0);
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(interposed_calls > before);
  return 0;
}
