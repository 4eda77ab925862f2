// float and double as scalars: the reference as an engine.
#pragma once

#include <cmath>
#include <concepts>
#include <limits>

#include "engine/scalars/constants.h"
#include "engine/scalars/scalar.h"

namespace gradproof {

using std::abs;
using std::acos;
using std::acosh;
using std::asin;
using std::asinh;
using std::atan;
using std::atan2;
using std::atanh;
using std::cos;
using std::cosh;
using std::erf;
using std::erfc;
using std::exp;
using std::exp2;
using std::expm1;
using std::hypot;
using std::log;
using std::log10;
using std::log1p;
using std::log2;
using std::pow;
using std::sin;
using std::sinh;
using std::sqrt;
using std::tan;
using std::tanh;

// Concepts rather than plain overloads: a formula must not convert between the two by accident.
template <class T>
concept Native = std::same_as<T, float> || std::same_as<T, double>;

template <Native T>
Truth less(T a, T b) {
  return truth(a < b);
}
template <Native T>
Truth less(T a, int b) {
  return truth(a < static_cast<T>(b));
}
template <Native T>
Truth less(int a, T b) {
  return truth(static_cast<T>(a) < b);
}
template <Native T>
Truth equal(T a, T b) {
  return truth(a == b);
}
template <Native T>
Truth equal(T a, int b) {
  return truth(a == static_cast<T>(b));
}
template <Native T>
T select(Truth which, T a, T b) {
  return which == Truth::yes ? a : b;
}
template <Native T>
T maximum(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
  return a < b ? b : a;
}
template <Native T>
T minimum(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
  return b < a ? b : a;
}
// std::pow(float, int) is a double.
template <Native T>
T pow(T a, int b) {
  return std::pow(a, static_cast<T>(b));
}
template <Native T>
T intersect(T a, int, int) {
  return a;
}

template <Native T>
constexpr T literal(T, Decimal decimal) {
  if constexpr (std::same_as<T, float>) {
    return decimal.f32;
  } else {
    return decimal.f64;
  }
}
template <class Tag, Native T>
constexpr T constant(T) {
  if constexpr (std::same_as<T, float>) {
    return Tag::f32;
  } else {
    return Tag::f64;
  }
}

template <Native T>
struct NativeScalar {
  using Dtype = T;
  static constexpr bool is_ball = false;
  static T leaf(double value) { return static_cast<T>(value); }
  static T argument(double value) { return static_cast<T>(value); }
  static T materialize(T value) { return value; }
  static T integer(int value) { return static_cast<T>(value); }
  static double to_double(T value) { return static_cast<double>(value); }
};
template <>
struct Scalar<float> : NativeScalar<float> {};
template <>
struct Scalar<double> : NativeScalar<double> {};

}  // namespace gradproof
