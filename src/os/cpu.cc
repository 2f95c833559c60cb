// SPDX-License-Identifier: MIT
#include "os/cpu.h"

#include <stddef.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/attributes.h"
#include "os/system.h"

// glibc >= 2.35 registers an area per thread that the kernel keeps up to date; absent elsewhere.
extern "C" [[gnu::weak]] const ptrdiff_t __rseq_offset;
extern "C" [[gnu::weak]] const unsigned int __rseq_size;

namespace xalloc::os {
namespace {

constexpr unsigned kCpuIdOffset = 4, kMmCidOffset = 24;  // the kernel's struct rseq
constexpr unsigned long kAtRseqFeatureSize = 27;
constexpr uint32_t kMaxCpu = 1024;  // CPUs above share numbers: an arena more or less, never an index out of range

// How to find out, decided at the first call; all racers decide the same, by what does not change: relaxed.
// None is 0: that would lie beside g_dense, on a page that is not touched otherwise.
enum Source : uint32_t { kUnknown = 1, kMmCid, kCpu, kHash };
constinit Atomic<uint32_t> g_source{kUnknown};

// CPU number -> 1 + dense number, in the order in which CPUs are first seen; 0 = not seen. Written by CAS, never changed again; the
// number is all there is to it, so that no order is needed.
constinit Atomic<uint16_t> g_dense[kMaxCpu];
constinit Atomic<uint32_t> g_seen{0};  // relaxed: gives out numbers

uint32_t Field(unsigned offset) {
  return *reinterpret_cast<const volatile uint32_t*>(arch::ThreadPointer() + static_cast<uintptr_t>(__rseq_offset) + offset);
}

XALLOC_COLD uint32_t Decide() {
  uint32_t source = kHash;
  if (&__rseq_size != nullptr && __rseq_size != 0 && static_cast<int32_t>(Field(kCpuIdOffset)) >= 0) {
    source = AuxiliaryValue(kAtRseqFeatureSize) >= kMmCidOffset + 4 ? kMmCid : kCpu;
  }
  g_source.SetRelaxed(source);
  return source;
}

uint32_t Dense(uint32_t cpu) {
  Atomic<uint16_t>& entry = g_dense[cpu % kMaxCpu];
  uint16_t known = entry.Relaxed();
  if (XALLOC_UNLIKELY(known == 0)) {
    const auto next = static_cast<uint16_t>(g_seen.AddRelaxed(1) + 1);
    known = 0;
    if (entry.CompareExchangeAcquire(known, next)) known = next;
  }
  return known - 1u;
}

}  // namespace

uint32_t ConcurrencyId() {
  uint32_t source = g_source.Relaxed();
  if (XALLOC_UNLIKELY(source == kUnknown)) source = Decide();
  if (XALLOC_LIKELY(source == kMmCid)) return Field(kMmCidOffset);
  if (source == kCpu) {
    // As the kernel's concurrency id would be: else a lone thread that hops between CPUs spreads over as many arenas.
    if (SingleThreaded()) return 0;
    const auto cpu = static_cast<int32_t>(Field(kCpuIdOffset));
    if (cpu >= 0) return Dense(static_cast<uint32_t>(cpu));
  }
  return ThreadHash();
}

uint32_t ThreadHash() { return static_cast<uint32_t>((arch::ThreadPointer() >> 12) * 0x9E3779B1u) >> 28; }

}  // namespace xalloc::os
