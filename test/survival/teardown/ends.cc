// SPDX-License-Identifier: MIT
// The ends of a process, each many times: exit() and the end of main while threads allocate, pthread_exit of the main thread with
// others going on, quick_exit, an exit from a thread, detached threads with stacks of the program's own.
#include <pthread.h>
#include <sys/mman.h>

#include <atomic>

#include "../survival.h"

namespace {
void* Forever(void* seed) {
  for (auto i = static_cast<unsigned>(reinterpret_cast<uintptr_t>(seed));; ++i) Churn(i, 100);
}

void StartFour() {
  for (uintptr_t i = 0; i < 4; ++i) {
    pthread_t t;
    CHECK(pthread_create(&t, nullptr, Forever, reinterpret_cast<void*>(i)) == 0);
    pthread_detach(t);
  }
}

struct AtExit {
  char* text = new char[3000];
  ~AtExit() {
    Churn(1, 300);
    delete[] text;
    Churn(2, 300);
  }
};

void ExitWhileOthersAllocate() {
  static AtExit object;
  atexit([] { Churn(5, 300); });
  StartFour();
  usleep(1000);
  exit(0);
}

void QuickExit() {
  at_quick_exit([] { Churn(5, 300); });
  StartFour();
  usleep(1000);
  quick_exit(0);
}

void* ExitFromThread(void*) {
  Churn(6, 3000);
  exit(0);
}

void ExitFromAThread() {
  static AtExit object;
  pthread_t t;
  CHECK(pthread_create(&t, nullptr, ExitFromThread, nullptr) == 0);
  Forever(nullptr);
}

void* AfterMain(void* main_blocks) {
  usleep(3000);  // the main thread is gone by now
  auto** blocks = static_cast<void**>(main_blocks);
  for (int i = 0; i < 100; ++i) free(blocks[i]);
  Churn(8, 1000);
  return nullptr;
}

void MainThreadLeaves() {
  static void* blocks[100];
  for (size_t i = 0; i < 100; ++i) blocks[i] = malloc(i * 100);
  for (int i = 0; i < 1; ++i) {
    pthread_t t;
    CHECK(pthread_create(&t, nullptr, AfterMain, blocks) == 0);
    pthread_detach(t);
  }
  pthread_exit(nullptr);  // the process ends with 0 when the last thread does
}

void StacksOfTheProgram() {
  constexpr size_t kStack = 64 << 10;
  for (int i = 0; i < 30; ++i) {
    void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, kStack);
    pthread_t t;
    CHECK(pthread_create(&t, &attributes, [](void*) -> void* { return Churn(1, 200), nullptr; }, nullptr) == 0);
    pthread_join(t, nullptr);
    munmap(stack, kStack);  // whatever the library kept of the thread must not lie there
  }
  exit(0);
}
}  // namespace

int main(int argc, char** argv) {
  const long rounds = Scale(argc, argv, 30);
  void (*const ends[])() = {ExitWhileOthersAllocate, QuickExit, ExitFromAThread, MainThreadLeaves, StacksOfTheProgram};
  for (auto* end : ends) {
    for (int i = 0; i < rounds; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        alarm(60);
        end();
        _exit(3);
      }
      const int result = EndOf(child);
      if (result != 0) fprintf(stderr, "end %ld, round %d: %d\n", static_cast<long>(&end - ends), i, result);
      CHECK(result == 0);
    }
  }
  return 0;
}
