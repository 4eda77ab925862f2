// Elementary functions of fast balls. Each takes f at the midpoint and a proved bound on |f(x) - f(mid)| over
// the ball where the ball is narrow, the images of both ends where it is wide and f is monotone. Proofs
// stand in docs/mathematics.md under the function's name; the line above each says which bound is used.
#pragma once

#include <cmath>
#include <utility>

#include "engine/scalars/ball.h"
#include "engine/scalars/ball_compare.h"

namespace gradproof {

namespace ball {

// Balls wider than this go by their ends.
inline constexpr double narrow = 0x1p-4;

// f(x) for x in the ball: f is computed at the midpoint, |f(x) - f(mid)| <= spread.
template <class D, const PrimitiveBudget& Row>
inline Ball<D> finish(typename Ball<D>::M f, typename Ball<D>::M spread) {
  using M = typename Ball<D>::M;
  constexpr M k = static_cast<M>(budget_of<D>(Row).value_u) * Ball<D>::d_u;
  constexpr M on_value = (k + BallFormat<D>::function) * grow<D>;
  constexpr M on_spread = (1 + k) * grow<D>;
  return checked<D>(f, spread * on_spread + std::fabs(f) * on_value + Ball<D>::d_eta * grow<D>);
}

// f(x) between two computed values of f.
template <class D, const PrimitiveBudget& Row>
Ball<D> enclose(typename Ball<D>::M lo, typename Ball<D>::M hi) {
  using B = Ball<D>;
  using M = typename B::M;
  if (hi < lo) std::swap(lo, hi);
  if (!(lo >= -B::largest && hi <= B::largest)) {
    if (lo > B::d_max * 2) return B::beyond(false);
    if (hi < -B::d_max * 2) return B::beyond(true);
    return B::anything(Unbounded::overflow);
  }
  constexpr M k = static_cast<M>(budget_of<D>(Row).value_u) * B::d_u;
  constexpr M on_value = (k + BallFormat<D>::function + 2 * BallFormat<D>::u) * grow<D>;
  const M half = hi / 2 - lo / 2;
  const M most = std::fmax(std::fabs(lo), std::fabs(hi));
  return checked<D>(lo / 2 + hi / 2, half * grow<D> + most * on_value + B::d_eta * grow<D>);
}

template <class D, const PrimitiveBudget& Row, class F>
Ball<D> monotone(const Ball<D>& a, F f) {
  return enclose<D, Row>(f(a.lower()), f(a.upper()));
}

// A ball that is not finite and in D's range: NaN and anything absorb, certain infinities map as IEEE says.
template <class D, const PrimitiveBudget& Row, class F>
[[gnu::noinline, gnu::cold]] Ball<D> rare(const Ball<D>& a, F f) {
  if (absorbs(a)) return absorb(a);
  const auto value = f(a.mid);
  if (!(std::fabs(value) <= Ball<D>::largest) || representable<D>(value)) return {value, 0};
  return finish<D, Row>(value, 0);
}

// The implementation's error in its argument, where the budget names one.
template <class D, const PrimitiveBudget& Row>
inline Ball<D> perturbed(const Ball<D>& a) {
  using M = typename Ball<D>::M;
  constexpr M k = static_cast<M>(budget_of<D>(Row).argument_u) * Ball<D>::d_u;
  if constexpr (k == 0) {
    return a;
  } else {
    return a.in_range() ? Ball<D>{a.mid, (a.rad + k * a.magnitude()) * grow<D>} : a;
  }
}

// 2^-44 and the like: a midpoint function's error where its result is subtracted from 1.
template <class D>
constexpr typename Ball<D>::M cancelled = 8 * BallFormat<D>::function;

}  // namespace ball

// |sqrt x - sqrt m| = |x - m| / (sqrt x + sqrt m) <= r / (2 sqrt m - r / sqrt m),  for sqrt(m - r) >= sqrt m - r / sqrt
// m
template <class D>
inline Ball<D> sqrt(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const Ball<D> a = ball::perturbed<D, budgets::sqrt>(x);
  const M m = a.mid;
  if (!a.in_range()) return ball::rare<D, budgets::sqrt>(a, [](M v) { return std::sqrt(v); });
  if (a.rad == 0) {
    if (!(m > 0)) return m == 0 ? a : Ball<D>::nan();
    const M root = std::sqrt(m);
    if (ball::representable<D>(root) && root * root == m && ball::exact_product(D{}, root, root, root * root)) {
      return {root, 0};
    }
    return ball::finish<D, budgets::sqrt>(root, 0);
  }
  if (m < a.rad) return -m > a.rad ? Ball<D>::nan() : Ball<D>::anything(Unbounded::domain);
  const M root = std::sqrt(m);
  return ball::finish<D, budgets::sqrt>(root, a.rad / (2 * root - a.rad / root));
}

// |e^x - e^m| <= e^m (e^r - 1),  e^r - 1 <= r + r^2 for r <= 1
template <class D>
inline Ball<D> exp(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::exp(v); };
  const Ball<D> a = ball::perturbed<D, budgets::exp>(x);
  if (!a.in_range()) return ball::rare<D, budgets::exp>(a, f);
  if (a.is_exactly(0)) return {1, 0};
  const M value = f(a.mid);
  if (a.rad > ball::narrow || value > Ball<D>::d_max) return ball::monotone<D, budgets::exp>(a, f);
  return ball::finish<D, budgets::exp>(value, value * (a.rad + a.rad * a.rad));
}

