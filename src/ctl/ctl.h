// SPDX-License-Identifier: MIT
// ctl.h: the mallctl tree: from a name to numbers, from numbers to a value. The rows are in tree.h.
//
// Errors are those of jemalloc's mallctl(3): EINVAL wrong length or value; ENOENT no such name, an incomplete one or an index out of range;
// EPERM write of what is read-only or the reverse; EAGAIN nothing could be created; EFAULT the side effect failed.
// Thread safety: any thread, no lock held. Words of a snapshot are read without a lock.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc {

constexpr unsigned kMostParts = 6;  // of a name

// *length: room in, numbers out. A name that is no leaf gives the numbers of its parts; where the room is short, those that fit.
int CtlNameToMib(const char* name, size_t* mib, size_t* length);
int CtlByMib(const size_t* mib, size_t length, void* old, size_t* old_length, const void* fresh, size_t fresh_length);
int CtlByName(const char* name, void* old, size_t* old_length, const void* fresh, size_t fresh_length);

// The rows, for printers and tests.
enum class CtlType : uint8_t { B, U, W, Z, Q, S, T, P, V };
enum class CtlAccess : uint8_t { R = 1, W = 2, RW = 3, RP = 7, RC = 9 };  // RP: reads its type, writes a pointer; RC: makes what it reads
struct CtlLeaf {
  const char* name;  // '#' for a number
  CtlType type;
  CtlAccess access;
};
unsigned CtlLeaves();
CtlLeaf CtlLeafAt(unsigned row);

}  // namespace xalloc
