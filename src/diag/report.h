// SPDX-License-Identifier: MIT
// report.h: one function per mistake a program can make with its memory, and the end of the process.
//
// Every text is fixed: docs/errors.md explains each, test/misuse checks each. No lock of ours may be held by the caller: a
// SIGABRT handler of the program may allocate.
#pragma once

#include <stddef.h>

#include "base/attributes.h"

namespace xalloc {

// What the program called: it opens the sentence.
enum class Act { kFree, kRealloc, kUsableSize };

// What is wrong with the pointer it passed.
enum class Misuse { kNone, kDoubleFree, kForeign, kInterior, kMisaligned, kUnallocated };

// Writes the line for `what` and aborts. `size`: bytes of the block's size class, where one is known.
[[noreturn]] void ReportMisuse(Misuse what, Act act, const void* pointer, size_t size);

// Writes "xalloc: <text>" and aborts. For states that cannot be: broken invariants.
[[noreturn]] void Panic(const char* text);

#if XALLOC_DEBUG
#define XALLOC_CHECK(condition) ((condition) ? void(0) : ::xalloc::Panic("broken invariant: " #condition))
#else
#define XALLOC_CHECK(condition) void(0)
#endif

}  // namespace xalloc

// The text of the report that ended the process, for debuggers and core files; empty until then.
extern "C" [[gnu::visibility("default")]] char xalloc_abort_message[256];
