// SPDX-License-Identifier: MIT
// request.h: one access to a leaf, with its types taken care of, as the functions of leaves.cc see it.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xalloc {

// Numbers travel as uint64_t (signed ones sign-extended), strings and pointers as themselves.
struct Request {
  size_t index[2];   // the numbers in the name, in order
  bool reading;      // the caller has room for the value
  bool writing;      // `in` is the new value
  uint64_t in, out;  // `out` is asked for even if it is not wanted
  void* old;         // the caller's room itself

  void SetPointer(const void* p) { out = reinterpret_cast<uintptr_t>(p); }
  template <class T>
  T* InPointer() const {
    return reinterpret_cast<T*>(static_cast<uintptr_t>(in));
  }
};

// Calls the function of a row whose source is Call(...). 0 or an error.
int CallLeaf(unsigned row, Request& request);
// The value of an option, as its present effect.
uint64_t ValueOfOption(unsigned option);

}  // namespace xalloc
