// SPDX-License-Identifier: MIT
// new_delete.cc: the replaceable operators of C++ (8 new, 12 delete), all in one place so that a program that replaces only some
// gets ours for the rest. The only file that may throw.
//
// The library does not link libstdc++: a C program must not get it loaded. The throw and the handler are reached through weak
// references, and, where those are null because the C++ library came later with a plugin, by looking into what is loaded.
#include <dlfcn.h>

#include "cache/fast_path.h"

// What the compiler itself refers to for try and catch: weak, for programs without a C++ runtime.
asm(".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n.weak _Unwind_Resume\n.weak _ZSt9terminatev");

namespace std {
struct nothrow_t;
enum class align_val_t : size_t {};
using new_handler = void (*)();
[[gnu::weak]] new_handler get_new_handler() noexcept;
[[noreturn, gnu::weak]] void __throw_bad_alloc();
}  // namespace std

namespace xalloc {
namespace {

// `symbol` in the C++ runtime of the process, if it has one.
XALLOC_COLD void* InCppRuntime(const char* symbol) {
  static constexpr const char* kRuntimes[] = {"libstdc++.so.6", "libc++.so.1", "libc++abi.so.1"};
  for (const char* name : kRuntimes) {
    void* library = dlopen(name, RTLD_NOLOAD | RTLD_LAZY);
    void* found = library != nullptr ? dlsym(library, symbol) : nullptr;
    if (found != nullptr) return found;
  }
  return nullptr;
}

std::new_handler CurrentHandler() {
  using Getter = std::new_handler (*)();
  Getter getter = &std::get_new_handler;
  if (getter == nullptr) getter = reinterpret_cast<Getter>(InCppRuntime("_ZSt15get_new_handlerv"));
  return getter != nullptr ? getter() : nullptr;
}

[[noreturn]] void ThrowBadAlloc(size_t size) {
  if (g_options.xmalloc != 0) ReportOutOfMemory(size);
  using Thrower = void (*)();
  Thrower thrower = &std::__throw_bad_alloc;
  if (thrower == nullptr) thrower = reinterpret_cast<Thrower>(InCppRuntime("_ZSt17__throw_bad_allocv"));
  if (thrower != nullptr) thrower();
  Panic("operator new failed, and no C++ runtime is loaded to throw, see docs/errors.md#bad-alloc");
}

// Asks the handler for memory until there is some, or there is no handler.
XALLOC_COLD void* TryHandlers(size_t size, size_t alignment) {
  for (;;) {
    std::new_handler handler = CurrentHandler();
    if (handler == nullptr) return nullptr;
    handler();
    void* p = alignment == 0 ? Malloc(size) : MallocAligned(size, alignment, false);
    if (p != nullptr) return p;
  }
}

XALLOC_NOINLINE void* NewSlow(size_t size) {
  void* p = MallocSlow(size);
  if (XALLOC_LIKELY(p != nullptr)) return p;
  p = TryHandlers(size, 0);
  if (p == nullptr) ThrowBadAlloc(size);
  return p;
}

XALLOC_INLINE void* New(size_t size) { return AllocateOr<NewSlow>(size); }

void* NewAligned(size_t size, std::align_val_t alignment) {
  const auto align = static_cast<size_t>(alignment);
  void* p = MallocAligned(size, align, false);
  if (XALLOC_LIKELY(p != nullptr)) return p;
  p = TryHandlers(size, align);
  if (p == nullptr) ThrowBadAlloc(size);
  return p;
}

// A handler may throw; nothrow forms turn that into null.
void* NewNothrow(size_t size) noexcept {
  void* p = Malloc(size);
  if (XALLOC_LIKELY(p != nullptr)) return p;
  try {
    return TryHandlers(size, 0);
  } catch (...) {
    return nullptr;
  }
}

void* NewAlignedNothrow(size_t size, std::align_val_t alignment) noexcept {
  const auto align = static_cast<size_t>(alignment);
  void* p = MallocAligned(size, align, false);
  if (XALLOC_LIKELY(p != nullptr)) return p;
  try {
    return TryHandlers(size, align);
  } catch (...) {
    return nullptr;
  }
}

}  // namespace
}  // namespace xalloc

#define XALLOC_OPERATOR [[gnu::visibility("default")]]

XALLOC_OPERATOR XALLOC_HOT void* operator new(size_t n) { return xalloc::New(n); }
XALLOC_OPERATOR XALLOC_HOT void* operator new[](size_t n) { return xalloc::New(n); }
XALLOC_OPERATOR void* operator new(size_t n, const std::nothrow_t&) noexcept { return xalloc::NewNothrow(n); }
XALLOC_OPERATOR void* operator new[](size_t n, const std::nothrow_t&) noexcept { return xalloc::NewNothrow(n); }
XALLOC_OPERATOR void* operator new(size_t n, std::align_val_t a) { return xalloc::NewAligned(n, a); }
XALLOC_OPERATOR void* operator new[](size_t n, std::align_val_t a) { return xalloc::NewAligned(n, a); }
XALLOC_OPERATOR void* operator new(size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return xalloc::NewAlignedNothrow(n, a); }
XALLOC_OPERATOR void* operator new[](size_t n, std::align_val_t a, const std::nothrow_t&) noexcept { return xalloc::NewAlignedNothrow(n, a); }

XALLOC_OPERATOR XALLOC_HOT void operator delete(void* p) noexcept { xalloc::Free(p); }
XALLOC_OPERATOR XALLOC_HOT void operator delete[](void* p) noexcept { xalloc::Free(p); }
XALLOC_OPERATOR XALLOC_HOT void operator delete(void* p, size_t n) noexcept { xalloc::FreeSized(p, n); }
XALLOC_OPERATOR XALLOC_HOT void operator delete[](void* p, size_t n) noexcept { xalloc::FreeSized(p, n); }
XALLOC_OPERATOR void operator delete(void* p, const std::nothrow_t&) noexcept { xalloc::Free(p); }
XALLOC_OPERATOR void operator delete[](void* p, const std::nothrow_t&) noexcept { xalloc::Free(p); }
XALLOC_OPERATOR void operator delete(void* p, std::align_val_t) noexcept { xalloc::Free(p); }
XALLOC_OPERATOR void operator delete[](void* p, std::align_val_t) noexcept { xalloc::Free(p); }
XALLOC_OPERATOR void operator delete(void* p, size_t, std::align_val_t) noexcept { xalloc::Free(p); }
XALLOC_OPERATOR void operator delete[](void* p, size_t, std::align_val_t) noexcept { xalloc::Free(p); }
XALLOC_OPERATOR void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { xalloc::Free(p); }
XALLOC_OPERATOR void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { xalloc::Free(p); }
