// Functions that several formulas share because the obvious way to write them overflows or cancels.
#pragma once

#include "engine/formula.h"

namespace gradproof {

// An intermediate result as an element of a tensor: beyond the dtype's range it certainly is an infinity.
// It tells formulas of engines that go on with that infinity, 1 / (1 + e^-x) being 0 where e^-x overflows.
template <class T>
requires requires { Scalar<T>::integer(0); }
T stored(const T& x) { return Scalar<T>::materialize(x); }
template <class T>
Var<T> stored(const Var<T>& x) {
  return x;
}
inline Probe stored(Probe x) { return x; }

// 1 / (1 + e^-x), without overflow and accurate in both tails. On a tape it is an operator of its own, so
// that formulas written in it are smooth: its branches are two ways to compute one function.
template <class T>
requires requires { Scalar<T>::integer(0); }
T sigmoid(const T& x) {
  const Branch outer = branch;
  branch = Branch{};
  const T e = exp(-abs(x));
  const T whole = 1 + e;
  const Truth negative = less(x, 0);
  T y = negative == Truth::yes ? e / whole : negative == Truth::no ? 1 / whole : select(negative, e / whole, 1 / whole);
  branch = outer;
  return y;
}
template <class T>
Var<T> sigmoid(const Var<T>& x) {
  return x.tape().call(Basic::sigmoid, {x});
}
inline Probe sigmoid(Probe x) { return x; }

// σ'(x) = σ(x) σ(-x) = e^-|x| / (1 + e^-|x|)²
template <class T>
requires requires { Scalar<T>::integer(0); }
T sigmoid_slope(const T& x) {
  const T e = exp(-abs(x));
  const T whole = 1 + e;
  return e / (whole * whole);
}
template <class T>
Var<T> sigmoid_slope(const Var<T>& x) {
  return sigmoid(x) * sigmoid(-x);
}
inline Probe sigmoid_slope(Probe x) { return x; }

// 1 / (1 + e^-x) as engines compute it: 0 where e^-x overflows.
template <class T>
requires requires { Scalar<T>::integer(0); }
T plain_sigmoid(const T& x) { return 1 / (1 + stored(exp(-x))); }
template <class T>
Var<T> plain_sigmoid(const Var<T>& x) {
  return sigmoid(x);
}
inline Probe plain_sigmoid(Probe x) { return x; }

}  // namespace gradproof
