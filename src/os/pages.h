// SPDX-License-Identifier: MIT
// pages.h: what the layers above need from the kernel's memory calls.
//
// PageOps is a table of functions so that tests replace the kernel: kKernelPages is the real one; the tests' table counts,
// refuses on demand and lies. All sizes are bytes and multiples of the page size; debug builds abort on a range that is not
// page-aligned (emulators do not check) and on a call made under a lock.
// Thread safety: all functions may be called by any thread. None touches errno.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc::os {

struct PageRange {  // laid out as the kernel's iovec
  void* at;
  size_t size;
};

struct PageOps {
  // Address space without memory behind it, at `hint` if that is free; null if refused.
  void* (*reserve)(void* hint, size_t size);
  // Readable, writable, zero-filled on first touch. False if refused.
  bool (*commit)(void* at, size_t size);
  // reserve + commit in one, anywhere.
  void* (*map)(size_t size);
  // Gives the memory back and keeps the address; true: the contents are now zero.
  bool (*purge)(void* at, size_t size);
  // The same for several ranges in one call, which a sandbox may kill for: in threads of our own only. How many of them, from the first,
  // are done; 0: not possible, or the first was refused.
  size_t (*purge_many)(const PageRange* ranges, size_t n);
  // The kernel may take the memory when it needs some; what it has not taken when the range is written to again, stays. False if refused.
  bool (*offer)(void* at, size_t size);
  void (*unmap)(void* at, size_t size);
  // Moves or resizes a whole mapping of ours without copying; null if refused, and then nothing changed.
  void* (*remap)(void* at, size_t old_size, size_t new_size, bool may_move);
  // Moves the pages of [from, from+size) into a mapping of their own; `from` stays committed and reads as zero. Null if refused, and then
  // nothing changed.
  void* (*move_out)(void* from, size_t size);
  // Puts memory behind the range now, in one call instead of a page fault for each page. False: not possible; nothing is lost.
  bool (*populate)(void* at, size_t size);
  // Puts memory behind the page at `at`, or all of the huge page that it is to be in, by a write to it. The first byte is zero after it.
  void (*touch)(void* at);
  // Whether the range is to be backed by huge pages where it can be. False if refused.
  bool (*advise_huge)(void* at, size_t size, bool wanted);
  // Moves the hugepage at `at` into a huge page. False if the kernel cannot.
  bool (*collapse)(void* at, size_t size);
  // Whether a word can be read, and is other than zero. The kernel reads it: nothing happens where nobody may.
  bool (*holds)(const uint32_t* word);
  // Nanoseconds of a clock that does not jump: what took long.
  uint64_t (*now)();
};

extern const PageOps kKernelPages;

}  // namespace xalloc::os
