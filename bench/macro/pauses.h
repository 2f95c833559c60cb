// SPDX-License-Identifier: MIT
// pauses.h: how long each `operator new` of a program takes, as a histogram.
//
//   Used by  programs built with BENCH_PAUSES, once more beside the plain ones: the clock costs time, so these have no time of their own
#pragma once

#include <atomic>
#include <new>

#include "bench.h"

namespace bench {

// Eight buckets for each power of two, in nanoseconds: a figure is right to 12 %.
class Histogram {
 public:
  void Add(uint64_t ns) {
    const unsigned lg = ns < 8 ? 3 : 63 - static_cast<unsigned>(__builtin_clzll(ns));
    ++count_[(lg - 3) * 8 + (ns >> (lg - 3) & 7)];
  }
  void Add(const Histogram& other) {
    for (unsigned i = 0; i < kBuckets; ++i) count_[i] += other.count_[i];
  }
  // The nanoseconds that `share` of all do not exceed.
  double Quantile(double share) const {
    uint64_t all = 0, sum = 0;
    for (const uint64_t n : count_) all += n;
    for (unsigned i = 0; i < kBuckets; ++i) {
      sum += count_[i];
      if (static_cast<double>(sum) >= static_cast<double>(all) * share) return static_cast<double>((uint64_t{8} + i % 8 + 1) << (i / 8));
    }
    return 0;
  }

 private:
  static constexpr unsigned kBuckets = 8 * 61;
  uint64_t count_[kBuckets] = {};
};

constexpr unsigned kMostThreads = 64;
inline Histogram g_pauses[kMostThreads];
inline std::atomic<unsigned> g_threads{0};
inline thread_local unsigned t_thread = kMostThreads;

inline uint64_t Nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

inline void NotePause(uint64_t ns) {
  if (t_thread == kMostThreads && (t_thread = g_threads++) >= kMostThreads) Fail("too many threads");
  g_pauses[t_thread].Add(ns);
}

inline void ReportPauses() {
  Histogram all;
  for (const Histogram& one : g_pauses) all.Add(one);
  Figure("p50", all.Quantile(0.5), "ns");
  Figure("p99", all.Quantile(0.99), "ns");
  Figure("p99.9", all.Quantile(0.999), "ns");
  Figure("p99.99", all.Quantile(0.9999) / 1000, "us");
  Figure("longest", all.Quantile(1) / 1000, "us");
}

}  // namespace bench

void* operator new(size_t size) {
  const uint64_t begin = bench::Nanoseconds();
  void* p = bench::Allocate(size);
  bench::NotePause(bench::Nanoseconds() - begin);
  return p;
}
void operator delete(void* p) noexcept { free(p); }
void operator delete(void* p, size_t) noexcept { free(p); }
