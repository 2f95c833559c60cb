// SPDX-License-Identifier: MIT
// A store that saves itself by forking: what the allocator writes beside the data is copied by both sides.
// After the background save of Redis and the prefork servers; the question is the one of "copy-on-write friendly" collectors.
//
// 24 MB of small blocks; three times: fork, the child walks all of it as a save would, with a buffer per block that it frees again,
// while the parent replaces a part of the blocks. Figure: MiB of both processes together when both are done (proportional set size:
// a shared page counts once), the largest of the three. The peak that is measured from outside is that of the larger process.
// Arguments: scale.
#include <sys/wait.h>

#include "bench.h"

namespace {

constexpr size_t kBlocks = 100000, kForks = 3;
struct Block {
  uint32_t size, number;
};
Block* g_block[kBlocks];

Block* Make(bench::Random& random, size_t number) {
  const size_t size = random.Between(16, 464);
  auto* block = reinterpret_cast<Block*>(bench::AllocateTouched(size, 1));
  *block = {static_cast<uint32_t>(size), static_cast<uint32_t>(number)};
  return block;
}

// The child: serializes each block into a buffer of its own.
uint64_t Save() {
  uint64_t sum = 0;
  for (const Block* block : g_block) {
    const size_t size = block->size + 32;
    char* buffer = bench::Allocate(size);
    memcpy(buffer, block, block->size);
    memset(buffer + block->size, 0, 32);
    sum += reinterpret_cast<Block*>(buffer)->size;
    free(buffer);
  }
  return sum;
}

size_t TogetherKib(pid_t child) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/smaps_rollup", child);
  return bench::KibFromProc("/proc/self/smaps_rollup", "\nPss") + bench::KibFromProc(path, "\nPss");
}

// Forks, saves in the child, replaces in the parent; what the child saw and the KiB of both.
uint64_t SaveWhileReplacing(bench::Random& random, size_t replaced, size_t* kib) {
  int answer[2], leave[2];
  if (pipe(answer) != 0 || pipe(leave) != 0) bench::Fail("pipe");
  const pid_t child = fork();
  if (child < 0) bench::Fail("fork");
  if (child == 0) {
    close(leave[1]);
    const uint64_t sum = Save();
    char end;
    // Stays until it has been measured: the parent closes its end.
    _exit(write(answer[1], &sum, sizeof sum) == sizeof sum && read(leave[0], &end, 1) == 0 ? 0 : 1);
  }
  for (size_t k = 0; k < replaced; ++k) {
    const uint32_t number = random.Below(kBlocks);
    free(g_block[number]);
    g_block[number] = Make(random, number);
  }
  uint64_t sum = 0;
  if (read(answer[0], &sum, sizeof sum) != sizeof sum) bench::Fail("no answer from the child");
  *kib = TogetherKib(child);
  close(leave[1]);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) bench::Fail("the child failed");
  close(leave[0]);
  close(answer[0]);
  close(answer[1]);
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv);
  const size_t replaced = arguments.Scaled(120000);
  arguments.Done();
  bench::Random random(1);
  for (size_t i = 0; i < kBlocks; ++i) g_block[i] = Make(random, i);
  uint64_t sum = 0;
  size_t most_kib = 0;
  for (size_t i = 0; i < kForks; ++i) {
    size_t kib = 0;
    sum += SaveWhileReplacing(random, replaced, &kib);
    if (kib > most_kib) most_kib = kib;
  }
  for (Block* block : g_block) free(block);
  bench::Figure("both_processes", static_cast<double>(most_kib) / 1024, "MiB");
  bench::Checksum(sum);
}
