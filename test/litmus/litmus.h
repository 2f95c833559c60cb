// SPDX-License-Identifier: MIT
// litmus.h: what the programs of this folder share. Each makes one hand-over between threads happen as often as it can for a short time, with plain
// loads and stores on what is handed over, and says how often it happened. Natively that shows what is missing altogether; under the
// thread sanitizer also an order that is too weak for another CPU.
//
//   <program> [milliseconds] [threads]     exit 0: all held; 1: a line says what did not; 77: cannot be had here
//
// No C++ library, and none of GoogleTest: they run on any libc and under emulation.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/atomic.h"
#include "os/system.h"

namespace litmus {

inline void Failed(const char* file, int line, const char* what) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
  _exit(1);
}
#define REQUIRE(condition) ((condition) ? (void)0 : litmus::Failed(__FILE__, __LINE__, #condition))

inline constinit xalloc::Atomic<bool> g_stop{false};
constexpr unsigned kMostThreads = 64;

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2654435761u + 1) {}
  uint32_t Below(uint32_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33) % n;
  }

 private:
  uint64_t state_;
};

// Starts body(0) ... body(threads - 1), stops them by g_stop after so many milliseconds, and waits for them.
inline void RunThreads(unsigned threads, unsigned ms, void (*body)(unsigned)) {
  struct Start {
    void (*body)(unsigned);
    unsigned index;
  };
  static Start start[kMostThreads];
  pthread_t thread[kMostThreads];
  g_stop.SetRelaxed(false);
  for (unsigned i = 0; i < threads; ++i) {
    start[i] = {body, i};
    const auto main = [](void* p) -> void* {
      const auto* s = static_cast<Start*>(p);
      s->body(s->index);
      return nullptr;
    };
    REQUIRE(pthread_create(&thread[i], nullptr, main, &start[i]) == 0);
  }
  for (const uint64_t begin = xalloc::os::NowMs(); ms != 0 && xalloc::os::NowMs() - begin < ms;) usleep(10000);
  g_stop.SetRelaxed(true);
  for (unsigned i = 0; i < threads; ++i) pthread_join(thread[i], nullptr);
}

struct Arguments {
  unsigned ms, threads;
};
inline Arguments Parse(int argc, char** argv) {
  const Arguments a = {argc > 1 ? static_cast<unsigned>(atoi(argv[1])) : 600, argc > 2 ? static_cast<unsigned>(atoi(argv[2])) : 6};
  REQUIRE(a.threads >= 2 && a.threads <= kMostThreads);
  return a;
}

// What a block holds while it goes from thread to thread: written by plain stores before it is given, read by plain loads after it was taken.
struct Payload {
  uint64_t stamp, complement;
  uint64_t holder;  // one more than the thread that has it in hand; 0: none

  // True if another thread had it before.
  bool Take(unsigned me) {
    REQUIRE(complement == ~stamp || (stamp == 0 && complement == 0));  // never written, or as it was given
    REQUIRE(holder == 0);
    holder = me + 1;
    return stamp != 0 && stamp % kMostThreads != me;
  }
  void Give(unsigned me, uint64_t count) {
    REQUIRE(holder == me + 1);  // nobody else had it meanwhile
    stamp = (count + 1) * kMostThreads + me;
    complement = ~stamp;
    holder = 0;
  }
};

}  // namespace litmus
