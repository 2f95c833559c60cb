// SPDX-License-Identifier: MIT
// list.h: a doubly linked list through two members of its elements.
//
//   Owns     the head and tail; never the elements
//   Used by  slab lists, hugepage lists, the list of thread caches
//   Never    allocates
// Invariants: I1 an element is in at most one list through the same pair of members. I2 head's prev and tail's next are null.
#pragma once

#include <stddef.h>

namespace xalloc {

template <class T, T* T::*Next, T* T::*Prev>
class List {
 public:
  constexpr List() = default;
  bool empty() const { return head_ == nullptr; }
  T* front() const { return head_; }
  T* back() const { return tail_; }
  static T* NextOf(const T* e) { return e->*Next; }

  void PushFront(T* e) {
    e->*Prev = nullptr;
    e->*Next = head_;
    (head_ != nullptr ? head_->*Prev : tail_) = e;
    head_ = e;
  }
  void PushBack(T* e) {
    e->*Next = nullptr;
    e->*Prev = tail_;
    (tail_ != nullptr ? tail_->*Next : head_) = e;
    tail_ = e;
  }
  void Remove(T* e) {
    T* next = e->*Next;
    T* prev = e->*Prev;
    (prev != nullptr ? prev->*Next : head_) = next;
    (next != nullptr ? next->*Prev : tail_) = prev;
    e->*Next = e->*Prev = nullptr;
  }
  T* PopFront() {
    T* e = head_;
    if (e != nullptr) Remove(e);
    return e;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
};

}  // namespace xalloc
