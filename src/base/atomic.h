// SPDX-License-Identifier: MIT
// atomic.h: a word that several threads read and write, over the compiler's __atomic builtins.
// Why not <atomic>: the library builds where no C++ standard library is installed.
// Names of the orders are in the operation: who writes, who reads and what pairs is said where a word is declared.
#pragma once

namespace xalloc {

template <class T>
class Atomic {
 public:
  constexpr Atomic() = default;
  constexpr explicit Atomic(T value) : value_(value) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T Relaxed() const { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
  T Acquire() const { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }
  // Ordered: one total order with all other ordered operations: what Dekker-like protocols need.
  T Ordered() const { return __atomic_load_n(&value_, __ATOMIC_SEQ_CST); }
  void SetRelaxed(T v) { __atomic_store_n(&value_, v, __ATOMIC_RELAXED); }
  void SetRelease(T v) { __atomic_store_n(&value_, v, __ATOMIC_RELEASE); }
  T ExchangeAcquire(T v) { return __atomic_exchange_n(&value_, v, __ATOMIC_ACQUIRE); }
  T ExchangeOrdered(T v) { return __atomic_exchange_n(&value_, v, __ATOMIC_SEQ_CST); }
  T ExchangeRelease(T v) { return __atomic_exchange_n(&value_, v, __ATOMIC_RELEASE); }
  T OrRelaxed(T v) { return __atomic_fetch_or(&value_, v, __ATOMIC_RELAXED); }
  T AddOrdered(T v) { return __atomic_fetch_add(&value_, v, __ATOMIC_SEQ_CST); }
  T AddRelaxed(T v) { return __atomic_fetch_add(&value_, v, __ATOMIC_RELAXED); }
  // On failure `expected` holds what was found.
  bool CompareExchangeAcquire(T& expected, T desired) {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
  }
  bool CompareExchangeRelease(T& expected, T desired) {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  }
  bool CompareExchangeOrdered(T& expected, T desired) {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  }
  T* Address() { return &value_; }

 private:
  T value_{};
};

}  // namespace xalloc
