// SPDX-License-Identifier: MIT
// Random allocations by every entry point, from threads that come and go, handed between them, checked against a shadow: no two
// live blocks overlap (each 8-byte unit of the first and last 64 bytes holds a stamp of its block), contents stay, alignment and
// usable size hold, calloc is zero. The shadow lives in mappings of its own.
//   shadow_stress <seconds> <threads> [seed]
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

namespace {

struct Random {
  uint64_t state;
  uint64_t operator()() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 2685821657736338717ull;
  }
};

struct Block {
  unsigned char* p;
  size_t size;       // as asked for
  uint64_t stamp;
  uint32_t aligned;  // allocated by aligned operator new: freed by its counterpart
};

constexpr size_t kShared = 4096;
struct Shared {
  std::atomic<uint32_t> busy;
  Block block;
};
Shared* g_shared;
std::atomic<uint64_t> g_operations{0}, g_stamps{1};
uint64_t g_seed;
double g_end;

double Now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

[[noreturn]] void Fail(const char* what, const Block& b) {
  fprintf(stderr, "stress: %s: block %p of %zu bytes; seed %llu\n", what, static_cast<void*>(b.p), b.size, static_cast<unsigned long long>(g_seed));
  abort();
}

// The stamp goes into the first and the last bytes, and once a page in between.
template <class Fn>
void EachUnit(const Block& b, Fn fn) {
  const size_t n = b.size / 8;
  for (size_t i = 0; i < n && i < 8; ++i) fn(i);
  for (size_t i = 512; i + 8 < n; i += 512) fn(i);
  for (size_t i = n > 16 ? n - 8 : 8; i < n; ++i) fn(i);
}
void Write(const Block& b) {
  EachUnit(b, [&](size_t i) { memcpy(b.p + i * 8, &b.stamp, 8); });
  for (size_t i = b.size & ~size_t{7}; i < b.size; ++i) b.p[i] = static_cast<unsigned char>(b.stamp);
}
void Check(const Block& b) {
  EachUnit(b, [&](size_t i) {
    if (memcmp(b.p + i * 8, &b.stamp, 8) != 0) Fail("contents changed", b);
  });
  for (size_t i = b.size & ~size_t{7}; i < b.size; ++i) {
    if (b.p[i] != static_cast<unsigned char>(b.stamp)) Fail("contents changed", b);
  }
}

size_t RandomSize(Random& random) {
  const uint64_t kind = random() % 100;
  if (kind < 60) return random() % 256;
  if (kind < 85) return random() % 4096;
  if (kind < 96) return random() % 40000;
  if (kind < 99) return random() % 400000;
  return random() % 3000000;
}

void* (*g_mallocx)(size_t, int);
void* (*g_rallocx)(void*, size_t, int);
void (*g_sdallocx)(void*, size_t, int);
int (*g_mallctl)(const char*, void*, size_t*, void*, size_t) = nullptr;

Block Allocate(Random& random) {
  Block b = {nullptr, RandomSize(random), g_stamps++, 0};
  const size_t alignment = size_t{8} << (random() % (random() % 20 == 0 ? 16 : 8));
  size_t promised = b.size >= 9 ? 16 : 8;
  bool zero = false;
  switch (random() % 10) {
    case 0:
      b.p = static_cast<unsigned char*>(calloc(1, b.size));
      zero = true;
      break;
    case 1: {
      void* p = nullptr;
      if (posix_memalign(&p, alignment, b.size) == 0) b.p = static_cast<unsigned char*>(p);
      promised = alignment;
      break;
    }
    case 2:
      b.p = static_cast<unsigned char*>(::operator new(b.size, std::nothrow));
      break;
    case 3:
      b.p = static_cast<unsigned char*>(::operator new(b.size, static_cast<std::align_val_t>(alignment)));
      b.aligned = static_cast<uint32_t>(alignment);
      promised = alignment;
      break;
    case 4:
      if (g_mallocx != nullptr) {
        int flags = random() % 2 == 0 ? 0x40 : 0;
        if (random() % 2 == 0) flags |= 1 << 8;  // past the thread cache
        if (b.size == 0) b.size = 1;
        b.p = static_cast<unsigned char*>(g_mallocx(b.size, flags));
        zero = (flags & 0x40) != 0;
        break;
      }
      [[fallthrough]];
    default:
      b.p = static_cast<unsigned char*>(malloc(b.size));
  }
  if (b.p == nullptr) Fail("no memory", b);
  if (reinterpret_cast<uintptr_t>(b.p) % promised != 0) Fail("not aligned", b);
  if (malloc_usable_size(b.p) < b.size) Fail("usable size too small", b);
  if (zero) {
    for (size_t i = 0; i < b.size; ++i) {
      if (b.p[i] != 0) Fail("not zero", b);
    }
  }
  Write(b);
  return b;
}

