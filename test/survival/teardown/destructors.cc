// SPDX-License-Identifier: MIT
// 40 pthread keys and C++ thread-local objects whose destructors allocate, and free what the thread and others allocated, in all four
// rounds, before and after the library's own cleanup.
#include <limits.h>
#include <pthread.h>

#include <atomic>
#include <thread>
#include <vector>

#include "../survival.h"

namespace {
constexpr int kKeys = 40;  // beyond 32 libc itself allocates to set one
pthread_key_t g_key[kKeys];
std::atomic<void*> g_mailbox[16];
std::atomic<int> g_runs[8];

// Frees a block that some thread left, leaves one for another.
void Exchange(size_t size) {
  char* p = static_cast<char*>(malloc(size));
  CHECK(p != nullptr);
  memset(p, 1, size);
  free(g_mailbox[size % 16].exchange(p));
}

struct Value {
  int key;
  int round;
};

void OnEnd(void* pointer) {
  Value value = *static_cast<Value*>(pointer);
  free(pointer);
  ++g_runs[value.round];
  Churn(static_cast<unsigned>(value.key), 30);
  Exchange(static_cast<size_t>(value.key) * 200 + 17);
  if (++value.round >= PTHREAD_DESTRUCTOR_ITERATIONS) return;
  void* next = malloc(sizeof value);
  memcpy(next, &value, sizeof value);
  pthread_setspecific(g_key[value.key], next);
}

struct Local {
  std::vector<char*> blocks;
  ~Local() {
    for (char* p : blocks) delete[] p;
    Churn(9, 50);
    Exchange(70000);
  }
};
thread_local Local t_objects;

void Work(int i) {
  for (int k = 0; k < kKeys; ++k) {
    void* value = malloc(sizeof(Value));
    *static_cast<Value*>(value) = {k, 0};
    pthread_setspecific(g_key[k], value);
  }
  for (int b = 0; b < 50; ++b) t_objects.blocks.push_back(new char[static_cast<size_t>(b * i % 3000) + 1]);
  Exchange(static_cast<size_t>(i) % 5000 + 1);
}
}  // namespace

int main(int argc, char** argv) {
  for (pthread_key_t& key : g_key) CHECK(pthread_key_create(&key, OnEnd) == 0);
  const int threads = static_cast<int>(Scale(argc, argv, 200));
  for (int i = 0; i < threads;) {
    std::thread some[4];
    for (auto& t : some) t = std::thread(Work, i++);
    for (auto& t : some) t.join();
  }
  for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; ++round) CHECK(g_runs[round] == threads * kKeys);
  return 0;
}
