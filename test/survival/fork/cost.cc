// SPDX-License-Identifier: MIT
// What the library's own fork handlers cost, with one thread, and with 64 arenas whose every bin is in use, as medians in
// microseconds: called as fork calls them, without a fork in between (their instructions, what counts), and in real forks of a
// program that does nothing else (where the kernel's copying of every page that is touched next counts with them). The bound is for
// the first kind, ten times what it should be at most, since the machine that runs tests is busy.
//
// The handlers are seen by standing between the library and libc's registration. 64 arenas on a machine of a few CPUs are made by
// writing other numbers into the thread's rseq area, which the kernel corrects at the next switch.
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "../arenas.h"

extern "C" {
[[gnu::weak]] extern const ptrdiff_t __rseq_offset;
[[gnu::weak]] extern const unsigned int __rseq_size;
}

namespace {
using Handler = void (*)();
Handler g_prepare, g_parent, g_child;
double g_spent;         // by prepare and parent in this fork
double* g_child_spent;  // shared with children

void Timed(Handler fn, double* spent) {
  const double begin = NowUs();
  fn();
  *spent += NowUs() - begin;
}
void Prepare() {
  g_spent = 0;
  Timed(g_prepare, &g_spent);
}
void Parent() { Timed(g_parent, &g_spent); }
void Child() { Timed(g_child, g_child_spent); }

struct Medians {
  double parent, child;
};
double Median(std::vector<double>& all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

// Nobody else is at work, so that "in the child" may be said without one.
double Called(Handler after) {
  std::vector<double> all;
  for (int i = 0; i < 1001; ++i) {
    double spent = 0;
    Timed(g_prepare, &spent);
    Timed(after, &spent);
    all.push_back(spent);
  }
  return Median(all);
}

Medians Measure() {
  std::vector<double> parent, child;
  for (int i = 0; i < 101; ++i) {
    *g_child_spent = 0;
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    CHECK(EndOf(pid) == 0);
    parent.push_back(g_spent);
    child.push_back(*g_child_spent);
  }
  return {Median(parent), Median(child)};
}

// The cost of the two kinds of calls.
Medians Report(const char* who, unsigned arenas) {
  const Medians calls = {Called(g_parent), Called(g_child)};
  const Medians forks = Measure();
  printf("%s, %u arenas: prepare + parent %.2f us, prepare + child %.2f us; in real forks prepare + parent %.2f us, child %.2f us\n", who, arenas,
         calls.parent, calls.child, forks.parent, forks.child);
  fflush(stdout);
  return calls;
}

// Allocates in all classes as if on CPU `number`; the kernel may undo that in between.
void UseArena(uint32_t number) {
  auto* rseq = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  std::vector<void*> all;
  all.reserve(20000);
  for (size_t size = 8; size <= 32768; size += std::max<size_t>(size / 8, 8)) {
    *reinterpret_cast<volatile uint32_t*>(rseq + 4) = number;
    *reinterpret_cast<volatile uint32_t*>(rseq + 24) = number;
    for (int i = 0; i < 20; ++i) all.push_back(malloc(size));
  }
  for (void* p : all) free(p);
}

void* Idle(void*) {
  for (;;) pause();
}
}  // namespace

extern "C" int __register_atfork(Handler prepare, Handler parent, Handler child, void* dso) {
  using Real = int (*)(Handler, Handler, Handler, void*);
  auto real = reinterpret_cast<Real>(dlsym(RTLD_NEXT, "__register_atfork"));
  if (g_prepare != nullptr || !OnXalloc()) return real(prepare, parent, child, dso);
  g_prepare = prepare;
  g_parent = parent;
  g_child = child;
  return real(Prepare, Parent, Child, dso);
}

int main() {
  if (&__rseq_size == nullptr || __rseq_size < 20) return kSkipped;
  CHECK(g_prepare != nullptr);
  g_child_spent = static_cast<double*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const Medians alone = Report("one thread", Arenas());
  // A lone thread has one arena, wherever it runs.
  pthread_t t;
  CHECK(pthread_create(&t, nullptr, Idle, nullptr) == 0);
  for (int round = 0; round < 20 && Arenas() < 64; ++round) {
    for (uint32_t i = 0; i < 64; ++i) UseArena(i);
  }
  const Medians many = Report("threads", Arenas());
  const char* slow = getenv("XALLOC_TEST_SLOWNESS");  // an emulated machine
  const double times = slow != nullptr ? atof(slow) : 1;
  CHECK(alone.parent < 10 * times && alone.child < 10 * times);
  CHECK(Arenas() == 64 && many.parent < 50 * times && many.child < 50 * times);
  return 0;
}
