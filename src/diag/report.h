// SPDX-License-Identifier: MIT
// report.h: one function per mistake a program can make with its memory, and the end of the process.
//
// Every text is fixed: docs/errors.md explains each, test/misuse checks each. No lock of ours may be held by the caller of
// ReportMisuse: a SIGABRT handler of the program may allocate, fork, and wait for other threads.
#pragma once

#include <stddef.h>

#include "base/attributes.h"

namespace xalloc {

// What the program called: it opens the sentence.
enum class Act { kFree, kRealloc, kUsableSize };

// What is wrong with the pointer it passed.
// kCorrupt: not what the program passed, but what it wrote over our own state.
enum class Misuse { kNone, kDoubleFree, kForeign, kInterior, kMisaligned, kUnallocated, kCorrupt };

// Writes the line for `what` and aborts. `size`: bytes of the block's size class, where one is known.
[[noreturn]] void ReportMisuse(Misuse what, Act act, const void* pointer, size_t size);

// A sized free whose size cannot be the one that was asked for; only with harden:full.
[[noreturn]] void ReportSizeMismatch(const void* pointer, size_t given, size_t usable);

// xmalloc:true, and there is no memory for `size` bytes.
[[noreturn]] void ReportOutOfMemory(size_t size);

// Before anything is written: turns the calling thread to memory of its own (meta/last_words.h), away from all that a lock guards.
// Lies above, in cache/reporting.cc.
void BeginReport();

// Writes "xalloc: <text>" and aborts. For states that cannot be: broken invariants.
[[noreturn]] void Panic(const char* text);

#if XALLOC_DEBUG
#define XALLOC_CHECK(condition) ((condition) ? void(0) : ::xalloc::Panic("broken invariant: " #condition))
#else
#define XALLOC_CHECK(condition) void(0)
#endif

}  // namespace xalloc

// The text of the first report, the one that ends the process, for debuggers and core files; empty until then.
extern "C" [[gnu::visibility("default")]] char xalloc_abort_message[256];
