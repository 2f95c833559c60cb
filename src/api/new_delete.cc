// SPDX-License-Identifier: MIT
// new_delete.cc: the replaceable operators of C++ (8 new, 12 delete), all in one place so that a program that replaces only some
// gets ours for the rest. The only file that may throw.
//
// The library does not link libstdc++: a C program must not get it loaded. The throw and the handler are reached through weak
// references, and, where those are null because the C++ library came later with a plugin, by looking into what the caller sees.
//
// All operators are weak: a program linked with the archive may define some of them itself.
#include <dlfcn.h>

#include "api/whole.h"
#include "cache/fast_path.h"

// What the compiler itself refers to for try and catch: weak, for programs without a C++ runtime.
asm(".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n.weak _Unwind_Resume\n.weak _ZSt9terminatev");

extern "C" [[gnu::weak]] int __gxx_personality_v0(...);

namespace std {
struct nothrow_t;
enum class align_val_t : size_t {};
using new_handler = void (*)();
[[gnu::weak]] new_handler get_new_handler() noexcept;
[[noreturn, gnu::weak]] void __throw_bad_alloc();
}  // namespace std

void* operator new(size_t n, const std::nothrow_t& tag) noexcept;
void* operator new(size_t n, std::align_val_t alignment, const std::nothrow_t& tag) noexcept;

namespace xalloc {
namespace {

XALLOC_COLD void* LookIn(const char* library_name, const char* symbol) {
  void* library = dlopen(library_name, RTLD_NOLOAD | RTLD_LAZY);
  if (library == nullptr) return nullptr;
  void* found = dlsym(library, symbol);
  dlclose(library);  // it stays: the caller is in it or needs it
  return found;
}

// `symbol` in the C++ runtime that the code at `caller` uses: in its own library or what that depends on; else in one that is
// loaded. Null: there is none, or it is `ours`.
XALLOC_COLD void* InCppRuntime(const char* symbol, const void* caller, const void* ours = nullptr) {
  static constexpr const char* kRuntimes[] = {nullptr, "libstdc++.so.6", "libc++.so.1", "libc++abi.so.1"};
  Dl_info info = {};
  for (const char* name : kRuntimes) {
    if (name == nullptr && (dladdr(caller, &info) == 0 || (name = info.dli_fname) == nullptr)) continue;
    if (void* found = LookIn(name, symbol); found != nullptr && found != ours) return found;
  }
  return nullptr;
}

std::new_handler CurrentHandler(const void* caller) {
  using Getter = std::new_handler (*)();
  Getter getter = &std::get_new_handler;
  if (getter == nullptr) getter = reinterpret_cast<Getter>(InCppRuntime("_ZSt15get_new_handlerv", caller));
  return getter != nullptr ? getter() : nullptr;
}

[[noreturn]] void ThrowBadAlloc(size_t size, const void* caller) {
  if (g_options.xmalloc != 0) ReportOutOfMemory(size);
  using Thrower = void (*)();
  Thrower thrower = &std::__throw_bad_alloc;
  if (thrower == nullptr) thrower = reinterpret_cast<Thrower>(InCppRuntime("_ZSt17__throw_bad_allocv", caller));
  if (thrower != nullptr) thrower();
  Panic("operator new failed, and no C++ runtime is loaded to throw, see docs/errors.md#bad-alloc");
}

// Asks the handler for memory until there is some, or there is no handler.
XALLOC_COLD void* TryHandlers(size_t size, size_t alignment, const void* caller) {
  for (;;) {
    std::new_handler handler = CurrentHandler(caller);
    if (handler == nullptr) return nullptr;
    handler();
    void* p = alignment == 0 ? Malloc(size) : MallocAligned(size, alignment, false);
    if (p != nullptr) return p;
  }
}

XALLOC_NOINLINE void* NewSlow(size_t size) {
  void* p = MallocSlow(size);
  if (XALLOC_LIKELY(p != nullptr)) return p;
  const void* caller = __builtin_return_address(0);  // this is a tail call
  p = TryHandlers(size, 0, caller);
  if (p == nullptr) ThrowBadAlloc(size, caller);
  return p;
}

XALLOC_INLINE void* New(size_t size) { XALLOC_TAIL_CALL return AllocateOr<NewSlow>(size); }

void* NewAligned(size_t size, std::align_val_t alignment, const void* caller) {
  const auto align = static_cast<size_t>(alignment);
  void* p = MallocAligned(size, align, false);
  if (XALLOC_LIKELY(p != nullptr)) return p;
  p = TryHandlers(size, align, caller);
  if (p == nullptr) ThrowBadAlloc(size, caller);
  return p;
}

// True if what follows in this file can catch an exception: the C++ runtime was there when we were loaded.
bool CanCatch() {
  auto* personality = &__gxx_personality_v0;
  asm("" : "+r"(personality));  // clang takes it for granted that the personality of this file's functions exists
  return personality != nullptr;
}

// A handler may throw; nothrow forms turn that into null.
void* NewNothrow(size_t size, const std::nothrow_t& tag, const void* caller) noexcept {
  void* p = Malloc(size);
  if (XALLOC_LIKELY(p != nullptr)) return p;
  if (!CanCatch()) {
    // The runtime's own form can: it calls the throwing form, which is ours.
    using Form = void* (*)(size_t, const std::nothrow_t&);
    Form form = &operator new;
    form = reinterpret_cast<Form>(InCppRuntime("_ZnwmRKSt9nothrow_t", caller, reinterpret_cast<void*>(form)));
    return form != nullptr ? form(size, tag) : nullptr;
  }
  try {
    return TryHandlers(size, 0, caller);
  } catch (...) {
    return nullptr;
  }
}

void* NewAlignedNothrow(size_t size, std::align_val_t alignment, const std::nothrow_t& tag, const void* caller) noexcept {
  const auto align = static_cast<size_t>(alignment);
  void* p = MallocAligned(size, align, false);
  if (XALLOC_LIKELY(p != nullptr)) return p;
  if (!CanCatch()) {
    using Form = void* (*)(size_t, std::align_val_t, const std::nothrow_t&);
    Form form = &operator new;
    form = reinterpret_cast<Form>(InCppRuntime("_ZnwmSt11align_val_tRKSt9nothrow_t", caller, reinterpret_cast<void*>(form)));
    return form != nullptr ? form(size, alignment, tag) : nullptr;
  }
  try {
    return TryHandlers(size, align, caller);
  } catch (...) {
    return nullptr;
  }
}

}  // namespace
}  // namespace xalloc

