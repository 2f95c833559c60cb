// SPDX-License-Identifier: MIT
// last_words.h: memory for the last words of a process: once a thread has reported a misuse, a SIGABRT handler of the program may
// allocate on it, and the heap is what we no longer trust.
//
//   | static 64 KiB, untouched until then | one mapping, made when that is used up |      bump only: nothing is ever taken back
//
//   Owns     both areas
//   Used by  cache/, for threads in ThreadState::kReporting; free, realloc and usable_size know its blocks on every thread
//   Never    takes a lock, never reuses a block, so that all of it reads as zero
// Thread safety: any thread, signal handlers included.
#pragma once

#include <stddef.h>

namespace xalloc {

// `alignment` a power of two, 16 at least is given. Zero-filled; null: used up.
void* LastWordsAllocate(size_t size, size_t alignment);
// True for every pointer it gave out. p may be anything.
bool LastWordsOwns(const void* p);
// Bytes at p, one of its blocks.
size_t LastWordsSize(const void* p);

}  // namespace xalloc
