// Comparisons, branches and lattice operations of fast balls. None of them rounds, so none widens.
#pragma once

#include <cmath>

#include "engine/scalars/ball.h"

namespace gradproof {

namespace ball {

// Sign of b - a where it is certain for every pair of numbers in the balls; 0 where it is not. Neither
// is a NaN; an infinity is a number here.
template <class D>
int certain_order(const Ball<D>& a, const Ball<D>& b) {
  using M = typename Ball<D>::M;
  if (a.rad == 0 && b.rad == 0) return a.mid < b.mid ? 1 : (b.mid < a.mid ? -1 : 0);
  const M gap = b.mid - a.mid;
  const M reach = (a.rad + b.rad) * grow<D>;
  return gap > reach ? 1 : (-gap > reach ? -1 : 0);
}

// Unknown where a comparison says nothing: an operand that is anything, or finite but beyond D.
template <class D>
bool incomparable(const Ball<D>& a) {
  return !a.in_range() && !a.is_special();
}

inline Truth left_open() {
  branch.met = true;
  return Truth::unknown;
}

}  // namespace ball

template <class D>
Truth less(const Ball<D>& a, const Ball<D>& b) {
  if (a.is_nan() || b.is_nan()) return Truth::no;
  if (ball::incomparable(a) || ball::incomparable(b)) return ball::left_open();
  const int order = ball::certain_order(a, b);
  if (order != 0) return truth(order > 0);
  if (a.rad == 0 && b.rad == 0 && !branch.ties_open) return Truth::no;
  return ball::left_open();
}

template <class D>
Truth equal(const Ball<D>& a, const Ball<D>& b) {
  if (a.is_nan() || b.is_nan()) return Truth::no;
  if (ball::incomparable(a) || ball::incomparable(b)) return ball::left_open();
  if (ball::certain_order(a, b) != 0) return Truth::no;
  if (a.rad == 0 && b.rad == 0) return Truth::yes;
  return ball::left_open();
}

template <class D>
Truth less(const Ball<D>& a, int b) {
  return less(a, Ball<D>::integer(b));
}
template <class D>
Truth less(int a, const Ball<D>& b) {
  return less(Ball<D>::integer(a), b);
}
template <class D>
Truth equal(const Ball<D>& a, int b) {
  return equal(a, Ball<D>::integer(b));
}

// The smallest ball around both. Certain values that differ in kind (a number, an infinity, a NaN) leave
// nothing to say.
template <class D>
Ball<D> hull(const Ball<D>& a, const Ball<D>& b) {
  // Often one holds the other: |a - b| + r_b <= r_a. False where anything is not finite.
  const auto apart = std::fabs(a.mid - b.mid);
  if ((apart + b.rad) * ball::grow<D> < a.rad && a.is_finite()) return a;
  if ((apart + a.rad) * ball::grow<D> < b.rad && b.is_finite()) return b;
  if (a.is_anything()) return a;
  if (b.is_anything()) return b;
  if (a.is_special() || b.is_special()) {
    const bool same = a.is_special() && b.is_special() && (a.mid == b.mid || (a.is_nan() && b.is_nan()));
    return same ? a : Ball<D>::anything(Unbounded::jump);
  }
  if (a.mid == b.mid && a.rad == b.rad && std::signbit(a.mid) == std::signbit(b.mid)) return a;
  const auto lo = std::fmin(a.lower(), b.lower());
  const auto hi = std::fmax(a.upper(), b.upper());
  const Ball<D> both = Ball<D>::from_bounds(lo, hi);
  // +0 and -0 are one number whose reciprocals differ.
  return both.is_exactly(0) ? Ball<D>{0, Ball<D>::d_eta} : both;
}

template <class D>
bool is_exact(const Ball<D>& a) {
  return a.is_exact();
}

// May both be the same number?
template <class D>
bool overlap(const Ball<D>& a, const Ball<D>& b) {
  if (a.is_anything() || b.is_anything()) return true;
  if (a.is_special() || b.is_special()) return a.mid == b.mid || (a.is_nan() && b.is_nan());
  return ball::certain_order(a, b) == 0;
}

// May an engine's result, an element of a tensor of dtype D, be this ball's?
template <class D>
bool contains(const Ball<D>& a, double value) {
  return a.contains(static_cast<typename Ball<D>::M>(value));
}

template <class D>
Ball<D> select(Truth which, const Ball<D>& a, const Ball<D>& b) {
  if (which == Truth::yes) return a;
  if (which == Truth::no) return b;
  branch.met = true;
  if (branch.side == Branch::Side::first) return a;
  if (branch.side == Branch::Side::second) return b;
  return hull(a, b);
}

template <class D>
Ball<D> maximum(const Ball<D>& a, const Ball<D>& b) {
  if (a.is_nan() || b.is_nan()) return Ball<D>::nan();
  if (ball::incomparable(a)) return ball::absorb(a);
  if (ball::incomparable(b)) return ball::absorb(b);
  const int order = ball::certain_order(a, b);
  if (order != 0) return order > 0 ? b : a;
  if (a.rad == 0 && b.rad == 0) {
    return std::signbit(a.mid) == std::signbit(b.mid) ? a : Ball<D>{0, Ball<D>::d_eta};
  }
  return Ball<D>::from_bounds(std::fmax(a.lower(), b.lower()), std::fmax(a.upper(), b.upper()));
}

template <class D>
Ball<D> minimum(const Ball<D>& a, const Ball<D>& b) {
  return -maximum(-a, -b);
}

template <class D>
Ball<D> abs(const Ball<D>& a) {
  if (a.is_anything()) return a;
  if (a.rad == 0 || std::fabs(a.mid) >= a.rad) return {std::fabs(a.mid), a.rad};
  return Ball<D>::from_bounds(0, a.mid < 0 ? -a.lower() : a.upper());
}

// The part of a ball that lies in a range its number is known to lie in. A ball that misses the range
// is kept: a widened result may.
template <class D>
Ball<D> intersect(const Ball<D>& a, typename Ball<D>::M lo, typename Ball<D>::M hi) {
  if (!a.is_finite() || a.rad == 0) return a;
  const auto low = a.lower();
  const auto high = a.upper();
  if ((lo <= low && high <= hi) || high < lo || hi < low) return a;
  return Ball<D>::from_bounds(std::fmax(lo, low), std::fmin(hi, high));
}

}  // namespace gradproof
