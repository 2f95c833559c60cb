// SPDX-License-Identifier: MIT
// workers.h: a few threads of which exactly one runs at a time: several thread caches, and still one order of events.
#pragma once

#include <semaphore>
#include <thread>

namespace fuzz {

class Workers {
 public:
  static constexpr unsigned kCount = 4;  // the first is the caller itself

  Workers() {
    for (unsigned i = 1; i < kCount; ++i) Start(i);
  }
  ~Workers() {
    for (unsigned i = 1; i < kCount; ++i) End(i);
  }
  // Runs fn(context) on worker i and returns when it is through.
  void Run(unsigned i, void (*fn)(void*), void* context) {
    if (i == 0) return fn(context);
    Worker& w = workers_[i];
    w.fn = fn;
    w.context = context;
    w.go.release();
    w.done.acquire();
  }
  // The thread exits, and a new one takes its place: the end of a cache and its next life.
  void Restart(unsigned i) {
    if (i == 0) return;
    End(i);
    Start(i);
  }

 private:
  struct Worker {
    std::thread thread;
    std::binary_semaphore go{0}, done{0};
    void (*fn)(void*) = nullptr;  // null: the end
    void* context = nullptr;
  };
  void Start(unsigned i) {
    workers_[i].thread = std::thread([&w = workers_[i]] {
      for (;;) {
        w.go.acquire();
        if (w.fn == nullptr) return;
        w.fn(w.context);
        w.done.release();
      }
    });
  }
  void End(unsigned i) {
    workers_[i].fn = nullptr;
    workers_[i].go.release();
    workers_[i].thread.join();
  }

  Worker workers_[kCount];
};

}  // namespace fuzz
