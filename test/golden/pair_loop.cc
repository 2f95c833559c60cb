// SPDX-License-Identifier: MIT
// Loops over one kind of allocation; callgrind.py counts instructions. Never freed early, never optimised away (-fno-builtin).
//   pair_loop malloc|new|batch <size> <iterations>
#include <cstdlib>
#include <cstring>
#include <new>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const size_t size = std::strtoul(argv[2], nullptr, 10);
  const long n = std::strtol(argv[3], nullptr, 10);
  if (std::strcmp(argv[1], "malloc") == 0) {
    for (long i = 0; i < n; ++i) free(malloc(size));
  } else if (std::strcmp(argv[1], "new") == 0) {
    for (long i = 0; i < n; ++i) ::operator delete(::operator new(size), size);
  } else {
    void* block[100];
    for (long i = 0; i < n / 100; ++i) {
      for (void*& p : block) p = malloc(size);
      for (void* p : block) free(p);
    }
  }
}
