// SPDX-License-Identifier: MIT
// tree_soak <seconds> <threads> <docs/stats.md> [without_forks]: threads create, use, reset and destroy arenas and caches, flip what can be flipped, read every
// leaf of the tree by its numbers, print statistics, fork. Every block has a stamp that is looked at before it goes. At the end the totals add up.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "xalloc/xalloc.h"

namespace {

[[noreturn]] void Fail(const char* what, const char* name = "") {
  fprintf(stderr, "tree_soak: %s %s\n", what, name);
  abort();
}

struct Leaf {
  std::string name;
  size_t mib[6];
  size_t length = 6;
  bool readable;
};
std::vector<Leaf> g_leaves;
std::atomic<bool> g_stop{false};
bool g_forks = true;

void ReadLeaves(const char* docs) {
  std::ifstream in(docs);
  const std::regex row(R"(^\| `([^`]+)` \| [^|]+ \| ([rw, pointer]+) \| .*)");
  bool tree = false;
  for (std::string line; std::getline(in, line);) {
    tree = tree || line == "## The tree";
    std::smatch match;
    if (!tree || !std::regex_match(line, match, row) || match[1] == "opt.<option>") continue;
    std::string name = std::regex_replace(match[1].str(), std::regex("<[ij]>"), "0");
    const std::string access = match[2];
    const bool makes = name == "tcache.create" || name == "arenas.create" || name == "arenas.lookup" || name == "arena.0.name";
    g_leaves.push_back({name, {}, 6, access[0] == 'r' && !makes});
    if (xmallctlnametomib(name.c_str(), g_leaves.back().mib, &g_leaves.back().length) != 0) Fail("no such name:", name.c_str());
  }
  if (g_leaves.size() < 100) Fail("the list of leaves was not understood");
}

template <class T>
void Set(const char* name, T value) {
  if (xmallctl(name, nullptr, nullptr, &value, sizeof value) != 0) Fail("cannot write", name);
}
template <class T>
T Get(const char* name) {
  T value{};
  size_t length = sizeof value;
  if (xmallctl(name, &value, &length, nullptr, 0) != 0) Fail("cannot read", name);
  return value;
}
int Do(const std::string& name) { return xmallctl(name.c_str(), nullptr, nullptr, nullptr, 0); }

struct Block {
  unsigned char* p;
  size_t size;
  unsigned char stamp;
};

class Worker {
 public:
  explicit Worker(unsigned seed) : random_(seed) {}
  void Run() {
    for (unsigned round = 0; !g_stop; ++round) {
      Plain();
      if (round % 4 == 0) Arena();
      ReadSome();
      Flip(round);
      if (round % 50 == 0) Print();
      if (g_forks && round % 200 == 17) Fork();
    }
    while (!blocks_.empty()) Drop();
  }

