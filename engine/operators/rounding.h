// Functions that jump: integers near a number, quotients without their fraction, remainders, signs of zeros. On a tape
// each is an operator, found by its name.
#pragma once

#include <cmath>
#include <string_view>

#include "engine/formula.h"

namespace gradproof {

// How a number becomes an integer.
struct Below {
  static constexpr std::string_view op = "floor";
  static constexpr std::string_view quotient = "div.Tensor_mode[floor]";
  template <class F>
  static F of(F x) {
    return std::floor(x);
  }
};
struct Above {
  static constexpr std::string_view op = "ceil";
  template <class F>
  static F of(F x) {
    return std::ceil(x);
  }
};
struct TowardsZero {
  static constexpr std::string_view op = "trunc";
  static constexpr std::string_view quotient = "div.Tensor_mode[trunc]";
  template <class F>
  static F of(F x) {
    return std::trunc(x);
  }
};
// Ties go to the even one.
struct Nearest {
  static constexpr std::string_view op = "round";
  template <class F>
  static F of(F x) {
    return std::nearbyint(x);
  }
};

namespace detail {

template <class T>
concept Number = requires {
  Scalar<T>::integer(0);
};
template <class T>
concept EnclosingNumber = Number<T> && Scalar<T>::is_ball;

template <class T>
Var<T> called(std::string_view name, std::initializer_list<Var<T>> inputs) {
  Tape<T>& tape = inputs.begin()->tape();
  return tape.call(tape.catalogue().named(name), std::span<const Var<T>>(inputs.begin(), inputs.size()));
}

// A single number: its bounds are that number.
template <class T>
bool single(const T& x) {
  return is_exact(x) && x.lower() == x.upper();
}

// All numbers from lo to hi.
template <class T, class F>
T between(F lo, F hi) {
  if constexpr (requires { T::from_bounds(lo, hi); }) {
    return T::from_bounds(lo, hi);
  } else {
    return hull(Scalar<T>::leaf(lo), Scalar<T>::leaf(hi));
  }
}

// Where both ends agree, that integer. Integers so large that a jump is nothing beside them are enclosed, too.
template <class Rounding, class T>
T integer_of(const T& x) {
  if (x.is_anything() || x.is_special()) return x;
  if (!x.in_range()) return Scalar<T>::materialize(x);
  const auto lo = Rounding::of(x.lower());
  const auto hi = Rounding::of(x.upper());
  if (lo == hi && lo == 0 && std::signbit(lo) != std::signbit(hi)) {
    return hull(Scalar<T>::leaf(-0.0), Scalar<T>::leaf(0));
  }
  if (hi - lo > std::fabs(lo) / 1024) return T::anything(Unbounded::jump);
  return between<T>(lo, hi);
}

}  // namespace detail

// --- integers ---

template <class Rounding, class T>
requires std::is_floating_point_v<T> T to_integer(const T& x) { return Rounding::of(x); }
template <class Rounding>
Defined to_integer(Defined x) {
  return {Rounding::of(x.value), x.written};
}
template <class Rounding, detail::EnclosingNumber T>
T to_integer(const T& x) {
  return detail::integer_of<Rounding>(x);
}
template <class Rounding, class T>
Var<T> to_integer(const Var<T>& x) {
  return detail::called(Rounding::op, {x});
}
template <class Rounding>
Probe to_integer(Probe x) {
  return x;
}

// --- x/y without its fraction ---

template <class Rounding, class T>
requires std::is_floating_point_v<T> T whole_quotient(const T& x, const T& y) { return Rounding::of(x / y); }
template <class Rounding>
Defined whole_quotient(Defined x, Defined y) {
  return to_integer<Rounding>(x / y);
}
// A quotient that is an integer is one in every engine.
template <class Rounding, detail::EnclosingNumber T>
T whole_quotient(const T& x, const T& y) {
  if (detail::single(x) && detail::single(y) && y.lower() != 0 && std::fmod(x.lower(), y.lower()) == 0) {
    T quotient = detail::between<T>(x.lower() / y.lower(), x.lower() / y.lower());
    if (quotient.in_range()) return quotient;
  }
  return to_integer<Rounding>(x / y);
}
template <class Rounding, class T>
Var<T> whole_quotient(const Var<T>& x, const Var<T>& y) {
  return detail::called(Rounding::quotient, {x, y});
}
template <class Rounding>
Probe whole_quotient(Probe x, Probe y) {
  return {x.parameters | y.parameters};
}

// --- what is left of x after whole y's: only values ---

namespace detail {

// x - n y, of which nothing is known where n leaves the range: an engine's need not.
template <EnclosingNumber T>
T without_multiple(const T& x, const T& n, const T& y) {
  if (n.is_anything()) return n;
  return n.is_finite() && n.in_range() ? x - n * y : T::anything(Unbounded::overflow);
}

}  // namespace detail

template <class T>
requires std::is_floating_point_v<T> T fmod_of(const T& x, const T& y) { return std::fmod(x, y); }
inline Defined fmod_of(Defined x, Defined y) { return {std::fmod(x.value, y.value), x.written && y.written}; }
inline Probe fmod_of(Probe x, Probe y) { return {x.parameters | y.parameters}; }
// fmod rounds nothing.
template <detail::EnclosingNumber T>
T fmod_of(const T& x, const T& y) {
  if (x.is_nan() || y.is_nan()) return T::nan();
  if (x.is_anything()) return x;
  if (y.is_anything()) return y;
  if (x.is_special()) return T::nan();
  if (y.is_special()) return x;
  if (detail::single(x) && detail::single(y)) {
    const auto left = std::fmod(x.lower(), y.lower());
    return left == left ? detail::between<T>(left, left) : T::nan();
  }
  return detail::without_multiple(x, whole_quotient<TowardsZero>(x, y), y);
}

// With the sign of y.
template <class T>
requires std::is_floating_point_v<T> T remainder_of(const T& x, const T& y) {
  const T left = std::fmod(x, y);
  return left != 0 && (left < 0) != (y < 0) ? left + y : left;
}
inline Defined remainder_of(Defined x, Defined y) { return {remainder_of(x.value, y.value), x.written && y.written}; }
inline Probe remainder_of(Probe x, Probe y) { return {x.parameters | y.parameters}; }
template <detail::EnclosingNumber T>
T remainder_of(const T& x, const T& y) {
  const bool divisor_known = detail::single(y) || y.is_special();
  if (x.is_anything() || x.is_special() || y.is_nan() || (detail::single(x) && divisor_known)) {
    T left = fmod_of(x, y);
    if (left.is_anything() || left.is_nan() || equal(left, 0) == Truth::yes) return left;
    return less(left, 0) == less(y, 0) ? left : left + y;
  }
  return detail::without_multiple(x, whole_quotient<Below>(x, y), y);
}

// --- signs and NaNs ---

// Is the sign bit set? That of a zero counts.
template <class T>
requires std::is_floating_point_v<T> Truth sign_bit(const T& x) { return truth(std::signbit(x)); }
inline Truth sign_bit(Defined x) { return x.written ? truth(std::signbit(x.value)) : Truth::unknown; }
inline ProbeTruth sign_bit(Probe x) { return {x.parameters}; }
template <detail::EnclosingNumber T>
Truth sign_bit(const T& x) {
  if constexpr (requires { x.mid; }) {
    if (x.rad == 0) return truth(std::signbit(x.mid));
  } else {
    if (is_exact(x)) return truth(x.negative());
  }
  const bool ties = branch.ties_open;
  branch.ties_open = false;
  const Truth negative = less(x, 0);
  branch.ties_open = ties;
  return negative;
}
template <class T>
Var<T> sign_bit(const Var<T>& x) {
  return detail::called("signbit", {x});
}

template <class T>
requires std::is_floating_point_v<T> Truth is_nan(const T& x) { return truth(std::isnan(x)); }
inline Truth is_nan(Defined x) { return x.written ? truth(std::isnan(x.value)) : Truth::unknown; }
inline ProbeTruth is_nan(Probe x) { return {x.parameters}; }
template <detail::EnclosingNumber T>
Truth is_nan(const T& x) {
  return truth(x.is_nan());
}
template <class T>
Var<T> is_nan(const Var<T>& x) {
  return detail::called("isnan", {x});
}

// value, exactly; NaN where x is.
template <class V>
V unless_nan(const V& x, const V& value) {
  return value + 0 * (1 + abs(minimum(maximum(x, number(x, -1)), number(x, 1))));
}

}  // namespace gradproof
