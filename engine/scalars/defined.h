// Does a number depend on memory nobody wrote? Every result that has an unwritten operand is unwritten,
// products with zero too: 0 * x is NaN where x happens to be an infinity.
#pragma once

#include <cmath>

#include "engine/scalars/constants.h"
#include "engine/scalars/native.h"
#include "engine/scalars/scalar.h"

namespace gradproof {

struct Defined {
  double value;
  bool written;
};

template <>
struct Scalar<Defined> {
  using Dtype = double;
  static constexpr bool is_ball = false;
  static Defined leaf(double value) { return {value, true}; }
  static Defined argument(double value) { return {value, true}; }
  static Defined materialize(Defined value) { return value; }
  static Defined integer(int value) { return {static_cast<double>(value), true}; }
  static double to_double(Defined value) { return value.value; }
};

inline Defined operator-(Defined a) { return {-a.value, a.written}; }

#define GRADPROOF_DEFINED_OPERATOR(op)                                                                      \
  inline Defined operator op(Defined a, Defined b) { return {a.value op b.value, a.written && b.written}; } \
  inline Defined operator op(Defined a, int b) { return a op Scalar<Defined>::integer(b); }                 \
  inline Defined operator op(int a, Defined b) { return Scalar<Defined>::integer(a) op b; }
GRADPROOF_DEFINED_OPERATOR(+)
GRADPROOF_DEFINED_OPERATOR(-)
GRADPROOF_DEFINED_OPERATOR(*)
GRADPROOF_DEFINED_OPERATOR(/)
#undef GRADPROOF_DEFINED_OPERATOR

#define GRADPROOF_DEFINED_UNARY(name) \
  inline Defined name(Defined a) { return {std::name(a.value), a.written}; }
GRADPROOF_DEFINED_UNARY(abs)
GRADPROOF_DEFINED_UNARY(sqrt)
GRADPROOF_DEFINED_UNARY(exp)
GRADPROOF_DEFINED_UNARY(exp2)
GRADPROOF_DEFINED_UNARY(expm1)
GRADPROOF_DEFINED_UNARY(log)
GRADPROOF_DEFINED_UNARY(log2)
GRADPROOF_DEFINED_UNARY(log10)
GRADPROOF_DEFINED_UNARY(log1p)
GRADPROOF_DEFINED_UNARY(sin)
GRADPROOF_DEFINED_UNARY(cos)
GRADPROOF_DEFINED_UNARY(tan)
GRADPROOF_DEFINED_UNARY(asin)
GRADPROOF_DEFINED_UNARY(acos)
GRADPROOF_DEFINED_UNARY(atan)
GRADPROOF_DEFINED_UNARY(sinh)
GRADPROOF_DEFINED_UNARY(cosh)
GRADPROOF_DEFINED_UNARY(tanh)
GRADPROOF_DEFINED_UNARY(asinh)
GRADPROOF_DEFINED_UNARY(acosh)
GRADPROOF_DEFINED_UNARY(atanh)
GRADPROOF_DEFINED_UNARY(erf)
GRADPROOF_DEFINED_UNARY(erfc)
#undef GRADPROOF_DEFINED_UNARY

#define GRADPROOF_DEFINED_BINARY(name, from) \
  inline Defined name(Defined a, Defined b) { return {from::name(a.value, b.value), a.written && b.written}; }
GRADPROOF_DEFINED_BINARY(atan2, std)
GRADPROOF_DEFINED_BINARY(hypot, std)
GRADPROOF_DEFINED_BINARY(pow, std)
GRADPROOF_DEFINED_BINARY(maximum, gradproof)
GRADPROOF_DEFINED_BINARY(minimum, gradproof)
#undef GRADPROOF_DEFINED_BINARY
inline Defined pow(Defined a, int b) { return pow(a, Scalar<Defined>::integer(b)); }

inline Truth less(Defined a, Defined b) { return a.written && b.written ? truth(a.value < b.value) : Truth::unknown; }
inline Truth less(Defined a, int b) { return less(a, Scalar<Defined>::integer(b)); }
inline Truth less(int a, Defined b) { return less(Scalar<Defined>::integer(a), b); }
inline Truth equal(Defined a, Defined b) { return a.written && b.written ? truth(a.value == b.value) : Truth::unknown; }
inline Truth equal(Defined a, int b) { return equal(a, Scalar<Defined>::integer(b)); }

// The side not taken does not matter; which one is taken must not rest on unwritten memory.
inline Defined select(Truth which, Defined a, Defined b) {
  if (which == Truth::unknown) return {a.value, false};
  return which == Truth::yes ? a : b;
}
inline Defined intersect(Defined a, int, int) { return a; }
inline Defined literal(Defined, Decimal decimal) { return {decimal.f64, true}; }
template <class Tag>
Defined constant(Defined) {
  return {Tag::f64, true};
}

}  // namespace gradproof
