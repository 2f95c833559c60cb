// SPDX-License-Identifier: MIT
// pages.h: what the layers above need from the kernel's memory calls.
//
// PageOps is a table of functions so that tests replace the kernel: kKernelPages is the real one; the tests' table counts,
// refuses on demand and lies. All sizes are bytes and multiples of the page size; debug builds abort on a range that is not
// page-aligned (emulators do not check) and on a call made under a lock.
// Thread safety: all functions may be called by any thread. None touches errno.
#pragma once

#include <stddef.h>

namespace xalloc::os {

struct PageOps {
  // Address space without memory behind it, at `hint` if that is free; null if refused.
  void* (*reserve)(void* hint, size_t size);
  // Readable, writable, zero-filled on first touch. False if refused.
  bool (*commit)(void* at, size_t size);
  // reserve + commit in one, anywhere.
  void* (*map)(size_t size);
  // Gives the memory back and keeps the address; true: the contents are now zero.
  bool (*purge)(void* at, size_t size);
  void (*unmap)(void* at, size_t size);
  // Moves or resizes a whole mapping of ours without copying; null if refused, and then nothing changed.
  void* (*remap)(void* at, size_t old_size, size_t new_size, bool may_move);
  // Moves the pages of [from, from+size) onto `to` (committed, same size); `from` stays committed and reads as zero.
  bool (*move_pages)(void* from, void* to, size_t size);
};

extern const PageOps kKernelPages;

}  // namespace xalloc::os
