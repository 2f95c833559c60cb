// SPDX-License-Identifier: MIT
// sized_new: a C++ program as most are, with threads, containers of several sizes, and a heap that grows and shrinks by half a MiB.
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

static void Work(unsigned seed) {
  std::map<unsigned, std::string> text;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (unsigned i = 0; i < 4000; ++i) {
    seed = seed * 1664525 + 1013904223;
    text[seed % 1000] = std::string(seed >> 25, 'x');
    if (i % 4 == 0) blocks.emplace_back(new char[(seed >> 20) + 1]);
    if (i % 1000 == 0) blocks.clear();
  }
}

int main() {
  std::thread other(Work, 1);
  Work(2);
  other.join();
}
