// SPDX-License-Identifier: MIT
#include "diag/report.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/line_buffer.h"
#include "diag/message.h"
#include "os/system.h"

extern "C" char xalloc_abort_message[256];
char xalloc_abort_message[256] = {};

namespace xalloc {
namespace {

using Line = LineBuffer<200>;

// Two threads may report at the same time: the message is the first one's. Its text is for debuggers: no thread reads it.
constinit Atomic<bool> g_reported{false};

[[noreturn, gnu::cold]] void Die(Line& line) {
  BeginReport();
  if (!g_reported.ExchangeAcquire(true)) memcpy(xalloc_abort_message, line.data(), line.size() + 1);
  // A pipe that nobody reads any more must not turn the abort into another death.
  os::BlockSignal(SIGPIPE);
  line << '\n';
  os::WriteAll(2, line.data(), line.size());
  MessageToProgram(line.data());
  abort();
}

const char* Verb(Act act) {
  switch (act) {
    case Act::kRealloc:
      return "realloc of ";
    case Act::kUsableSize:
      return "usable size of ";
    case Act::kFree:
      break;
  }
  return "free of ";
}

struct Text {
  const char* kind;    // after the verb; null: the sentence is about the act itself
  const char* detail;  // in the parentheses; null: the size
  const char* anchor;
};

Text TextOf(Misuse what) {
  switch (what) {
    case Misuse::kDoubleFree:
      return {nullptr, nullptr, "double-free"};
    case Misuse::kForeign:
      return {"foreign", "not from xalloc", "foreign-pointer"};
    case Misuse::kInterior:
      return {"interior", nullptr, "interior-pointer"};
    case Misuse::kMisaligned:
      return {"misaligned", nullptr, "misaligned-pointer"};
    case Misuse::kCorrupt:
      return {nullptr, nullptr, "corrupt-cache"};
    case Misuse::kUnallocated:
    case Misuse::kNone:
      break;
  }
  return {"unallocated", "free memory", "unallocated-pointer"};
}

}  // namespace

[[noreturn, gnu::cold]] void ReportMisuse(Misuse what, Act act, const void* pointer, size_t size) {
  const Text text = TextOf(what);
  Line line;
  line << "xalloc: ";
  if (what == Misuse::kCorrupt) {
    line << "our own state was overwritten: among the free blocks is ";
  } else if (text.kind == nullptr) {
    line << (act == Act::kFree ? "double free of " : Verb(act));
  } else {
    line << Verb(act) << text.kind << " pointer ";
  }
  line << Hex{reinterpret_cast<uintptr_t>(pointer)} << " (";
  if (text.detail != nullptr) {
    line << text.detail;
  } else {
    line << uint64_t{size} << " bytes";
  }
  line << "), see docs/errors.md#" << text.anchor;
  Die(line);
}

[[noreturn, gnu::cold]] void ReportSizeMismatch(const void* pointer, size_t given, size_t usable) {
  Line line;
  line << "xalloc: sized free of " << Hex{reinterpret_cast<uintptr_t>(pointer)} << " with size " << uint64_t{given} << " (" << uint64_t{usable}
       << " bytes), see docs/errors.md#size-mismatch";
  Die(line);
}

[[noreturn, gnu::cold]] void ReportOutOfMemory(size_t size) {
  Line line;
  line << "xalloc: out of memory for " << uint64_t{size} << " bytes, and xmalloc:true is set, see docs/errors.md#out-of-memory";
  Die(line);
}

[[noreturn, gnu::cold]] void Panic(const char* text) {
  Line line;
  line << "xalloc: " << text;
  Die(line);
}

}  // namespace xalloc
