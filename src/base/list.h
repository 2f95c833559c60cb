// SPDX-License-Identifier: MIT
// list.h: a doubly linked list through two members of its elements.
//
//   Owns     its head; never the elements
//   Used by  slab lists, hugepage lists, the list of thread caches
//   Never    allocates
// One pointer, for there are thousands of lists. Invariants: I1 an element is in at most one list through the same pair of members.
// I2 the last one's next is null, and the first one's prev is the last one.
#pragma once

#include <stddef.h>

namespace xalloc {

template <class T, T* T::*Next, T* T::*Prev>
class List {
 public:
  constexpr List() = default;
  bool empty() const { return head_ == nullptr; }
  T* front() const { return head_; }
  T* back() const { return head_ != nullptr ? head_->*Prev : nullptr; }
  static T* NextOf(const T* e) { return e->*Next; }

  void PushFront(T* e) {
    T* const last = head_ != nullptr ? head_->*Prev : e;
    e->*Next = head_;
    if (head_ != nullptr) head_->*Prev = e;
    e->*Prev = last;
    head_ = e;
  }
  void PushBack(T* e) {
    T* const first = head_ != nullptr ? head_ : e;
    e->*Next = nullptr;
    if (head_ != nullptr) head_->*Prev->*Next = e;
    e->*Prev = first->*Prev;
    first->*Prev = e;
    head_ = first;
  }
  void Remove(T* e) {
    T* const next = e->*Next;
    T* const prev = e->*Prev;
    (e == head_ ? head_ : prev->*Next) = next;
    // Who comes after it, or, if it was the last, the first.
    if (T* const after = next != nullptr ? next : head_; after != nullptr) after->*Prev = prev;
    e->*Next = e->*Prev = nullptr;
  }
  T* PopFront() {
    T* e = head_;
    if (e != nullptr) Remove(e);
    return e;
  }

 private:
  T* head_ = nullptr;
};

}  // namespace xalloc
