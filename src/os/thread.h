// SPDX-License-Identifier: MIT
// thread.h: a thread of our own, and sleeping until there is something to do.
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "base/atomic.h"

namespace xalloc::os {

// Runs run() in a thread that nobody waits for: small stack, every signal blocked but those that libc sends itself. False: refused. libc
// allocates for it through malloc, so the caller holds no lock. Preserves errno.
bool StartThread(void (*run)());
// Undoes the blocking of signals, for a thread of ours that ends as the last one of the process: handlers of its exit run there.
void UnblockSignals();
// Whether the calling thread was started by StartThread.
bool InOwnThread();
// What StartThread starts threads with, if it is not what the linker finds under pthread_create's name.
using CreateThread = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
void SetCreateThread(CreateThread create);
// The calling thread, as debuggers and top show it.
void NameThread(const char* name);

// Until `word` is not `value`, somebody calls Wake, or `ms` have passed.
void SleepOn(Atomic<uint32_t>& word, uint32_t value, uint64_t ms);
void Wake(Atomic<uint32_t>& word);

}  // namespace xalloc::os
