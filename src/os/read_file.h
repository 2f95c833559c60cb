// SPDX-License-Identifier: MIT
// read_file.h: what the kernel says in a file of a line or two. By raw system calls: errno stays, and nobody interposes.
#pragma once

#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "arch/arch.h"

namespace xalloc::os {

// The beginning of a file, as a string. False: it cannot be read.
template <size_t N>
bool ReadFile(const char* path, char (&text)[N]) {
  const long fd = arch::Syscall(SYS_openat, AT_FDCWD, reinterpret_cast<long>(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  size_t length = 0;
  for (long got = 0; length < N - 1 && (got = arch::Syscall(SYS_read, fd, reinterpret_cast<long>(text + length), static_cast<long>(N - 1 - length))) > 0;) {
    length += static_cast<size_t>(got);
  }
  text[length] = '\0';
  arch::Syscall(SYS_close, fd);
  return length != 0;
}

}  // namespace xalloc::os
