// SPDX-License-Identifier: MIT
#include "os/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "base/attributes.h"
#include "base/bits.h"
#include "os/lock.h"
#include "os/system.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
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

// What takes long, or is made often, waits for nobody and lets nobody wait.
bool Advise(void* at, size_t size, int advice) {
  Check(at, size);
  DebugAssertNoLockOverPurge();
  return arch::Syscall(SYS_madvise, Word(at), static_cast<long>(size), advice) == 0;
}
bool Purge(void* at, size_t size) { return Advise(at, size, MADV_DONTNEED); }
bool Offer(void* at, size_t size) { return Advise(at, size, MADV_FREE); }
bool Populate(void* at, size_t size) { return Advise(at, size, MADV_POPULATE_WRITE); }
void Touch(void* at) { *static_cast<volatile char*>(at) = 0; }
bool AdviseHuge(void* at, size_t size, bool wanted) {
  Check(at, size);
  return arch::Syscall(SYS_madvise, Word(at), static_cast<long>(size), wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0;
}
bool Collapse(void* at, size_t size) { return Advise(at, size, MADV_COLLAPSE); }

// The comparison of a futex requeue that wakes and moves nobody. Filters that look at arguments know it: condition variables use it.
bool Holds(const uint32_t* word) {
  constexpr long kFutexCmpRequeuePrivate = 4 | 128;
  return arch::Syscall(SYS_futex, Word(word), kFutexCmpRequeuePrivate, 0, 0, Word(word), 0) == -EAGAIN;
}

// Linux 6.15 knows the calling process by this number instead of a descriptor: one that was opened would name the parent in a fork child.
constexpr int kSelf = -10000;
constinit Atomic<bool> g_no_batches{false};  // relaxed: a question more or less

size_t PurgeMany(const PageRange* ranges, size_t n) {
  if (g_no_batches.Relaxed()) return 0;
  for (size_t i = 0; i < n; ++i) Check(ranges[i].at, ranges[i].size);
  DebugAssertNoLockOverPurge();
  const long advised = arch::Syscall(SYS_process_madvise, kSelf, reinterpret_cast<long>(ranges), static_cast<long>(n), MADV_DONTNEED, 0);
  if (Failed(advised)) {
    if (advised != -EAGAIN && advised != -EINTR && advised != -ENOMEM) g_no_batches.SetRelaxed(true);
    return 0;
  }
  // Short: it stopped inside a range, or before it.
  size_t done = 0;
  for (auto left = static_cast<size_t>(advised); done < n && ranges[done].size <= left; ++done) left -= ranges[done].size;
  return done;
}

void* Remap(void* at, size_t old_size, size_t new_size, bool may_move) {
  Check(at, old_size);
  Check(at, new_size);
  if (PageSizeIsSimulated()) may_move = false;  // the kernel would choose a place that only its own pages fit
  const long r = arch::Syscall(SYS_mremap, Word(at), static_cast<long>(old_size), static_cast<long>(new_size), may_move ? MREMAP_MAYMOVE : 0);
  return Failed(r) ? nullptr : reinterpret_cast<void*>(r);
}

// To where the kernel likes. To a place of ours (MREMAP_FIXED) older kernels unmap that place first, and refuse then: what another thread
// maps meanwhile would be there, and nobody could tell it from ours.
void* MoveOut(void* from, size_t size) {
  Check(from, size);
  if (PageSizeIsSimulated()) return nullptr;  // as in Remap
  const long flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
  const long r = arch::Syscall(SYS_mremap, Word(from), static_cast<long>(size), static_cast<long>(size), flags, 0);
  if (Failed(r)) return nullptr;
  // The range stays ours and empty. Said once more, because emulators forget it: they know mremap, not DONTUNMAP.
  RawMmap(from, size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_NORESERVE);
  return reinterpret_cast<void*>(r);
}

}  // namespace

constinit const PageOps kKernelPages = {Reserve, Commit, Map, Purge, PurgeMany, Offer, Unmap, Remap, MoveOut, Populate, Touch, AdviseHuge, Collapse, Holds, NowNs};

}  // namespace xalloc::os