template <class D>
inline Ball<D> exp2(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::exp2(v); };
  const Ball<D> a = ball::perturbed<D, budgets::exp2>(x);
  if (!a.in_range()) return ball::rare<D, budgets::exp2>(a, f);
  if (a.is_exactly(0)) return {1, 0};
  const M value = f(a.mid);
  if (a.rad > ball::narrow || value > Ball<D>::d_max) return ball::monotone<D, budgets::exp2>(a, f);
  const M r = a.rad * static_cast<M>(0.7);  // ln 2 < 0.7
  return ball::finish<D, budgets::exp2>(value, value * (r + r * r));
}

// As exp, with e^m = expm1(m) + 1
template <class D>
inline Ball<D> expm1(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::expm1(v); };
  const Ball<D> a = ball::perturbed<D, budgets::expm1>(x);
  if (!a.in_range()) return ball::rare<D, budgets::expm1>(a, f);
  if (a.is_exactly(0)) return a;
  const M value = f(a.mid);
  if (a.rad > ball::narrow || value > Ball<D>::d_max) return ball::monotone<D, budgets::expm1>(a, f);
  return ball::finish<D, budgets::expm1>(value, (value + 1 + ball::cancelled<D>)*(a.rad + a.rad * a.rad));
}

namespace ball {

// |log x - log m| <= -log(1 - r/m) <= r / (m - r), times the logarithm's scale
template <class D, const PrimitiveBudget& Row, class F>
inline Ball<D> logarithm(const Ball<D>& x, typename Ball<D>::M scale, F f) {
  const Ball<D> a = perturbed<D, Row>(x);
  const auto m = a.mid;
  if (!a.in_range()) return rare<D, Row>(a, f);
  if (a.rad == 0) {
    if (m == 0) return Ball<D>::inf(true);
    if (m < 0) return Ball<D>::nan();
    if (m == 1) return {0, 0};
  }
  if (m <= a.rad) return -m > a.rad ? Ball<D>::nan() : Ball<D>::anything(Unbounded::domain);
  if (a.rad > m * static_cast<typename Ball<D>::M>(narrow)) return monotone<D, Row>(a, f);
  return finish<D, Row>(f(m), scale * a.rad / (m - a.rad));
}

}  // namespace ball

template <class D>
inline Ball<D> log(const Ball<D>& a) {
  using M = typename Ball<D>::M;
  return ball::logarithm<D, budgets::log>(a, 1, [](M v) { return std::log(v); });
}

template <class D>
inline Ball<D> log2(const Ball<D>& a) {
  using M = typename Ball<D>::M;
  return ball::logarithm<D, budgets::log2>(a, static_cast<M>(log2e::extended) * ball::grow<D>,
                                           [](M v) { return std::log2(v); });
}

template <class D>
inline Ball<D> log10(const Ball<D>& a) {
  using M = typename Ball<D>::M;
  return ball::logarithm<D, budgets::log10>(a, static_cast<M>(log10e::extended) * ball::grow<D>,
                                            [](M v) { return std::log10(v); });
}

// As log, at distance 1 + m from the edge
template <class D>
inline Ball<D> log1p(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::log1p(v); };
  const Ball<D> a = ball::perturbed<D, budgets::log1p>(x);
  if (!a.in_range()) return ball::rare<D, budgets::log1p>(a, f);
  if (a.rad == 0) {
    if (a.mid == 0) return a;
    if (!(a.mid > -1)) return a.mid == -1 ? Ball<D>::inf(true) : Ball<D>::nan();
  }
  const M distance = 1 + a.mid;
  if (a.rad > distance * static_cast<M>(ball::narrow)) {
    if (a.upper() < -1) return Ball<D>::nan();
    if (a.lower() <= -1) return Ball<D>::anything(Unbounded::domain);
    return ball::monotone<D, budgets::log1p>(a, f);
  }
  return ball::finish<D, budgets::log1p>(f(a.mid), a.rad / (distance - a.rad));
}

// |sin(m + h) - sin m| = |sin m (cos h - 1) + cos m sin h| <= r^2/2 + |cos m| r
template <class D>
inline Ball<D> sin(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const Ball<D> a = ball::perturbed<D, budgets::sin>(x);
  if (!a.in_range()) return ball::rare<D, budgets::sin>(a, [](M v) { return std::sin(v); });
  if (a.is_exactly(0)) return a;
  const M s = std::sin(a.mid);
  const M c = std::sqrt(std::fmax(1 - s * s, M{0}) + ball::cancelled<D>);
  const M spread = c * a.rad + a.rad * a.rad / 2;
  return spread < 1 ? ball::finish<D, budgets::sin>(s, spread) : ball::enclose<D, budgets::sin>(-1, 1);
}

