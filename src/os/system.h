// SPDX-License-Identifier: MIT
// system.h: facts about the process that never change: page size, environment, auxiliary vector.
//
// All of it works at the first call from the dynamic loader: read by hand from the initial stack, before libc is set up.
// Thread safety: every function may be called by any thread at any time.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc::os {

// The page size of the kernel, in bytes (4096, 16384 or 65536): from the auxiliary vector, once.
// XALLOC_DEBUG_PAGE_SIZE in the environment raises it, so that a 4 KiB machine exercises what 16 and 64 KiB machines do.
size_t PageSize();
bool PageSizeIsSimulated();

// What one of the kernel's page tables describes, 8 bytes for each page: 2 MiB with pages of 4 KiB, 32 and 512 MiB with larger ones.
size_t HugePageSize();

// An entry of the auxiliary vector, 0 if the kernel gives none. Preserves errno, which libc's getauxval sets then.
unsigned long AuxiliaryValue(unsigned long type);

// The value of `name` in the initial environment, or null. Ignores everything when the program runs set-uid (AT_SECURE).
const char* Environment(const char* name);

// RLIMIT_AS in bytes; SIZE_MAX when unlimited or unknown. A system call each time.
size_t AddressSpaceLimit();

// Monotonic time in milliseconds, coarse (a few ms), by a raw system call: clock_gettime is interposable.
uint64_t NowMs();
// The same to the nanosecond, for durations.
uint64_t NowNs();
// What this thread has run, in nanoseconds, in the kernel and out of it.
uint64_t ThreadCpuNs();

// Where a symbolic link points, ended by a null. False if there is none, or it does not fit.
bool ReadLink(const char* path, char* text, size_t room);
template <size_t N>
bool ReadLink(const char* path, char (&text)[N]) {
  return ReadLink(path, text, N);
}

// True if the kernel makes huge pages without being asked (transparent_hugepage/enabled is "always"). Opens a file.
bool HugePagesUnasked();

// True while the process surely has no thread but the caller (glibc's own flag); false when unknown.
bool SingleThreaded();
bool KnowsThreads();  // false: SingleThreaded is never true (musl has no such flag)

// Writes to a file descriptor; nothing happens if it is closed. Preserves errno.
void WriteAll(int fd, const char* text, size_t length);

// Blocks a signal on the calling thread, by a raw system call: pthread_sigmask is interposable.
void BlockSignal(int signal);

// A second descriptor for what `fd` refers to, out of the way of the program's; -1: refused. StillOpen: whether a descriptor kept so is
// still what it was, and not something that the program opened in its place.
struct KeptFd {
  int fd = -1;
  uint64_t device = 0, inode = 0;
};
KeptFd KeepFd(int fd);
bool StillOpen(const KeptFd& kept);

// As pthread_atfork.
void RegisterForkHandlers(void (*prepare)(), void (*parent)(), void (*child)());

// By a raw system call: libc may have an older process's in mind.
uint64_t ProcessId();

// Memory that others can read through /proc/<pid>/fd, and nobody but this mapping can write; `name` is what its link there shows. Null: refused.
// `fd` is out of the way of the program's.
void* MapPublished(const char* name, size_t bytes, KeptFd& fd);
// In a fork child: the parent's is not ours to write.
void ForgetPublished(void* at, size_t bytes, const KeptFd& fd);

// True if every running thread of the process passed a full barrier between call and return; false if the kernel cannot.
bool MemoryBarrierAllThreads();

}  // namespace xalloc::os
