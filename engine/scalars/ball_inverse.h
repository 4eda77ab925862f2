// Inverse trigonometric and hyperbolic functions and error functions of fast balls (see ball_functions.h).
#pragma once

#include <cmath>

#include "engine/scalars/ball_functions.h"

namespace gradproof {

namespace ball {

// The part of [-r, r] + |m| nearest to zero.
template <class D>
inline typename Ball<D>::M nearest_to_zero(const Ball<D>& a) {
  using M = typename Ball<D>::M;
  return std::fmax(std::fabs(a.mid) - a.rad, M{0});
}

// Where the domain is |x| <= 1: yes inside, no outside, unknown across its edge.
template <class D>
Truth within_one(const Ball<D>& a) {
  if (a.lower() >= -1 && a.upper() <= 1) return Truth::yes;
  return a.lower() > 1 || a.upper() < -1 ? Truth::no : Truth::unknown;
}

// asin and acos. |f(x) - f(m)| <= r / sqrt(1 - L^2),  L = |m| + r
template <class D, const PrimitiveBudget& Row, class F>
inline Ball<D> arc(const Ball<D>& a, F f) {
  using M = typename Ball<D>::M;
  const M room = 1 - std::fabs(a.mid);
  if (a.rad > room / 2 || room < 0) {
    const Truth inside = within_one(a);
    if (inside != Truth::yes) return inside == Truth::no ? Ball<D>::nan() : Ball<D>::anything(Unbounded::domain);
    return monotone<D, Row>(a, f);
  }
  if (a.rad == 0) return finish<D, Row>(f(a.mid), 0);
  const M far = std::fabs(a.mid) + a.rad;
  return finish<D, Row>(f(a.mid), a.rad / std::sqrt((room - a.rad) * (1 + far)));
}

}  // namespace ball

template <class D>
inline Ball<D> asin(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::asin(v); };
  const Ball<D> a = ball::perturbed<D, budgets::asin>(x);
  if (!a.in_range()) return ball::rare<D, budgets::asin>(a, f);
  if (a.is_exactly(0)) return a;
  return ball::arc<D, budgets::asin>(a, f);
}

template <class D>
inline Ball<D> acos(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::acos(v); };
  const Ball<D> a = ball::perturbed<D, budgets::acos>(x);
  if (!a.in_range()) return ball::rare<D, budgets::acos>(a, f);
  if (a.is_exactly(1)) return {0, 0};
  return ball::arc<D, budgets::acos>(a, f);
}

// |atan x - atan m| <= r / (1 + l^2),  l = max(0, |m| - r)
template <class D>
inline Ball<D> atan(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::atan(v); };
  const Ball<D> a = ball::perturbed<D, budgets::atan>(x);
  if (!a.in_range()) return ball::rare<D, budgets::atan>(a, f);
  if (a.is_exactly(0)) return a;
  if (a.rad > ball::narrow) return ball::monotone<D, budgets::atan>(a, f);
  const M l = ball::nearest_to_zero(a);
  return ball::finish<D, budgets::atan>(f(a.mid), a.rad / (1 + l * l));
}

// |asinh x - asinh m| <= r / sqrt(1 + l^2)
template <class D>
inline Ball<D> asinh(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::asinh(v); };
  const Ball<D> a = ball::perturbed<D, budgets::asinh>(x);
  if (!a.in_range()) return ball::rare<D, budgets::asinh>(a, f);
  if (a.is_exactly(0)) return a;
  if (a.rad > ball::narrow) return ball::monotone<D, budgets::asinh>(a, f);
  const M l = ball::nearest_to_zero(a);
  return ball::finish<D, budgets::asinh>(f(a.mid), a.rad / std::sqrt(1 + l * l));
}

// |acosh x - acosh m| <= r / sqrt(l^2 - 1),  l = m - r
template <class D>
inline Ball<D> acosh(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::acosh(v); };
  const Ball<D> a = ball::perturbed<D, budgets::acosh>(x);
  if (!a.in_range()) return ball::rare<D, budgets::acosh>(a, f);
  if (a.is_exactly(1)) return {0, 0};
  const M room = a.mid - 1;
  if (a.rad > room / 2 || room < 0) {
    if (a.upper() < 1) return Ball<D>::nan();
    if (a.lower() < 1) return Ball<D>::anything(Unbounded::domain);
    return ball::monotone<D, budgets::acosh>(a, f);
  }
  const M slope = std::sqrt((room - a.rad) * (a.mid - a.rad + 1));
  return ball::finish<D, budgets::acosh>(f(a.mid), a.rad == 0 ? M{0} : a.rad / slope);
}

// |atanh x - atanh m| <= r / (1 - L^2),  L = |m| + r
template <class D>
inline Ball<D> atanh(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::atanh(v); };
  const Ball<D> a = ball::perturbed<D, budgets::atanh>(x);
  if (!a.in_range()) return ball::rare<D, budgets::atanh>(a, f);
  if (a.is_exactly(0)) return a;
  if (a.rad == 0 && std::fabs(a.mid) >= 1) {
    return std::fabs(a.mid) == 1 ? Ball<D>::inf(a.mid < 0) : Ball<D>::nan();
  }
  const M room = 1 - std::fabs(a.mid);
  if (a.rad > room * static_cast<M>(ball::narrow)) {
    if (a.lower() > 1 || a.upper() < -1) return Ball<D>::nan();
    if (a.lower() <= -1 || a.upper() >= 1) return Ball<D>::anything(Unbounded::domain);
    return ball::monotone<D, budgets::atanh>(a, f);
  }
  const M far = std::fabs(a.mid) + a.rad;
  return ball::finish<D, budgets::atanh>(f(a.mid), a.rad / ((room - a.rad) * (1 + far)));
}

namespace ball {

// |erf x - erf m| <= 2/sqrt(pi) exp(-l^2) r. The exponent's own rounding is below 2^-40 of the result wherever
// that exceeds D's eta.
template <class D>
inline typename Ball<D>::M error_slope(const Ball<D>& a) {
  using M = typename Ball<D>::M;
  const M l = nearest_to_zero(a);
  return static_cast<M>(1.1284) * std::exp(-l * l) * (1 + static_cast<M>(0x1p-40));
}

}  // namespace ball

template <class D>
inline Ball<D> erf(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::erf(v); };
  const Ball<D> a = ball::perturbed<D, budgets::erf>(x);
  if (!a.in_range()) return ball::rare<D, budgets::erf>(a, f);
  if (a.is_exactly(0)) return a;
  if (a.rad > ball::narrow) return ball::monotone<D, budgets::erf>(a, f);
  return ball::finish<D, budgets::erf>(f(a.mid), a.rad == 0 ? M{0} : a.rad * ball::error_slope(a));
}

template <class D>
inline Ball<D> erfc(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::erfc(v); };
  const Ball<D> a = ball::perturbed<D, budgets::erfc>(x);
  if (!a.in_range()) return ball::rare<D, budgets::erfc>(a, f);
  if (a.is_exactly(0)) return {1, 0};
  // In the tail, where erfc falls like exp(-x^2), |m| r is what makes a ball wide.
  if (a.rad * (1 + std::fabs(a.mid)) > ball::narrow) return ball::monotone<D, budgets::erfc>(a, f);
  return ball::finish<D, budgets::erfc>(f(a.mid), a.rad == 0 ? M{0} : a.rad * ball::error_slope(a));
}

}  // namespace gradproof
