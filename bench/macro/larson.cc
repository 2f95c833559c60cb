// SPDX-License-Identifier: MIT
// A server that runs for long: blocks outlive the thread that allocated them.
// After P. Larson and M. Krishnan, "Memory Allocation for Long-Running Server Applications", ISMM 1998.
//
// Each line of threads owns an array of blocks. A thread of the line replaces random blocks of the array, hands it to a successor that
// it starts itself, and dies: almost every block is freed by another thread than the one that allocated it.
// Built once more with BENCH_SIZED as larson_sized: operator new, and operator delete that is told the size.
// Arguments: scale, threads (lines, 4), live (blocks of a line, 5000), most (largest block, 1000 bytes; the smallest is 10).
#include "bench.h"
#if BENCH_SIZED
#include <new>
#endif

namespace {

// The blocks of a line, by number.
struct Blocks {
  char** at;
#if BENCH_SIZED
  uint32_t* size;

  static Blocks Make(size_t live) {
    return {static_cast<char**>(calloc(live, sizeof(char*))), static_cast<uint32_t*>(calloc(live, sizeof(uint32_t)))};
  }
  void Allocate(size_t i, size_t bytes) {
    at[i] = static_cast<char*>(::operator new(bytes));
    size[i] = static_cast<uint32_t>(bytes);
  }
  void Free(size_t i) { ::operator delete(at[i], size[i]); }
  void End() {
    free(size);
    free(at);
  }
#else
  static Blocks Make(size_t live) { return {static_cast<char**>(calloc(live, sizeof(char*)))}; }
  void Allocate(size_t i, size_t bytes) { at[i] = bench::Allocate(bytes); }
  void Free(size_t i) { free(at[i]); }
  void End() { free(at); }
#endif
};

struct Line {
  Blocks blocks;
  size_t live, most;
  size_t replacements;  // by each thread of the line
  size_t generations;   // threads still to come
  uint64_t seed, bytes;
};

pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t g_changed = PTHREAD_COND_INITIALIZER;
size_t g_running;

void* Generation(void* argument) {
  auto* line = static_cast<Line*>(argument);
  bench::Random random(++line->seed);
  for (size_t i = 0; i < line->replacements; ++i) {
    const size_t place = random.Below(static_cast<uint32_t>(line->live));
    line->blocks.Free(place);
    const size_t size = random.Between(10, line->most);
    line->blocks.Allocate(place, size);
    char* p = line->blocks.at[place];
    p[0] = p[size - 1] = 1;
    line->bytes += size;
  }
  if (--line->generations > 0) {
    pthread_detach(bench::Start(Generation, line));
    return nullptr;
  }
  pthread_mutex_lock(&g_lock);
  --g_running;
  pthread_cond_signal(&g_changed);
  pthread_mutex_unlock(&g_lock);
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t lines = arguments.Count("threads", 4), live = arguments.Count("live", 5000), most = arguments.Count("most", 1000);
  constexpr size_t kGenerations = 40;
  const size_t replacements = arguments.Scaled(120000);
  arguments.Done();

  auto* line = static_cast<Line*>(calloc(lines, sizeof(Line)));
  g_running = lines;
  for (size_t i = 0; i < lines; ++i) {
    line[i] = {Blocks::Make(live), live, most, replacements, kGenerations, (i + 1) << 20, 0};
    for (size_t k = 0; k < live; ++k) {
      const size_t size = 10 + k * 7 % (most - 9);
      line[i].blocks.Allocate(k, size);
      bench::Touch(line[i].blocks.at[k], size, 1);
    }
  }
  for (size_t i = 0; i < lines; ++i) pthread_detach(bench::Start(Generation, &line[i]));
  pthread_mutex_lock(&g_lock);
  while (g_running > 0) pthread_cond_wait(&g_changed, &g_lock);
  pthread_mutex_unlock(&g_lock);

  uint64_t sum = 0;
  for (size_t i = 0; i < lines; ++i) {
    sum += line[i].bytes;
    for (size_t k = 0; k < live; ++k) line[i].blocks.Free(k);
    line[i].blocks.End();
  }
  free(line);
  bench::Checksum(sum);
}