#define XALLOC_OPERATOR [[gnu::visibility("default"), gnu::weak]]
#define XALLOC_CALLER __builtin_return_address(0)

XALLOC_OPERATOR XALLOC_HOT void* operator new(size_t n) { XALLOC_TAIL_CALL return xalloc::New(n); }
XALLOC_OPERATOR XALLOC_HOT void* operator new[](size_t n) { XALLOC_TAIL_CALL return xalloc::New(n); }
XALLOC_OPERATOR void* operator new(size_t n, const std::nothrow_t& t) noexcept { return xalloc::NewNothrow(n, t, XALLOC_CALLER); }
XALLOC_OPERATOR void* operator new[](size_t n, const std::nothrow_t& t) noexcept { return xalloc::NewNothrow(n, t, XALLOC_CALLER); }
XALLOC_OPERATOR void* operator new(size_t n, std::align_val_t a) { return xalloc::NewAligned(n, a, XALLOC_CALLER); }
XALLOC_OPERATOR void* operator new[](size_t n, std::align_val_t a) { return xalloc::NewAligned(n, a, XALLOC_CALLER); }
XALLOC_OPERATOR void* operator new(size_t n, std::align_val_t a, const std::nothrow_t& t) noexcept {
  return xalloc::NewAlignedNothrow(n, a, t, XALLOC_CALLER);
}
XALLOC_OPERATOR void* operator new[](size_t n, std::align_val_t a, const std::nothrow_t& t) noexcept {
  return xalloc::NewAlignedNothrow(n, a, t, XALLOC_CALLER);
}

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
