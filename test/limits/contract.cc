// SPDX-License-Identifier: MIT
// contract: what a program may rely on at the edges: free and delete leave errno alone, a failed request leaves nothing behind, and a
// wrong size at a sized delete harms nobody: every allocate form x free form x size error.
#include "limits.h"

#include <malloc.h>
#include <sys/mman.h>

#include <new>

extern "C" void free_sized(void* p, size_t size) __attribute__((weak));
extern "C" void free_aligned_sized(void* p, size_t alignment, size_t size) __attribute__((weak));

namespace {

constexpr size_t kSizes[] = {1, 8, 24, 100, 512, 1024, 1025, 4096, 20000, 32768, 32769, 100000, 2000000, 33554432};
constexpr size_t kAlignments[] = {16, 64, 4096, 65536};

void* Allocate(int form, size_t size, size_t alignment) {
  const auto align = static_cast<std::align_val_t>(alignment);
  switch (form) {
    case 0:
      return operator new(size);
    case 1:
      return operator new[](size);
    case 2:
      return operator new(size, std::nothrow);
    case 3:
      return operator new[](size, std::nothrow);
    case 4:
      return operator new(size, align);
    case 5:
      return operator new[](size, align);
    case 6:
      return operator new(size, align, std::nothrow);
    case 7:
      return operator new[](size, align, std::nothrow);
    case 8:
      return malloc(size);
    case 9:
      return aligned_alloc(alignment, size);
    case 10:
      return calloc(1, size);
    default:
      return nullptr;
  }
}

bool Release(int form, void* p, size_t size, size_t alignment) {
  const auto align = static_cast<std::align_val_t>(alignment);
  switch (form) {
    case 0:
      return operator delete(p), true;
    case 1:
      return operator delete[](p), true;
    case 2:
      return operator delete(p, size), true;
    case 3:
      return operator delete[](p, size), true;
    case 4:
      return operator delete(p, align), true;
    case 5:
      return operator delete[](p, align), true;
    case 6:
      return operator delete(p, size, align), true;
    case 7:
      return operator delete[](p, size, align), true;
    case 8:
      return operator delete(p, std::nothrow), true;
    case 9:
      return operator delete[](p, align, std::nothrow), true;
    case 10:
      return free(p), true;
    case 11:
      return free_sized(p, size), true;
    case 12:
      return free_aligned_sized(p, alignment, size), true;
    default:
      return false;
  }
}

size_t WrongSize(size_t size, int error) {
  const size_t wrong[] = {size, 0, 1, size / 2, size * 2, SIZE_MAX};
  return wrong[error];
}

// Neighbours of the same class, alive all the time, show what a free by a wrong size has broken.
void Matrix() {
  long frees = 0;
  for (const size_t size : kSizes) {
    for (const size_t alignment : kAlignments) {
      if (size > 100000 && alignment != 4096) continue;  // one alignment does: all go the same way, and each costs system calls
      constexpr int kNeighbours = 3;
      unsigned char* neighbour[kNeighbours];
      for (auto& p : neighbour) p = static_cast<unsigned char*>(memset(malloc(size), 0x5A, size));
      for (int from = 0; Allocate(from, 0, 16) != nullptr; ++from) {
        for (int to = 0; to <= 12; ++to) {
          for (int error = 0; error < 6; ++error) {
            auto* p = static_cast<unsigned char*>(Allocate(from, size, alignment));
            REQUIRE(p != nullptr && malloc_usable_size(p) >= size);
            p[0] = p[size - 1] = 0xA5;
            errno = 77;
            REQUIRE(Release(to, p, WrongSize(size, error), alignment));
            REQUIRE(errno == 77);
            // Two at once are never the same block, and never a neighbour.
            auto* a = static_cast<unsigned char*>(malloc(size));
            auto* b = static_cast<unsigned char*>(malloc(size));
            REQUIRE(a != b && malloc_usable_size(a) >= size && malloc_usable_size(b) >= size);
            a[0] = a[size - 1] = 1;
            b[0] = b[size - 1] = 2;
            REQUIRE(a[0] == 1 && a[size - 1] == 1);
            free(a);
            free(b);
            ++frees;
          }
        }
      }
      for (unsigned char* p : neighbour) {
        for (size_t i = 0; i < size; i += size > 100000 ? 4096 : 1) REQUIRE(p[i] == 0x5A);
        free(p);
      }
    }
  }
  printf("sized matrix: %ld frees by right and wrong sizes\n", frees);
}

void Errno() {
  static void* block[20000];
  for (const size_t size : kSizes) {
    const int n = size > 30000000 / 20000 ? static_cast<int>(30000000 / size + 1) : 20000;
    for (int i = 0; i < n; ++i) REQUIRE((block[i] = malloc(size)) != nullptr);
    for (int i = 0; i < n; ++i) memset(block[i], 1, size);
    // Locked memory cannot be purged: the kernel says EINVAL.
    mlock(block[0], size < 100000 ? size : 100000);
    errno = 77;
    for (int i = 0; i < n; ++i) free(block[i]);
    free(nullptr);
    REQUIRE(errno == 77);
    malloc_trim(0);
    REQUIRE(errno == 77);
    munlockall();
  }
}

size_t InUse() {
  const struct mallinfo2 m = mallinfo2();
  return m.uordblks + m.hblkhd;
}

void Failures() {
  void* keep = malloc(5000);
  REQUIRE(keep != nullptr && InUse() >= 5000);
  constexpr size_t kHuge[] = {SIZE_MAX,        SIZE_MAX - 4096, PTRDIFF_MAX,    size_t{PTRDIFF_MAX} + 1,
                              size_t{1} << 62, size_t{1} << 56, size_t{1} << 48};
  const long address_space = status_kib("VmSize:");
  for (int round = 0; round < 100; ++round) {
    const size_t before = InUse();
    for (const size_t size : kHuge) {
      errno = 0;
      REQUIRE(malloc(size) == nullptr && errno == ENOMEM);
      errno = 0;
      REQUIRE(calloc(size / 8, 16) == nullptr && errno == ENOMEM);
      errno = 0;
      REQUIRE(realloc(keep, size) == nullptr && errno == ENOMEM);
      errno = 0;
      REQUIRE(reallocarray(keep, size / 4, 16) == nullptr && errno == ENOMEM);
      errno = 0;
      REQUIRE(aligned_alloc(4096, size) == nullptr && errno == ENOMEM);
      void* out = &out;
      errno = 77;
      REQUIRE(posix_memalign(&out, 65536, size) == ENOMEM && out == &out && errno == 77);
      REQUIRE(operator new(size, std::nothrow) == nullptr);
      bool thrown = false;
      try {
        free(operator new(size));
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      REQUIRE(thrown);
    }
    // The first bad_alloc of a process makes libc and libgcc keep something.
    if (round > 0) REQUIRE(InUse() <= before);
  }
  REQUIRE(address_space < 0 || status_kib("VmSize:") <= address_space + 2048);
  free(keep);
}

// The kernel refuses to purge memory that the program has locked. That is about this range, not about purging.
void LockedBlock() {
  constexpr size_t kLarge = size_t{20} << 20;
  char* locked = static_cast<char*>(malloc(100000));
  if (mlock(locked, 100000) != 0 || status_kib("VmRSS:") < 0) return;
  free(locked);
  malloc_trim(0);
  malloc_trim(0);
  free(memset(malloc(kLarge), 1, kLarge));
  const long before = status_kib("VmRSS:");
  malloc_trim(0);
  REQUIRE(before - status_kib("VmRSS:") >= 15 * 1024);
  munlockall();
}

}  // namespace

int main() {
  LockedBlock();
  Failures();
  Errno();
  if (free_sized != nullptr && free_aligned_sized != nullptr) Matrix();
  puts("contract: holds");
}
