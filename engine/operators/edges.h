// The edges of domains, where nothing is known.
#pragma once

#include "engine/composite.h"

namespace gradproof {

// 1, and nothing known where x may be 0 or less.
template <class T>
Var<T> known_off_zero(const Var<T>& x) {
  Tape<T>& tape = x.tape();
  const Tensor<T> size = tape.contiguous(x.value());
  const Tensor<T> out = tape.allocate(Kind::real, size.sizes());
  for (Index i = 0; i < out.numel; ++i) {
    const bool certain = !HasHull<T> || less(0, size.real()[i]) == Truth::yes;
    out.real()[i] = certain ? Scalar<T>::leaf(1) : no_answer<T>(Unbounded::domain);
  }
  branch.met = false;
  return tape.constant(out);
}

}  // namespace gradproof
