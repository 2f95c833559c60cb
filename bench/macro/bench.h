// SPDX-License-Identifier: MIT
// bench.h: what the programs of bench/macro share: arguments, random numbers, threads, figures.
//
//   Used by  every program of this folder
//   Never    allocates behind a program's back, and needs no C++ runtime: a program that uses malloc only is linked to libc only, so
//            that its resident size is the allocator's and not that of libstdc++
//
// Every program does an amount of work that its arguments fix, never "as much as a second allows": time is then the figure. What it
// did is summed up in one line `checksum N`, the same under every allocator and in every run. Further figures are lines
// `figure NAME VALUE UNIT`.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace bench {

[[noreturn]] inline void Fail(const char* what) {
  fprintf(stderr, "bench: %s\n", what);
  exit(1);
}

// Knuth's MMIX generator; the low bits of a power-of-two modulus are weak, so only the high ones are handed out.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint32_t Next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 32);
  }
  // Uniform in [0, n).
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>((uint64_t{Next()} * n) >> 32); }
  size_t Between(size_t low, size_t high) { return low + Below(static_cast<uint32_t>(high - low + 1)); }

 private:
  uint64_t state_;
};

// `name=value` arguments, in any order: every program understands scale (work, relative to about a second under glibc on two
// cores) and threads, some understand more (their headers say which). An argument that nobody asked for is an error.
class Arguments {
 public:
  Arguments(int argc, char** argv) : argc_(argc), argv_(argv) {
    if (argc > kMost) Fail("too many arguments");
  }
  double Get(const char* name, double otherwise) {
    const size_t length = strlen(name);
    for (int i = 1; i < argc_; ++i) {
      if (strncmp(argv_[i], name, length) == 0 && argv_[i][length] == '=') {
        used_[i] = true;
        return strtod(argv_[i] + length + 1, nullptr);
      }
    }
    return otherwise;
  }
  size_t Count(const char* name, size_t otherwise) { return static_cast<size_t>(Get(name, static_cast<double>(otherwise))); }
  // n pieces of work at scale 1; at least one at any scale.
  size_t Scaled(size_t n) {
    const auto scaled = static_cast<size_t>(static_cast<double>(n) * Get("scale", 1.0));
    return scaled > 0 ? scaled : 1;
  }
  void Done() const {
    for (int i = 1; i < argc_; ++i) {
      if (!used_[i]) Fail(argv_[i]);
    }
  }

 private:
  static constexpr int kMost = 16;
  int argc_;
  char** argv_;
  bool used_[kMost] = {};
};

// Writes what a program would: the first and the last byte, and one in each page.
inline void Touch(char* p, size_t size, char value) {
  for (size_t i = 0; i < size; i += 4096) p[i] = value;
  p[size - 1] = value;
}

inline char* Allocate(size_t size) {
  auto* p = static_cast<char*>(malloc(size));
  if (p == nullptr) Fail("out of memory");
  return p;
}

inline char* AllocateTouched(size_t size, char value) {
  char* p = Allocate(size);
  Touch(p, size, value);
  return p;
}

inline pthread_t Start(void* (*work)(void*), void* argument) {
  pthread_t thread;
  if (pthread_create(&thread, nullptr, work, argument) != 0) Fail("no thread");
  return thread;
}

// What each of several threads that do the same is given, and what it found.
struct Worker {
  size_t number;  // from 0
  uint64_t sum;
};
constexpr size_t kMostWorkers = 64;

// Runs `work` in n threads, each with a Worker of its own. What they found, added up.
inline uint64_t RunWorkers(size_t n, void* (*work)(void*)) {
  if (n > kMostWorkers) Fail("too many threads");
  pthread_t thread[kMostWorkers];
  Worker worker[kMostWorkers];
  for (size_t i = 0; i < n; ++i) {
    worker[i] = {i, 0};
    thread[i] = Start(work, &worker[i]);
  }
  uint64_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    pthread_join(thread[i], nullptr);
    sum += worker[i].sum;
  }
  return sum;
}

inline double Seconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// A value in KiB from a file of /proc that holds lines `Name:  123 kB`; read without stdio, whose buffer is an allocation.
inline size_t KibFromProc(const char* path, const char* name) {
  char text[8192];
  FILE* file = fopen(path, "r");
  if (file == nullptr) Fail(path);
  setvbuf(file, nullptr, _IONBF, 0);
  const size_t got = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[got] = '\0';
  const char* at = strstr(text, name);
  if (at == nullptr) Fail(name);
  return strtoul(at + strlen(name) + 1, nullptr, 10);
}
inline size_t ResidentKib() { return KibFromProc("/proc/self/status", "VmRSS"); }

inline void Figure(const char* name, double value, const char* unit) { printf("figure %s %.3f %s\n", name, value, unit); }
inline void Checksum(uint64_t sum) { printf("checksum %llu\n", static_cast<unsigned long long>(sum)); }

}  // namespace bench
