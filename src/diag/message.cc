// SPDX-License-Identifier: MIT
#include "diag/message.h"

#include "os/system.h"

// Set by the program, or defined by it: its own definition wins over this one.
extern "C" {
[[gnu::weak, gnu::visibility("default")]] void (*xmalloc_message)(void*, const char*) = nullptr;
}

namespace xalloc {

void MessageToProgram(const char* line) {
  if (auto* write = __atomic_load_n(&xmalloc_message, __ATOMIC_RELAXED); write != nullptr) write(nullptr, line);
}

void Message(const char* line, size_t length) {
  if (__atomic_load_n(&xmalloc_message, __ATOMIC_RELAXED) != nullptr) return MessageToProgram(line);
  os::WriteAll(2, line, length);
}

}  // namespace xalloc
