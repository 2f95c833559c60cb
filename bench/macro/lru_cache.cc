// SPDX-License-Identifier: MIT
// A cache that evicts the least recently used, with skewed sizes that drift: fragmentation over time.
// After the workloads of B. Atikoglu, Y. Xu, E. Frachtenberg, S. Jiang and M. Paleczny, "Workload Analysis of a Large-Scale Key-Value
// Store", SIGMETRICS 2012: keys by a power law, most values small, a few large, and the mix changes over the day.
//
// The cache holds 48 MiB of values; a miss inserts, evicting from the cold end. The typical size grows and shrinks by a factor of
// eight over the run, so that the room of what was evicted fits what comes next badly. Single-threaded, standard containers for the
// index. Figure: peak resident bytes over the most bytes of values that were ever live (what the index takes is in it, for all the same).
// Arguments: scale.
#include <cmath>
#include <list>
#include <memory>
#include <unordered_map>

#include "bench.h"

namespace {

constexpr size_t kBudget = 48 << 20, kEpochs = 6;

struct Free {
  void operator()(char* p) const { free(p); }
};
struct Entry {
  uint32_t key;
  size_t size;
  std::unique_ptr<char, Free> value;
};

class Cache {
 public:
  bool Touch(uint32_t key) {
    auto found = index_.find(key);
    if (found == index_.end()) return false;
    order_.splice(order_.begin(), order_, found->second);
    return true;
  }
  void Insert(uint32_t key, size_t size) {
    while (live_ + size > kBudget) Evict();
    order_.push_front({key, size, std::unique_ptr<char, Free>(bench::AllocateTouched(size, 1))});
    index_[key] = order_.begin();
    live_ += size;
    if (live_ > most_) most_ = live_;
  }
  size_t most() const { return most_; }

 private:
  void Evict() {
    live_ -= order_.back().size;
    index_.erase(order_.back().key);
    order_.pop_back();
  }
  std::list<Entry> order_;  // most recently used first
  std::unordered_map<uint32_t, std::list<Entry>::iterator> index_;
  size_t live_ = 0, most_ = 0;
};

// A power law over a million keys: the u-th power of a uniform number piles up at the low keys.
uint32_t SkewedKey(bench::Random& random) {
  const double u = random.Next() / 4294967296.0;
  return static_cast<uint32_t>(u * u * u * 1e6);
}

// Log-uniform over three doublings above `typical`, one in 64 up to 64 times larger.
size_t SkewedSize(bench::Random& random, double typical) {
  const double u = random.Next() / 4294967296.0;
  const double spread = random.Below(64) == 0 ? 6 : 3;
  return static_cast<size_t>(typical * std::exp2(u * spread));
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t steps = arguments.Scaled(160000);  // of each epoch
  arguments.Done();
  constexpr double kTypical[kEpochs] = {48, 96, 192, 384, 128, 48};
  bench::Random random(1);
  Cache cache;
  uint64_t hits = 0, bytes = 0;
  for (double typical : kTypical) {
    for (size_t i = 0; i < steps; ++i) {
      const uint32_t key = SkewedKey(random);
      if (cache.Touch(key)) {
        ++hits;
        continue;
      }
      const size_t size = SkewedSize(random, typical);
      cache.Insert(key, size);
      bytes += size;
    }
  }
  const double peak = static_cast<double>(bench::KibFromProc("/proc/self/status", "VmHWM")) * 1024;
  bench::Figure("peak_over_values", peak / static_cast<double>(cache.most()), "x");
  bench::Checksum(hits * 1000003 + bytes);
}
