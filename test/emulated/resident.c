/* SPDX-License-Identifier: MIT */
/* Preloaded into python: at _exit, before the interpreter takes itself down, prints how many KiB are resident by the kernel that runs here,
 * and how many would be with the page size that the program sees: every such page of which any part is resident. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* By 4 KiB, as the machine below maps them; the table is asked piece by piece, on the stack. */
enum { kBelow = 4096, kPiece = 512 };

static uint64_t Resident(int pagemap, uint64_t first, uint64_t last, uint64_t page, uint64_t *whole) {
  static uint64_t entries[kPiece];
  uint64_t pages = 0, counted = UINT64_MAX;
  for (uint64_t at = first; at < last; at += (uint64_t)kPiece * kBelow) {
    const ssize_t got = pread(pagemap, entries, sizeof entries, (off_t)(at / kBelow * sizeof entries[0]));
    if (got <= 0) break;
    for (uint64_t i = 0; i < (uint64_t)got / sizeof entries[0] && at + i * kBelow < last; ++i) {
      if ((entries[i] >> 62) == 0) continue; /* neither present nor in swap */
      ++pages;
      const uint64_t larger = (at + i * kBelow) / page;
      if (larger != counted) ++*whole;
      counted = larger;
    }
  }
  return pages;
}

void _exit(int status) {
  const int pagemap = open("/proc/self/pagemap", O_RDONLY);
  FILE *maps = fopen("/proc/self/maps", "r");
  const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  uint64_t first, last, pages = 0, whole = 0;
  char line[1024];
  while (pagemap >= 0 && maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    if (sscanf(line, "%" SCNx64 "-%" SCNx64, &first, &last) == 2) pages += Resident(pagemap, first, last, page, &whole);
  }
  dprintf(1, "%" PRIu64 " %" PRIu64 "\n", pages * kBelow / 1024, whole * page / 1024);
  syscall(SYS_exit_group, status);
  __builtin_unreachable();
}
