// SPDX-License-Identifier: MIT
// atomic.h: a word that several threads read and write, over the compiler's __atomic builtins.
// Why not <atomic>: the library builds where no C++ standard library is installed.
// Names of the orders are in the operation: who writes, who reads and what pairs is said where a word is declared.
#pragma once

#include "base/attributes.h"

namespace xalloc {

template <class T>
class Atomic {
 public:
  constexpr Atomic() = default;
  constexpr explicit Atomic(T value) : value_(value) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  XALLOC_INLINE T Relaxed() const { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
  XALLOC_INLINE T Acquire() const { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }
  // Ordered: one total order with all other ordered operations: what Dekker-like protocols need.
  XALLOC_INLINE T Ordered() const { return __atomic_load_n(&value_, __ATOMIC_SEQ_CST); }
  XALLOC_INLINE void SetRelaxed(T v) { __atomic_store_n(&value_, v, __ATOMIC_RELAXED); }
  XALLOC_INLINE void SetRelease(T v) { __atomic_store_n(&value_, v, __ATOMIC_RELEASE); }
  XALLOC_INLINE T ExchangeAcquire(T v) { return __atomic_exchange_n(&value_, v, __ATOMIC_ACQUIRE); }
  XALLOC_INLINE T ExchangeOrdered(T v) { return __atomic_exchange_n(&value_, v, __ATOMIC_SEQ_CST); }
  XALLOC_INLINE T ExchangeRelease(T v) { return __atomic_exchange_n(&value_, v, __ATOMIC_RELEASE); }
  XALLOC_INLINE T OrRelaxed(T v) { return __atomic_fetch_or(&value_, v, __ATOMIC_RELAXED); }
  XALLOC_INLINE T AddOrdered(T v) { return __atomic_fetch_add(&value_, v, __ATOMIC_SEQ_CST); }
  XALLOC_INLINE T AddRelaxed(T v) { return __atomic_fetch_add(&value_, v, __ATOMIC_RELAXED); }
  // On failure `expected` holds what was found.
  XALLOC_INLINE bool CompareExchangeAcquire(T& expected, T desired) {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
  }
  XALLOC_INLINE bool CompareExchangeRelease(T& expected, T desired) {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  }
  XALLOC_INLINE bool CompareExchangeOrdered(T& expected, T desired) {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  }
  XALLOC_INLINE T* Address() { return &value_; }

 private:
  T value_{};
};

}  // namespace xalloc
