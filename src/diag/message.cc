// SPDX-License-Identifier: MIT
#include "diag/message.h"

#include "os/system.h"

// Set by the program, or defined by it: its own definition wins over this one.
extern "C" {
[[gnu::weak, gnu::visibility("default")]] void (*xmalloc_message)(void*, const char*) = nullptr;
}

namespace xalloc {

namespace {
constinit os::KeptFd g_kept_stderr;  // written once, by KeepStderr, before the program's main
}  // namespace

void MessageToProgram(const char* line) {
  if (auto* write = __atomic_load_n(&xmalloc_message, __ATOMIC_RELAXED); write != nullptr) write(nullptr, line);
}

void Message(const char* line, size_t length) {
  if (__atomic_load_n(&xmalloc_message, __ATOMIC_RELAXED) != nullptr) return MessageToProgram(line);
  os::WriteAll(os::StillOpen(g_kept_stderr) ? g_kept_stderr.fd : 2, line, length);
}

void KeepStderr() { g_kept_stderr = os::KeepFd(2); }

}  // namespace xalloc
