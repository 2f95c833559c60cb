// SPDX-License-Identifier: MIT
// Threads by the thousand, each allocating in many sizes and leaving blocks to others: neither caches nor metadata nor memory grow
// with their number. Also threads whose first allocation of all comes in the last round of key destructors.
#include <pthread.h>

#include <atomic>

#include "../survival.h"

namespace {
std::atomic<void*> g_mailbox[64];
pthread_key_t g_key;

void* Work(void* argument) {
  const auto i = reinterpret_cast<uintptr_t>(argument);
  for (size_t size = 1; size < 40000; size += size / 3 + 1) {
    void* p = malloc(size);
    CHECK(p != nullptr);
    memset(p, 1, size < 200 ? size : 200);
    free(g_mailbox[(size + i) % 64].exchange(p));
  }
  return nullptr;
}

void CountDown(void* rounds) {
  const auto left = reinterpret_cast<uintptr_t>(rounds);
  if (left > 1) {
    pthread_setspecific(g_key, reinterpret_cast<void*>(left - 1));
  } else {
    Work(nullptr);
  }
}

void* OnlyAtTheEnd(void*) {
  pthread_setspecific(g_key, reinterpret_cast<void*>(4ul));
  return nullptr;
}

void Start(int threads, void* (*fn)(void*)) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  for (int i = 0; i < threads;) {
    pthread_t some[8];
    for (auto& t : some) CHECK(pthread_create(&t, &attributes, fn, reinterpret_cast<void*>(static_cast<uintptr_t>(i++))) == 0);
    for (auto& t : some) pthread_join(t, nullptr);
  }
}
}  // namespace

int main(int argc, char** argv) {
  const int threads = static_cast<int>(Scale(argc, argv, 2000));
  free(malloc(1));  // the library is at work before our key exists: its own destructor runs before ours in each round
  CHECK(pthread_key_create(&g_key, CountDown) == 0);
  void* (*const kinds[])(void*) = {Work, OnlyAtTheEnd};
  for (auto* kind : kinds) {
    Start(400, kind);
    const long before = ResidentKiB();
    Start(threads, kind);
    const long grown = ResidentKiB() - before;
    printf("%d threads %s: %ld KiB more\n", threads, kind == Work ? "that work" : "that allocate in their last destructor", grown);
    // Some blocks lie in the mailbox; a cache is about 6 KiB, so that one kept per thread would be 12 MiB.
    CHECK(grown < 3000);
  }
  return 0;
}