void Release(Random& random, Block& b) {
  Check(b);
  memset(b.p, 0xdd, b.size < 64 ? b.size : 64);
  if (b.aligned != 0) {
    ::operator delete(b.p, static_cast<std::align_val_t>(b.aligned));
  } else if (random() % 4 == 0) {
    ::operator delete(b.p, b.size);
  } else if (g_sdallocx != nullptr && random() % 8 == 0) {
    g_sdallocx(b.p, b.size, 0);
  } else {
    free(b.p);
  }
  b.p = nullptr;
}

void Resize(Random& random, Block& b) {
  Check(b);
  const size_t size = RandomSize(random) + 1;
  auto* p = static_cast<unsigned char*>(g_rallocx != nullptr && random() % 3 == 0 ? g_rallocx(b.p, size, 0) : realloc(b.p, size));
  if (p == nullptr) Fail("no memory to resize", b);
  const Block kept = {p, (size < b.size ? size : b.size) & ~size_t{7}, b.stamp, 0};
  EachUnit(kept, [&](size_t i) {
    // What the old block stamped, as far as it goes in both.
    const size_t old_units = b.size / 8;
    const bool stamped = i < 8 || (i % 512 == 0 && i + 8 < old_units) || i + 8 >= old_units;
    if (stamped && i < old_units && memcmp(p + i * 8, &b.stamp, 8) != 0) Fail("realloc lost contents", kept);
  });
  b = {p, size, b.stamp, 0};
  Write(b);
}

