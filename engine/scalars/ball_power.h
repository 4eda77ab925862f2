// Functions of two fast balls: hypot, atan2, pow (see ball_functions.h).
#pragma once

#include <algorithm>
#include <cmath>

#include "engine/scalars/ball_functions.h"

namespace gradproof {

namespace ball {

// f over a rectangle on which it is monotone along every edge: its extremes lie at corners.
template <class D, const PrimitiveBudget& Row, class F>
Ball<D> corners(const Ball<D>& a, const Ball<D>& b, F f) {
  const auto [lo, hi] =
      std::minmax({f(a.lower(), b.lower()), f(a.lower(), b.upper()), f(a.upper(), b.lower()), f(a.upper(), b.upper())});
  return enclose<D, Row>(lo, hi);
}

template <class M>
bool is_odd(M y) {
  return std::fmod(std::fabs(y), M{2}) == 1;
}

// Two certain IEEE values, at least one of them not finite.
template <class D, const PrimitiveBudget& Row>
Ball<D> certain(typename Ball<D>::M value) {
  if (!(std::fabs(value) <= Ball<D>::largest) || representable<D>(value)) return {value, 0};
  return finish<D, Row>(value, 0);
}

}  // namespace ball

// With rho^2 = rx^2 + ry^2 and z = hypot(mx, my), |hypot(x, y) - z| is at most rho, and at most
// (2 |mx| rx + 2 |my| ry + rho^2) / (2z - rho), the difference of the squares over the sum.
template <class D>
inline Ball<D> hypot(const Ball<D>& x, const Ball<D>& y) {
  using B = Ball<D>;
  using M = typename B::M;
  const B a = ball::perturbed<D, budgets::hypot>(x);
  const B b = ball::perturbed<D, budgets::hypot>(y);
  if (!(a.in_range() && b.in_range())) {
    const bool infinite = (a.is_special() && !a.is_nan()) || (b.is_special() && !b.is_nan());
    if (infinite && (a.is_nan() || b.is_nan())) return B::anything(Unbounded::domain);  // IEEE says inf
    if (ball::absorbs(a) || ball::absorbs(b)) return ball::absorb(a, b);
    return B::inf();
  }
  if (b.is_exactly(0)) return abs(a);
  if (a.is_exactly(0)) return abs(b);
  const M z = std::hypot(a.mid, b.mid);
  const M rho = std::sqrt(a.rad * a.rad + b.rad * b.rad);
  const M squares = 2 * (std::fabs(a.mid) * a.rad + std::fabs(b.mid) * b.rad) + rho * rho;
  return ball::finish<D, budgets::hypot>(z, rho < z ? std::fmin(rho, squares / (2 * z - rho)) : rho);
}

namespace ball {

// The angle of a rectangle that contains neither the origin nor part of the cut {y = 0, x <= 0}.
template <class D>
Ball<D> angle(const Ball<D>& y, const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const M size = std::sqrt(x.mid * x.mid + y.mid * y.mid);
  const M reach = std::sqrt(x.rad * x.rad + y.rad * y.rad);
  const M q = reach / size;
  if (!(q <= static_cast<M>(narrow))) {
    return corners<D, budgets::atan2>(y, x, [](M v, M u) { return std::atan2(v, u); });
  }
  const M cross = (std::fabs(x.mid) * y.rad + std::fabs(y.mid) * x.rad) / (size * (size - reach));
  const M sine = std::fmin(q, cross);
  return finish<D, budgets::atan2>(std::atan2(y.mid, x.mid), sine + sine * sine * sine / 4);
}

template <class D>
[[gnu::noinline, gnu::cold]] Ball<D> atan2_rare(const Ball<D>& y, const Ball<D>& x) {
  using B = Ball<D>;
  if (absorbs(y) || absorbs(x)) return absorb(y, x);
  // Infinite: only the signs of finite operands matter, and a zero has one.
  if (y.rad > 0 && y.contains_zero()) return B::anything(Unbounded::jump);
  return certain<D, budgets::atan2>(std::atan2(y.mid, x.mid));
}

}  // namespace ball

// The sine of the angle between z and a point z' within rho < |z| of it is at most rho / |z|, and equals
// the cross product |z x (z' - z)| / (|z| |z'|) <= (|mx| ry + |my| rx) / (|z| (|z| - rho)); asin q <= q + q^3/4 for q
// <= 1/2
template <class D>
inline Ball<D> atan2(const Ball<D>& y0, const Ball<D>& x0) {
  using B = Ball<D>;
  const B y = ball::perturbed<D, budgets::atan2>(y0);
  const B x = ball::perturbed<D, budgets::atan2>(x0);
  if (!(y.in_range() && x.in_range())) return ball::atan2_rare(y, x);
  if (y.rad == 0 && y.mid == 0) {
    if (x.rad > 0 && x.contains_zero()) return B::anything(Unbounded::jump);
    if (x.mid > 0 || (x.mid == 0 && !std::signbit(x.mid))) return y;  // atan2(+-0, +x) = +-0
    return ball::finish<D, budgets::atan2>(std::atan2(y.mid, x.mid), 0);
  }
  if (y.contains_zero() && x.lower() <= 0) return B::anything(Unbounded::jump);
  return ball::angle(y, x);
}

namespace ball {

// Certain zeros and infinities in pow; both operands are finite in D's range or certainly infinite.
template <class D>
[[gnu::noinline, gnu::cold]] Ball<D> pow_infinite(const Ball<D>& x, const Ball<D>& y) {
  using B = Ball<D>;
  if (x.rad == 0 && y.rad == 0) return certain<D, budgets::pow>(std::pow(x.mid, y.mid));
  if (y.is_special()) {
    const auto size = abs(x);
    if (size.lower() > 1) return y.mid > 0 ? B::inf() : B{0, 0};
    if (size.upper() < 1) return y.mid > 0 ? B{0, 0} : B::inf();
  } else if (x.mid > 0) {
    if (y.lower() > 0) return B::inf();
    if (y.upper() < 0) return {0, 0};
  }
  return B::anything(Unbounded::domain);
}

// x certainly positive. |log(x'/mx)| <= dl = rx / (mx - rx), so the exponent moves by at most
// delta = |my| dl + ry (|log mx| + dl), and the power by the factor e^delta - 1 <= delta + delta^2.
template <class D>
inline Ball<D> pow_positive(const Ball<D>& x, const Ball<D>& y) {
  using M = typename Ball<D>::M;
  const auto f = [](M u, M v) { return std::pow(u, v); };
  const M value = f(x.mid, y.mid);
  if (!(x.rad <= x.mid / 4) || value > Ball<D>::d_max) return corners<D, budgets::pow>(x, y, f);
  const M step = x.rad / (x.mid - x.rad);
  M delta = std::fabs(y.mid) * step;
  if (y.rad > 0) delta += y.rad * (std::fabs(std::log(x.mid)) + step);
  if (!(delta <= static_cast<M>(narrow))) return corners<D, budgets::pow>(x, y, f);
  return finish<D, budgets::pow>(value, value * (delta + delta * delta));
}

// x certainly zero, y not.
template <class D>
Ball<D> pow_zero(const Ball<D>& x, const Ball<D>& y) {
  using B = Ball<D>;
  if (y.rad == 0) return {std::pow(x.mid, y.mid), 0};
  if (y.contains_zero()) return B::anything(Unbounded::jump);
  if (std::signbit(x.mid)) return y.mid > 0 ? B{0, B::d_eta} : B::anything(Unbounded::domain);
  return y.mid > 0 ? B{0, 0} : B::inf();
}

// x certainly negative, or around zero.
template <class D>
Ball<D> pow_signed(const Ball<D>& x, const Ball<D>& y) {
  using B = Ball<D>;
  using M = typename B::M;
  const bool integer = y.rad == 0 && std::trunc(y.mid) == y.mid;
  const bool odd = integer && is_odd(y.mid);
  if (x.upper() < 0) {
    if (!integer) return y.rad == 0 ? B::nan() : B::anything(Unbounded::domain);
    const B size = pow_positive(-x, y);
    return odd ? -size : size;
  }
  if (!(y.lower() > 0)) return B::anything(Unbounded::domain);
  if (x.lower() < 0 && !integer) return B::anything(Unbounded::domain);
  const auto f = [](M u, M v) { return std::pow(u, v); };
  if (x.lower() >= 0) return corners<D, budgets::pow>(x, y, f);
  if (odd) return enclose<D, budgets::pow>(f(x.lower(), y.mid), f(x.upper(), y.mid));
  return enclose<D, budgets::pow>(0, f(x.magnitude() * grow<D>, y.mid));
}

}  // namespace ball

template <class D>
inline Ball<D> pow(const Ball<D>& x0, const Ball<D>& y0) {
  using B = Ball<D>;
  const B x = ball::perturbed<D, budgets::pow>(x0);
  const B y = ball::perturbed<D, budgets::pow>(y0);
  if (!(x.in_range() && y.in_range())) [[unlikely]] {
    const bool one = y.is_exactly(0) || x.is_exactly(1);
    if (one && (x.is_nan() || y.is_nan())) return B::anything(Unbounded::domain);  // IEEE says 1
    if (ball::absorbs(x) || ball::absorbs(y)) return ball::absorb(x, y);
    return ball::pow_infinite(x, y);
  }
  if (y.is_exactly(0) || x.is_exactly(1)) return {1, 0};
  if (x.rad == 0 && x.mid == 0) return ball::pow_zero(x, y);
  if (x.mid > x.rad) return ball::pow_positive(x, y);
  return ball::pow_signed(x, y);
}

template <class D>
inline Ball<D> pow(const Ball<D>& x, int y) {
  return pow(x, Ball<D>::integer(y));
}

}  // namespace gradproof
