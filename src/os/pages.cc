// SPDX-License-Identifier: MIT
#include "os/pages.h"

#include <linux/mman.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "base/attributes.h"
#include "base/bits.h"
#include "os/lock.h"
#include "os/system.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

namespace xalloc::os {
namespace {

long Word(const void* p) { return reinterpret_cast<long>(p); }
bool Failed(long result) { return static_cast<unsigned long>(result) > -4096ul; }

void Check([[maybe_unused]] const void* at, [[maybe_unused]] size_t size) {
#if XALLOC_DEBUG
  DebugAssertNoLockOverSyscall();
  if (size == 0 || !IsAligned(at, PageSize()) || !IsAligned(size, PageSize())) {
    constexpr char kText[] = "xalloc: range is not page-aligned\n";
    WriteAll(2, kText, sizeof kText - 1);
    abort();
  }
#endif
}

void* RawMmap(void* hint, size_t size, int protection, int extra) {
  const long r = arch::Syscall(SYS_mmap, Word(hint), static_cast<long>(size), protection, MAP_PRIVATE | MAP_ANONYMOUS | extra, -1, 0);
  return Failed(r) ? nullptr : reinterpret_cast<void*>(r);
}

void Unmap(void* at, size_t size) {
  Check(at, size);
  if (XALLOC_LIKELY(arch::Syscall(SYS_munmap, Word(at), static_cast<long>(size)) == 0)) return;
  // The middle of what the kernel has merged, and the process has as many mappings as it may: the address is lost, the memory is not.
  arch::Syscall(SYS_madvise, Word(at), static_cast<long>(size), MADV_DONTNEED);
}

void* Mmap(void* hint, size_t size, int protection, int extra) {
  Check(hint, size);
  const size_t page = PageSize();
  void* at = RawMmap(hint, size, protection, extra);
  if (XALLOC_LIKELY(at == nullptr || IsAligned(at, page))) return at;
  // Only where the debug knob pretends larger pages than the kernel has: cut an aligned piece out of a larger mapping.
  arch::Syscall(SYS_munmap, Word(at), static_cast<long>(size));
  auto* larger = static_cast<char*>(RawMmap(nullptr, size + page, protection, extra));
  if (larger == nullptr) return nullptr;
  auto* aligned = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(larger), page));
  if (aligned != larger) arch::Syscall(SYS_munmap, Word(larger), aligned - larger);
  arch::Syscall(SYS_munmap, Word(aligned + size), larger + page - aligned);
  return aligned;
}

void* Reserve(void* hint, size_t size) { return Mmap(hint, size, PROT_NONE, MAP_NORESERVE); }
void* Map(size_t size) { return Mmap(nullptr, size, PROT_READ | PROT_WRITE, 0); }

bool Commit(void* at, size_t size) {
  Check(at, size);
  return arch::Syscall(SYS_mprotect, Word(at), static_cast<long>(size), PROT_READ | PROT_WRITE) == 0;
}

bool Purge(void* at, size_t size) {
  Check(at, size);
  return arch::Syscall(SYS_madvise, Word(at), static_cast<long>(size), MADV_DONTNEED) == 0;
}

void* Remap(void* at, size_t old_size, size_t new_size, bool may_move) {
  Check(at, old_size);
  Check(at, new_size);
  if (PageSizeIsSimulated()) may_move = false;  // the kernel would choose a place that only its own pages fit
  const long r = arch::Syscall(SYS_mremap, Word(at), static_cast<long>(old_size), static_cast<long>(new_size), may_move ? MREMAP_MAYMOVE : 0);
  return Failed(r) ? nullptr : reinterpret_cast<void*>(r);
}

bool MovePages(void* from, void* to, size_t size) {
  Check(from, size);
  Check(to, size);
  const long flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
  if (Failed(arch::Syscall(SYS_mremap, Word(from), static_cast<long>(size), static_cast<long>(size), flags, Word(to)))) return false;
  // The range stays ours and empty. Said once more, because emulators forget it: they know mremap, not DONTUNMAP.
  RawMmap(from, size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_NORESERVE);
  return true;
}

}  // namespace

constinit const PageOps kKernelPages = {Reserve, Commit, Map, Purge, Unmap, Remap, MovePages};

}  // namespace xalloc::os
