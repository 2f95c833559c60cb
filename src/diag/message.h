// SPDX-License-Identifier: MIT
// message.h: where the library's own lines go: summaries, warnings, reports.
//
//   Owns     the exported variable xmalloc_message
//   Used by  conf, stats, api; report.cc, which writes to stderr before anything else
// Thread safety: any thread, no lock of a rank above kInit held: the program's function may allocate.
#pragma once

#include <stddef.h>

namespace xalloc {

// Writes one zero-terminated line, its newline included: to the program's function if it set one, else to stderr.
void Message(const char* line, size_t length);
// For a line at exit: programs close stderr before the last destructors run (coreutils do). Lines go to a second descriptor for
// what stderr is now, while that one is still what it was.
void KeepStderr();
// To the program's function only; nothing happens if there is none.
void MessageToProgram(const char* line);

}  // namespace xalloc