void* Worker(void* arg) {
  Random random{g_seed * 1000003 + reinterpret_cast<uintptr_t>(arg) * 7919 + 1};
  constexpr size_t kMine = 400;
  auto* mine = static_cast<Block*>(mmap(nullptr, kMine * sizeof(Block), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const uint64_t life = 2000 + random() % 40000;
  for (uint64_t i = 0; i < life; ++i) {
    Block& b = mine[random() % kMine];
    if (b.p == nullptr) {
      b = Allocate(random);
    } else if (random() % 6 == 0) {
      Resize(random, b);
    } else {
      Release(random, b);
    }
    if (random() % 4 == 0) {
      Shared& s = g_shared[random() % kShared];
      uint32_t idle = 0;
      if (s.busy.compare_exchange_strong(idle, 1, std::memory_order_acquire)) {
        const Block other = s.block;
        s.block = b;
        b = other;
        s.busy.store(0, std::memory_order_release);
      }
    }
    if (random() % 50000 == 0) malloc_trim(0);
    if (g_mallctl != nullptr && random() % 20000 == 0) {
      bool wanted = random() % 2 == 0;
      g_mallctl("background_thread", nullptr, nullptr, &wanted, sizeof wanted);
    }
    if (random() % 60000 == 0) {
      const pid_t child = fork();
      if (child == 0) {
        for (size_t k = 0; k < kMine; ++k) {
          if (mine[k].p != nullptr) Release(random, mine[k]);
        }
        for (int k = 0; k < 200; ++k) {
          Block fresh = Allocate(random);
          Release(random, fresh);
        }
        _exit(0);
      }
      int status = 0;
      if (child > 0 && (waitpid(child, &status, 0) != child || status != 0)) {
        fprintf(stderr, "stress: child ended with %d; seed %llu\n", status, static_cast<unsigned long long>(g_seed));
        abort();
      }
    }
  }
  for (size_t k = 0; k < kMine; ++k) {
    if (mine[k].p != nullptr) Release(random, mine[k]);
  }
  munmap(mine, kMine * sizeof(Block));
  g_operations += life;
  return nullptr;
}

// What is mapped, in the eyes of the kernel, must stay bounded: there is a limit of 65530, after which nothing can be had any more.
void CheckMappings() {
  FILE* maps = fopen("/proc/self/maps", "r");
  if (maps == nullptr) return;
  size_t count = 0;
  for (int c = 0; (c = fgetc(maps)) != EOF;) count += c == '\n';
  fclose(maps);
  const struct mallinfo2 m = mallinfo2();
  if (count <= 1000 + (((m.uordblks + m.hblkhd) >> 22))) return;
  fprintf(stderr, "stress: %zu mappings for %zu bytes; seed %llu\n", count, m.uordblks + m.hblkhd, static_cast<unsigned long long>(g_seed));
  abort();
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? atof(argv[1]) : 5;
  const int threads = argc > 2 ? atoi(argv[2]) : 4;
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  g_seed = argc > 3 ? strtoull(argv[3], nullptr, 10) : static_cast<uint64_t>(t.tv_sec) * 1000 + static_cast<uint64_t>(t.tv_nsec) / 1000000;
  printf("stress: %g s, %d threads, seed %llu\n", seconds, threads, static_cast<unsigned long long>(g_seed));
  fflush(stdout);
  g_mallocx = reinterpret_cast<decltype(g_mallocx)>(dlsym(RTLD_DEFAULT, "xmallocx"));
  g_rallocx = reinterpret_cast<decltype(g_rallocx)>(dlsym(RTLD_DEFAULT, "xrallocx"));
  g_sdallocx = reinterpret_cast<decltype(g_sdallocx)>(dlsym(RTLD_DEFAULT, "xsdallocx"));
  // The purger is switched on and off where its options say that it is there to be tried.
  const char* conf = getenv("MALLOC_CONF");
  if (conf != nullptr && strstr(conf, "background_thread:true") != nullptr) {
    g_mallctl = reinterpret_cast<decltype(g_mallctl)>(dlsym(RTLD_DEFAULT, "xmallctl"));
  }
  g_shared = static_cast<Shared*>(mmap(nullptr, kShared * sizeof(Shared), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  g_end = Now() + seconds;
  uintptr_t generation = 0;
  pthread_t running[64];
  const int n = threads < 64 ? threads : 64;
  for (int i = 0; i < n; ++i) pthread_create(&running[i], nullptr, Worker, reinterpret_cast<void*>(++generation));
  while (Now() < g_end) {
    for (int i = 0; i < n; ++i) {
      pthread_join(running[i], nullptr);
      pthread_create(&running[i], nullptr, Worker, reinterpret_cast<void*>(++generation));
    }
    CheckMappings();
  }
  for (int i = 0; i < n; ++i) pthread_join(running[i], nullptr);
  Random random{g_seed};
  for (size_t i = 0; i < kShared; ++i) {
    if (g_shared[i].block.p != nullptr) Release(random, g_shared[i].block);
  }
  if (g_mallocx != nullptr) {
    malloc_trim(0);
    const struct mallinfo2 m = mallinfo2();
    printf("stress: in use at the end %zu bytes\n", m.uordblks + m.hblkhd);
    if (m.uordblks + m.hblkhd > 300000) {
      fprintf(stderr, "stress: lost memory; seed %llu\n", static_cast<unsigned long long>(g_seed));
      return 1;
    }
  }
  printf("stress: %llu operations, %llu threads\n", static_cast<unsigned long long>(g_operations.load()), static_cast<unsigned long long>(generation));
  return 0;
}
