// SPDX-License-Identifier: MIT
#include "arena/address_map.h"

namespace xalloc {
namespace {
using MapGuard = os::Guard<os::Rank::kAddresses>;
constexpr unsigned kPatience = 64;  // looks at a version that a writer keeps moving
}  // namespace

// The number of rows that begin at or before `at`.
uint32_t AddressMap::UpperBound(const Table* table, uint32_t count, uintptr_t at) {
  uint32_t low = 0, high = count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (table->rows[middle].begin.Acquire() <= at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool AddressMap::SearchOnce(uintptr_t at, void** found) const {
  const uint32_t version = version_.Acquire();
  if ((version & 1) != 0) return false;
  const Table* table = table_.Acquire();
  *found = nullptr;
  if (table == nullptr) return version_.Relaxed() == version;
  const uint32_t n = UpperBound(table, Min(count_.Acquire(), table->capacity), at);
  if (n != 0 && at < table->rows[n - 1].end.Acquire()) *found = table->rows[n - 1].value.Acquire();
  return version_.Relaxed() == version;
}

void* AddressMap::Search(uintptr_t at) {
  void* found = nullptr;
  for (unsigned i = 0; i < kPatience; ++i) {
    if (XALLOC_LIKELY(SearchOnce(at, &found))) return found;
    arch::SpinHint();
  }
  MapGuard guard(lock_);
  SearchOnce(at, &found);
  return found;
}

void AddressMap::CopyRow(Row& to, const Row& from) {
  to.begin.SetRelease(from.begin.Relaxed());
  to.end.SetRelease(from.end.Relaxed());
  to.value.SetRelease(from.value.Relaxed());
}

// A table with room for one more row at least; false: no memory. The one that was is given up: twice the memory in all, at most.
bool AddressMap::MakeRoom() {
  lock_.Acquire(os::Rank::kAddresses);
  const Table* old = table_.Relaxed();
  const uint32_t capacity = old == nullptr ? 0 : old->capacity;
  const bool enough = count_.Relaxed() < capacity;
  lock_.Release(os::Rank::kAddresses);
  if (enough) return true;
  const uint32_t more = capacity == 0 ? kFirst : capacity * 2;
  auto* table = static_cast<Table*>(meta_.Allocate(sizeof(Table) + more * sizeof(Row)));
  if (table == nullptr) return false;
  table->capacity = more;
  MapGuard guard(lock_);
  // Somebody else may have made it larger meanwhile: then this one is of no use, and too rarely so to be given back.
  if (table_.Relaxed() != old) return true;
  for (uint32_t i = 0; i < count_.Relaxed(); ++i) CopyRow(table->rows[i], old->rows[i]);
  table_.SetRelease(table);
  return true;
}

AddressMap::Inserted AddressMap::Insert(const void* begin, size_t bytes, void* value) {
  const auto first = reinterpret_cast<uintptr_t>(begin);
  for (;;) {
    if (!MakeRoom()) return Inserted::kNoMemory;
    MapGuard guard(lock_);
    // Others may have filled it meanwhile.
    if (count_.Relaxed() < table_.Relaxed()->capacity) return InsertLocked(first, first + bytes, value);
  }
}

AddressMap::Inserted AddressMap::InsertLocked(uintptr_t begin, uintptr_t end, void* value) {
  Table* table = table_.Relaxed();
  const uint32_t count = count_.Relaxed();
  const uint32_t at = UpperBound(table, count, begin);
  if (at != 0 && table->rows[at - 1].end.Relaxed() > begin) return Inserted::kOverlaps;
  if (at != count && table->rows[at].begin.Relaxed() < end) return Inserted::kOverlaps;
  version_.SetRelease(version_.Relaxed() + 1);
  for (uint32_t i = count; i > at; --i) CopyRow(table->rows[i], table->rows[i - 1]);
  table->rows[at].begin.SetRelease(begin);
  table->rows[at].end.SetRelease(end);
  table->rows[at].value.SetRelease(value);
  count_.SetRelease(count + 1);
  version_.SetRelease(version_.Relaxed() + 1);
  return Inserted::kDone;
}

void* AddressMap::Remove(const void* begin) {
  MapGuard guard(lock_);
  Table* table = table_.Relaxed();
  const uint32_t count = count_.Relaxed();
  if (count == 0) return nullptr;
  const uint32_t at = UpperBound(table, count, reinterpret_cast<uintptr_t>(begin));
  if (at == 0 || table->rows[at - 1].begin.Relaxed() != reinterpret_cast<uintptr_t>(begin)) return nullptr;
  void* const value = table->rows[at - 1].value.Relaxed();
  version_.SetRelease(version_.Relaxed() + 1);
  for (uint32_t i = at; i < count; ++i) CopyRow(table->rows[i - 1], table->rows[i]);
  count_.SetRelease(count - 1);
  version_.SetRelease(version_.Relaxed() + 1);
  return value;
}

}  // namespace xalloc
