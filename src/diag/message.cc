// SPDX-License-Identifier: MIT
#include "diag/message.h"

#include "os/system.h"

// Set by the program, or defined by it: its own definition wins over this one.
extern "C" {
[[gnu::weak, gnu::visibility("default")]] void (*xmalloc_message)(void*, const char*) = nullptr;
// Defined in the libraries that carry jemalloc's names: their malloc_message, which is preferred.
[[gnu::weak, gnu::visibility("hidden")]] extern void (**const xalloc_second_message)(void*, const char*);
}

namespace xalloc {

namespace {
constinit os::KeptFd g_kept_stderr;  // written once, by KeepStderr, before the program's main

using Writer = void (*)(void*, const char*);

// The program's function; null: it has none.
Writer ProgramsWriter() {
  Writer write = &xalloc_second_message != nullptr ? __atomic_load_n(xalloc_second_message, __ATOMIC_RELAXED) : nullptr;
  return write != nullptr ? write : __atomic_load_n(&xmalloc_message, __ATOMIC_RELAXED);
}
}  // namespace

void MessageToProgram(const char* line) {
  if (const Writer write = ProgramsWriter(); write != nullptr) write(nullptr, line);
}

void Message(const char* line, size_t length) {
  if (const Writer write = ProgramsWriter(); write != nullptr) return write(nullptr, line);
  os::WriteAll(os::StillOpen(g_kept_stderr) ? g_kept_stderr.fd : 2, line, length);
}

void KeepStderr() { g_kept_stderr = os::KeepFd(2); }

}  // namespace xalloc
