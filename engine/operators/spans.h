// Between which numbers a scalar lies: for rules that look at the place of a number, not at its value.
#pragma once

#include <cmath>

#include "engine/operators/rules.h"

namespace gradproof {

struct Span {
  double low;
  double high;

  bool bounded() const { return low >= -0x1p40 && high <= 0x1p40; }
};

inline Span span_of(long double mid, long double rad) {
  const auto nearest = static_cast<double>(mid);
  if (rad == 0 && static_cast<long double>(nearest) == mid) return {nearest, nearest};
  return {std::nextafter(static_cast<double>(mid - rad), -infinity),
          std::nextafter(static_cast<double>(mid + rad), infinity)};
}
template <class T>
Span span_of(const T& x) {
  if constexpr (requires { x.mid; }) {
    return span_of(static_cast<long double>(x.mid), static_cast<long double>(x.rad));
  } else if constexpr (requires { x.enclosure(); }) {
    const auto ball = x.enclosure();
    return span_of(static_cast<long double>(ball.mid), static_cast<long double>(ball.rad));
  } else {
    return {Scalar<T>::to_double(x), Scalar<T>::to_double(x)};
  }
}

// A number that depends on a choice nobody knows, or on memory nobody wrote.
template <class T>
T nothing_known(Unbounded reason) {
  if constexpr (std::is_same_v<T, Defined>) {
    return Defined{0, false};
  } else {
    return no_answer<T>(reason);
  }
}

// A number that T holds exactly.
template <class T>
T real_number(double x) {
  return Scalar<T>::leaf(x);
}

template <class T>
T hull_where_balls(const T& a, const T& b) {
  if constexpr (HasHull<T>) {
    return hull(a, b);
  } else {
    return a;
  }
}

}  // namespace gradproof