// |cos(m + h) - cos m| <= r^2/2 + |sin m| r
template <class D>
inline Ball<D> cos(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const Ball<D> a = ball::perturbed<D, budgets::cos>(x);
  if (!a.in_range()) return ball::rare<D, budgets::cos>(a, [](M v) { return std::cos(v); });
  if (a.is_exactly(0)) return {1, 0};
  const M c = std::cos(a.mid);
  const M s = std::sqrt(std::fmax(1 - c * c, M{0}) + ball::cancelled<D>);
  const M spread = s * a.rad + a.rad * a.rad / 2;
  return spread < 1 ? ball::finish<D, budgets::cos>(c, spread) : ball::enclose<D, budgets::cos>(-1, 1);
}

// |tan(m + h) - t| = |tan h (1 + t^2) / (1 - t tan h)| <= T (1 + t^2) / (1 - |t| T),  T = tan r
template <class D>
inline Ball<D> tan(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const Ball<D> a = ball::perturbed<D, budgets::tan>(x);
  if (!a.in_range()) return ball::rare<D, budgets::tan>(a, [](M v) { return std::tan(v); });
  if (a.is_exactly(0)) return a;
  if (a.rad > static_cast<M>(1.5)) return Ball<D>::anything(Unbounded::jump);
  const M t = std::tan(a.mid);
  const M reach = a.rad < static_cast<M>(0.5) ? a.rad + a.rad * a.rad * a.rad / 2 : std::tan(a.rad) * ball::grow<D>;
  const M pole = std::fabs(t) * reach;
  if (!(pole < static_cast<M>(0.9375))) return Ball<D>::anything(Unbounded::jump);
  return ball::finish<D, budgets::tan>(t, reach * (1 + t * t) / (1 - pole));
}

// |tanh(m + h) - t| = |tanh h (1 - t^2) / (1 + t tanh h)| <= r (1 - t^2) / (1 - |t| r)
template <class D>
inline Ball<D> tanh(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::tanh(v); };
  const Ball<D> a = ball::perturbed<D, budgets::tanh>(x);
  if (!a.in_range()) return ball::rare<D, budgets::tanh>(a, f);
  if (a.is_exactly(0)) return a;
  if (a.rad > ball::narrow) return ball::monotone<D, budgets::tanh>(a, f);
  const M t = f(a.mid);
  return ball::finish<D, budgets::tanh>(t, a.rad * (1 - t * t + ball::cancelled<D>) / (1 - std::fabs(t) * a.rad));
}

// |sinh(m + h) - s| <= |s| (cosh r - 1) + cosh m sinh r;  cosh r - 1 <= 0.52 r^2, sinh r <= r + r^3/5 for r <= 1/2
template <class D>
inline Ball<D> sinh(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::sinh(v); };
  const Ball<D> a = ball::perturbed<D, budgets::sinh>(x);
  if (!a.in_range()) return ball::rare<D, budgets::sinh>(a, f);
  if (a.is_exactly(0)) return a;
  const M s = f(a.mid);
  const M size = std::fabs(s);
  if (a.rad > ball::narrow || size > Ball<D>::d_max) return ball::monotone<D, budgets::sinh>(a, f);
  const M c = std::sqrt(1 + s * s);
  const M square = a.rad * a.rad;
  const M spread = size * square * static_cast<M>(0.52) + c * (a.rad + a.rad * square / 5);
  return ball::finish<D, budgets::sinh>(s, spread);
}

// |cosh(m + h) - c| <= c (cosh r - 1) + |sinh m| sinh r,  |sinh m| <= min(|m| c, c)
template <class D>
inline Ball<D> cosh(const Ball<D>& x) {
  using M = typename Ball<D>::M;
  const auto f = [](M v) { return std::cosh(v); };
  const Ball<D> a = ball::perturbed<D, budgets::cosh>(x);
  if (!a.in_range()) return ball::rare<D, budgets::cosh>(a, f);
  if (a.is_exactly(0)) return {1, 0};
  const M c = f(a.mid);
  if (a.rad > ball::narrow || c > Ball<D>::d_max) {
    return ball::monotone<D, budgets::cosh>(abs(a), f);  // even, increasing on [0, inf)
  }
  const M s = c * std::fmin(std::fabs(a.mid), M{1});
  const M square = a.rad * a.rad;
  const M spread = c * square * static_cast<M>(0.52) + s * (a.rad + a.rad * square / 5);
  return ball::finish<D, budgets::cosh>(c, spread);
}

}  // namespace gradproof

#include "engine/scalars/ball_inverse.h"
#include "engine/scalars/ball_power.h"
