// SPDX-License-Identifier: MIT
// Before main, before constructors, before a constructor of priority 101: everybody allocates, and what they got can be freed later.
#include <thread>

#include "../survival.h"

namespace {
void* g_early[64];
int g_count;

void Take() {
  Churn(7, 300);
  g_early[g_count] = malloc(100 + static_cast<size_t>(g_count) * 3000);
  CHECK(g_early[g_count] != nullptr);
  ++g_count;
}

struct Global {
  char* text = new char[5000];
  Global() { Take(); }
  ~Global() {
    Take();
    delete[] text;
  }
} g_object;

void Preinit() { Take(); }
}  // namespace

[[gnu::section(".preinit_array"), gnu::used]] void (*const g_preinit)() = Preinit;
[[gnu::constructor(101)]] void First() { Take(); }
[[gnu::constructor]] void Second() { std::thread(Take).join(); }
[[gnu::destructor]] void Last() {
  Take();
  for (int i = 0; i < g_count; ++i) free(g_early[i]);
}

int main() {
  CHECK(g_count == 4);
  atexit(Take);
  Take();
  return 0;
}