 private:
  unsigned Below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  size_t Size() { return Below(20) == 0 ? 1 + Below(300000) : 1 + Below(3000); }
  Block Stamped(void* p, size_t size) {
    if (p == nullptr) Fail("out of memory");
    Block b{static_cast<unsigned char*>(p), size, static_cast<unsigned char>(Below(256))};
    memset(b.p, b.stamp, size);
    return b;
  }
  static void Check(const Block& b) {
    for (size_t i = 0; i < b.size; ++i) {
      if (b.p[i] != b.stamp) Fail("contents changed");
    }
  }
  void Drop() {
    const size_t i = Below(static_cast<unsigned>(blocks_.size()));
    Check(blocks_[i]);
    free(blocks_[i].p);
    blocks_[i] = blocks_.back();
    blocks_.pop_back();
  }
  void Plain() {
    for (int i = 0; i < 100; ++i) {
      if (blocks_.size() < 500 || Below(2) == 0) {
        const size_t size = Size();
        blocks_.push_back(Stamped(malloc(size), size));
      } else {
        Drop();
      }
    }
  }
  // A life of an arena, with a cache in front of it every other time.
  void Arena() {
    const auto arena = Get<unsigned>("arenas.create");
    const std::string name = "arena." + std::to_string(arena);
    const auto cache = Get<unsigned>("tcache.create");
    std::vector<Block> own;
    for (int i = 0; i < 200; ++i) {
      const size_t size = Size();
      const int flags = XMALLOCX_ARENA(arena) | (Below(2) == 0 ? XMALLOCX_TCACHE(cache) : 0) | (Below(4) == 0 ? XMALLOCX_ALIGN(256) : 0);
      own.push_back(Stamped(xmallocx(size, flags), size));
      if (Below(3) != 0) continue;
      Check(own.back());
      if (Below(2) == 0) {
        xdallocx(own.back().p, XMALLOCX_TCACHE(cache));
      } else {
        free(own.back().p);
      }
      own.pop_back();
    }
    for (const Block& b : own) Check(b);
    Do(name + (Below(2) == 0 ? ".purge" : ".decay"));
    if (Below(3) == 0 && Do(name + ".reset") != 0) Fail("cannot reset");
    if (Do(name + ".destroy") != 0) Fail("cannot destroy");
    Set("tcache.destroy", cache);
  }
  void ReadSome() {
    for (int i = 0; i < 10; ++i) {
      const Leaf& leaf = g_leaves[Below(static_cast<unsigned>(g_leaves.size()))];
      if (!leaf.readable) continue;
      char value[8];
      // Any length will do: who asks for too much is told how much there is.
      size_t length = sizeof value;
      const int error = xmallctlbymib(leaf.mib, leaf.length, value, &length, nullptr, 0);
      if (error != 0 && error != EINVAL) Fail("cannot read", leaf.name.c_str());
    }
  }
  void Flip(unsigned round) {
    switch (Below(8)) {
      case 0: return Set<uint64_t>("epoch", 1);
      case 1: return Set<ssize_t>("arenas.dirty_decay_ms", round % 2 == 0 ? 5000 : 50);
      case 2: return Set("background_thread", round % 2 == 0);
      case 3: return Set("thread.tcache.enabled", Below(4) != 0);
      case 4: Do("thread.idle"); return;
      case 5: Do("arena.4096.purge"); return;
      default: return;
    }
  }
  static void Print() {
    size_t bytes = 0;
    xmalloc_stats_print([](void* sum, const char* text) { *static_cast<size_t*>(sum) += strlen(text); }, &bytes, "J");
    if (bytes < 10000) Fail("statistics are too short");
  }
  void Fork() {
    const pid_t child = fork();
    if (child == 0) {
      for (const Block& b : blocks_) Check(b);
      Print();
      Arena();
      free(malloc(100));
      _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) Fail("a child failed");
  }

  std::minstd_rand random_;
  std::vector<Block> blocks_;
};

size_t Allocated() {
  Set<uint64_t>("epoch", 1);
  return Get<size_t>("stats.allocated");
}

void RunThreads(unsigned threads, double seconds) {
  g_stop = false;
  std::vector<std::thread> all;
  for (unsigned t = 0; t < threads; ++t) all.emplace_back([t] { Worker(t + 1).Run(); });
  usleep(static_cast<useconds_t>(seconds * 1e6));
  g_stop = true;
  for (auto& thread : all) thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return 2;
  g_forks = argc == 4;
  const auto threads = static_cast<unsigned>(atoi(argv[2]));
  ReadLeaves(argv[3]);
  RunThreads(threads, 0.2);  // what libc keeps of threads and streams is there by now
  Set("background_thread", false);
  const size_t before = Allocated();
  RunThreads(threads, atof(argv[1]));
  Set("background_thread", false);
  const size_t after = Allocated();
  printf("tree_soak: %zu leaves, allocated %zu before, %zu after\n", g_leaves.size(), before, after);
  // A thread's worth of what libc keeps, no more: an arena or a block lost would be more.
  if (after > before + 4096 || before > after + 4096) Fail("memory was lost");
  return 0;
}
