// SPDX-License-Identifier: MIT
// The extent hooks of arenas that bring none: mappings of their own. A program may copy the struct, replace some of it and chain to the
// rest; so none of these touches, by unmapping it, what did not come from here.
#include <xalloc/xalloc.h>

#include "arena/address_map.h"
#include "arena/manual_arena.h"
#include "os/system.h"

namespace xalloc {
namespace {

constinit AddressMap g_mappings{g_meta};  // what we mapped -> its bytes

const os::PageOps& Pages() { return os::kKernelPages; }
char* At(void* addr, size_t offset) { return static_cast<char*>(addr) + offset; }

// In whole pages, and not nothing: of a program that calls these itself.
bool IsRange(const void* at, size_t bytes) { return bytes != 0 && IsAligned(at, os::PageSize()) && IsAligned(bytes, os::PageSize()); }

void* MapAt(void* at, size_t bytes) {
  void* got = Pages().reserve(at, bytes);
  if (got == nullptr) return nullptr;
  if (got == at && Pages().commit(got, bytes)) return got;
  Pages().unmap(got, bytes);
  return nullptr;
}

void* MapAligned(size_t bytes, size_t alignment) {
  const size_t slack = alignment > os::PageSize() ? alignment - os::PageSize() : 0;
  if (slack > PTRDIFF_MAX - bytes) return nullptr;
  auto* mapping = static_cast<char*>(Pages().map(bytes + slack));
  if (mapping == nullptr) return nullptr;
  auto* at = reinterpret_cast<char*>(AlignUp(reinterpret_cast<uintptr_t>(mapping), Max(alignment, os::PageSize())));
  const auto head = static_cast<size_t>(at - mapping);
  if (head != 0) Pages().unmap(mapping, head);
  if (slack != head) Pages().unmap(at + bytes, slack - head);
  return at;
}

void* Alloc(extent_hooks_t*, void* new_addr, size_t bytes, size_t alignment, bool* zero, bool* commit, unsigned) {
  if (!IsRange(new_addr, bytes) || bytes > PTRDIFF_MAX || !IsPowerOfTwo(alignment)) return nullptr;
  void* at = new_addr != nullptr ? MapAt(new_addr, bytes) : MapAligned(bytes, alignment);
  if (at == nullptr) return nullptr;
  // Of a mapping that the program has unmapped by itself: the address is ours anew.
  if (g_mappings.Find(at) != nullptr) g_mappings.Remove(at);
  if (g_mappings.Insert(at, bytes, reinterpret_cast<void*>(bytes)) != AddressMap::Inserted::kDone) {
    Pages().unmap(at, bytes);
    return nullptr;
  }
  *zero = *commit = true;
  return at;
}

bool Dalloc(extent_hooks_t*, void* addr, size_t bytes, bool, unsigned) {
  if (!IsRange(addr, bytes) || g_mappings.Find(addr) != reinterpret_cast<void*>(bytes) || g_mappings.Remove(addr) == nullptr) return true;
  Pages().unmap(addr, bytes);
  return false;
}

void Destroy(extent_hooks_t* hooks, void* addr, size_t bytes, bool committed, unsigned arena) { Dalloc(hooks, addr, bytes, committed, arena); }

bool Commit(extent_hooks_t*, void* addr, size_t, size_t offset, size_t length, unsigned) {
  return !IsRange(At(addr, offset), length) || !Pages().commit(At(addr, offset), length);
}
bool Decommit(extent_hooks_t*, void*, size_t, size_t, size_t, unsigned) { return true; }
bool PurgeLazy(extent_hooks_t*, void* addr, size_t, size_t offset, size_t length, unsigned) {
  return !IsRange(At(addr, offset), length) || !Pages().offer(At(addr, offset), length);
}
bool PurgeForced(extent_hooks_t*, void* addr, size_t, size_t offset, size_t length, unsigned) {
  return !IsRange(At(addr, offset), length) || !Pages().purge(At(addr, offset), length);
}
bool Split(extent_hooks_t*, void*, size_t, size_t, size_t, bool, unsigned) { return false; }
bool Merge(extent_hooks_t*, void* a, size_t bytes, void* b, size_t, bool, unsigned) { return At(a, bytes) != b; }

constinit const extent_hooks_t g_default = {Alloc, Dalloc, Destroy, Commit, Decommit, PurgeLazy, PurgeForced, Split, Merge};

}  // namespace

const extent_hooks_t* DefaultExtentHooks() { return &g_default; }
os::Lock& DefaultHooksLock() { return g_mappings.lock(); }

}  // namespace xalloc
