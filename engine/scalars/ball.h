// The fast ball: a midpoint and a radius in the next wider hardware format, after every primitive widened
// by what a faithful implementation in D may be off. Rules and proofs: docs/mathematics.md.
//
// A ball is one of
//   finite     mid and rad finite: the number lies in [mid - rad, mid + rad]; rad == 0: exactly mid,
//              representable in D. A finite ball may lie beyond D's range: the next operation, or
//              materialize, says what that means.
//   special    mid is an infinity or NaN, rad == 0: certainly that IEEE value.
//   anything   rad == +inf, |mid| is the reason (Unbounded). It absorbs in every operation.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "engine/scalars/budgets.h"
#include "engine/scalars/constants.h"
#include "engine/scalars/number_format.h"
#include "engine/scalars/scalar.h"

#ifdef __FAST_MATH__
#error "balls need IEEE arithmetic: compile without -ffast-math"
#endif

namespace gradproof {

template <class Dtype>
struct Ball {
  using D = Dtype;
  using M = typename BallFormat<D>::M;
  static constexpr M infinity = std::numeric_limits<M>::infinity();
  static constexpr M largest = std::numeric_limits<M>::max();
  static constexpr M d_max = static_cast<M>(std::numeric_limits<D>::max());
  static constexpr M d_u = static_cast<M>(format_of<D>().u);
  static constexpr M d_eta = static_cast<M>(format_of<D>().eta);

  // No initializers: an array of balls costs nothing to make. Ball{} is exactly zero.
  M mid;
  M rad;

  static Ball anything(Unbounded reason) { return {static_cast<M>(static_cast<int>(reason)), infinity}; }
  static Ball nan() { return {std::numeric_limits<M>::quiet_NaN(), 0}; }
  static Ball inf(bool negative = false) { return {negative ? -infinity : infinity, 0}; }
  // Certainly beyond D's range, whatever M can say about it.
  static Ball beyond(bool negative) { return {negative ? -largest / 2 : largest / 2, largest / 4}; }
  static Ball integer(int value) {
    const D rounded = static_cast<D>(value);
    return {static_cast<M>(value), static_cast<M>(rounded) == static_cast<M>(value)
                                       ? M{0}
                                       : d_u * std::fabs(static_cast<M>(value)) * BallFormat<D>::grow};
  }
  // [lo, hi], rounded outward; lo <= hi, both finite.
  static Ball from_bounds(M lo, M hi) {
    if (lo == hi) return {lo, static_cast<M>(static_cast<D>(lo)) == lo ? M{0} : tiny(lo)};
    const M middle = lo / 2 + hi / 2;
    const M up = sum_up(hi, -middle);
    const M down = sum_up(middle, -lo);
    return {middle, up > down ? up : down};
  }

  bool is_anything() const { return rad == infinity; }
  Unbounded reason() const {
    return is_anything() ? static_cast<Unbounded>(static_cast<int>(std::fabs(mid))) : Unbounded::no;
  }
  bool is_special() const { return rad == 0 && !(std::fabs(mid) <= largest); }
  bool is_nan() const { return mid != mid; }
  bool is_finite() const { return std::fabs(mid) + rad <= largest; }
  bool is_exact() const { return rad == 0 && std::fabs(mid) <= largest; }
  bool is_exactly(M value) const { return rad == 0 && mid == value; }
  // At least the largest |x| in the ball; not <= d_max for everything but a finite ball in D's range.
  M magnitude() const { return std::fabs(mid) + rad; }
  bool in_range() const { return magnitude() <= d_max; }

  // Bounds, rounded outward only where the sum is not exact.
  M lower() const { return -sum_up(-mid, rad); }
  M upper() const { return sum_up(mid, rad); }
  bool contains(M value) const {
    if (is_anything()) return true;
    if (rad == 0) return mid == value || (mid != mid && value != value);
    return lower() <= value && value <= upper();
  }
  bool contains_zero() const { return std::fabs(mid) <= rad; }

 private:
  // a + r, never below the exact sum, and equal to it where M holds it (TwoSum).
  static M sum_up(M a, M r) {
    const M s = a + r;
    const M part = s - a;
    const M error = (a - (s - part)) + (r - part);
    return error > 0 ? s + std::fabs(s) * (4 * BallFormat<D>::u) : s;
  }
  static M tiny(M value) { return std::fabs(value) * (2 * BallFormat<D>::u) + d_eta; }
};

namespace ball {

template <class D>
constexpr typename Ball<D>::M format_u = BallFormat<D>::u;
template <class D>
constexpr typename Ball<D>::M grow = BallFormat<D>::grow;

template <class D>
bool representable(typename Ball<D>::M value) {
  return static_cast<typename Ball<D>::M>(static_cast<D>(value)) == value;
}

// How many bits the significand of x spans, from its first to its last one (an upper bound for subnormals).
inline int significant_bits(double x) {
  constexpr std::uint64_t fraction = (std::uint64_t{1} << 52) - 1;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x) & fraction;
  return bits == 0 ? 1 : 53 - std::countr_zero(bits);
}

// Dividing by one loses nothing. Any other quotient counts as rounded though it be exact: g·(x/y) is as often
// computed as (g·x)/y, which is not.
template <class M>
bool power_of_two(M x) {
  int exponent = 0;
  return std::fabs(std::frexp(x, &exponent)) == M{0.5};
}

// Is p = fl_M(a b) the exact product of two numbers of D, and itself in D?
inline bool exact_product(float, double, double, double p) { return representable<float>(p); }
inline bool exact_product(double, long double a, long double b, long double p) {
  return representable<double>(p) &&
         significant_bits(static_cast<double>(a)) + significant_bits(static_cast<double>(b)) <= 64;
}

template <class M>
bool exact_sum(M a, M b, M s) {
  const M part = s - a;
  return (a - (s - part)) + (b - part) == 0;
}

// What remains when at least one operand is not a finite ball in D's range, and none of the two is a
// certain infinity: NaN and anything absorb, out of range is an overflow.
template <class D>
Ball<D> absorb(const Ball<D>& a) {
  if (a.is_nan()) return Ball<D>::nan();
  if (a.is_anything()) return a;
  return Ball<D>::anything(Unbounded::overflow);
}
template <class D>
bool absorbs(const Ball<D>& a) {
  return !a.in_range() && !(a.rad == 0 && std::fabs(a.mid) == Ball<D>::infinity);
}
template <class D>
Ball<D> absorb(const Ball<D>& a, const Ball<D>& b) {
  if (a.is_nan() || b.is_nan()) return Ball<D>::nan();
  if (b.reason() == Unbounded::unwritten) return b;  // the reason a user must hear of
  return absorbs(a) ? absorb(a) : absorb(b);
}

// A radius that overflowed says nothing.
template <class D>
Ball<D> checked(typename Ball<D>::M mid, typename Ball<D>::M rad) {
  if (!(std::fabs(mid) + rad <= Ball<D>::largest)) [[unlikely]] {
    return Ball<D>::anything(Unbounded::wide);
  }
  return {mid, rad};
}

template <class D>
[[gnu::noinline, gnu::cold]] Ball<D> add_rare(const Ball<D>& a, const Ball<D>& b) {
  if (absorbs(a) || absorbs(b)) return absorb(a, b);
  return {a.mid + b.mid, 0};  // at least one infinity; the other's midpoint stands for it
}

template <class D>
[[gnu::noinline, gnu::cold]] Ball<D> mul_rare(const Ball<D>& a, const Ball<D>& b) {
  if (absorbs(a) || absorbs(b)) return absorb(a, b);
  for (const Ball<D>& x : {a, b}) {
    if (x.rad > 0 && x.contains_zero()) return Ball<D>::anything(Unbounded::domain);
  }
  return {a.mid * b.mid, 0};
}

template <class D>
[[gnu::noinline, gnu::cold]] Ball<D> div_rare(const Ball<D>& a, const Ball<D>& b) {
  using B = Ball<D>;
  if (absorbs(a) || absorbs(b)) return absorb(a, b);
  if (b.rad > 0 && b.contains_zero()) return B::anything(Unbounded::domain);
  const bool b_infinite = !b.in_range();
  if (a.rad > 0 && a.contains_zero()) {
    if (!b_infinite) return B::anything(Unbounded::domain);  // only b == 0 comes here
    return {0, B::d_eta};                                    // a zero of unknown sign
  }
  return {a.mid / b.mid, 0};
}

// Beyond D's range, or not finite.
template <class D>
[[gnu::noinline, gnu::cold]] Ball<D> materialize_rare(const Ball<D>& a) {
  if (!a.is_finite()) return a;
  if (between_steps) return Ball<D>::anything(Unbounded::overflow);
  if (a.lower() > Ball<D>::d_max) return Ball<D>::inf();
  if (a.upper() < -Ball<D>::d_max) return Ball<D>::inf(true);
  return Ball<D>::anything(Unbounded::overflow);
}

// The product with an exact zero: an exact zero where its sign is known.
template <class D>
Ball<D> times_zero(typename Ball<D>::M zero, const Ball<D>& x) {
  if (x.rad > 0 && x.contains_zero()) return {0, Ball<D>::d_eta};
  return {std::copysign(typename Ball<D>::M{1}, x.mid) * zero, 0};
}

}  // namespace ball

template <class D>
inline Ball<D> operator-(const Ball<D>& a) {
  return {-a.mid, a.rad};
}

// |fl(a + b) - (mid a + mid b)| <= ra + rb + u(|a + b|) + eta
template <class D>
inline Ball<D> operator+(const Ball<D>& a, const Ball<D>& b) {
  using B = Ball<D>;
  using M = typename B::M;
  if (!(a.in_range() && b.in_range())) [[unlikely]] {
    return ball::add_rare(a, b);
  }
  const M s = a.mid + b.mid;
  const M spread = a.rad + b.rad;
  if (spread == 0 && ball::representable<D>(s) && ball::exact_sum(a.mid, b.mid, s)) return {s, 0};
  if (b.mid == 0 && b.rad == 0) return a;
  if (a.mid == 0 && a.rad == 0) return b;
  constexpr M on_value = (B::d_u + ball::format_u<D>)*ball::grow<D>;
  constexpr M on_spread = (1 + B::d_u) * ball::grow<D>;
  return {s, spread * on_spread + std::fabs(s) * on_value + B::d_eta * ball::grow<D>};
}

template <class D>
inline Ball<D> operator-(const Ball<D>& a, const Ball<D>& b) {
  return a + (-b);
}

namespace ball {

// |ab - mid a mid b| <= |mid a| rb + ra (|mid b| + rb)
template <class D>
inline Ball<D> mul_wide(const Ball<D>& a, const Ball<D>& b, typename Ball<D>::M am, typename Ball<D>::M bm) {
  using B = Ball<D>;
  using M = typename B::M;
  const M p = a.mid * b.mid;
  const M spread = std::fabs(a.mid) * b.rad + a.rad * bm;
  constexpr M on_value = (B::d_u + format_u<D>)*grow<D>;
  constexpr M on_spread = (1 + B::d_u) * grow<D>;
  const M underflow = B::d_eta * (am > 1 ? am : M{1}) * (bm > 1 ? bm : M{1});
  return {p, spread * on_spread + std::fabs(p) * on_value + underflow * grow<D>};
}

// Where one is a single number the product may be exact. Out of line: the other case is to be inlined.
template <class D>
[[gnu::noinline]] Ball<D> mul_exact(const Ball<D>& a, const Ball<D>& b) {
  const auto p = a.mid * b.mid;
  if (b.rad == 0) {
    if (a.rad == 0 && exact_product(D{}, a.mid, b.mid, p)) return {p, 0};
    if (std::fabs(b.mid) == 1) return {p, a.rad};
    if (b.mid == 0) return times_zero(b.mid, a);
  }
  if (a.rad == 0) {
    if (std::fabs(a.mid) == 1) return {p, b.rad};
    if (a.mid == 0) return times_zero(a.mid, b);
  }
  return mul_wide(a, b, a.magnitude(), b.magnitude());
}

}  // namespace ball

template <class D>
inline Ball<D> operator*(const Ball<D>& a, const Ball<D>& b) {
  using B = Ball<D>;
  using M = typename B::M;
  const M am = a.magnitude();
  const M bm = b.magnitude();
  if (!(am <= B::d_max && bm <= B::d_max)) [[unlikely]] {
    return ball::mul_rare(a, b);
  }
  return a.rad == 0 || b.rad == 0 ? ball::mul_exact(a, b) : ball::mul_wide(a, b, am, bm);
}

// |a/b - q| = |a - q b| / |b| <= (ra + |q| rb) / (|mid b| - rb),  q = mid a / mid b
template <class D>
inline Ball<D> operator/(const Ball<D>& a, const Ball<D>& b) {
  using B = Ball<D>;
  using M = typename B::M;
  const M am = a.magnitude();
  const M nearest = std::fabs(b.mid) - b.rad;
  if (!(am <= B::d_max && b.in_range() && nearest > 0)) [[unlikely]] {
    return ball::div_rare(a, b);
  }
  const M q = a.mid / b.mid;
  if (a.rad == 0) {
    if (a.mid == 0) return {q, 0};
    if (b.rad == 0 && ball::power_of_two(b.mid) && q * b.mid == a.mid && ball::representable<D>(q)) return {q, 0};
  }
  if (b.rad == 0 && std::fabs(b.mid) == 1) return {q, a.rad};
  const M inverse = 1 / nearest;
  const M spread = (a.rad + std::fabs(q) * b.rad) * inverse;
  constexpr M on_value = (B::d_u + ball::format_u<D>)*ball::grow<D>;
  constexpr M on_spread = (1 + B::d_u) * ball::grow<D>;
  const M underflow = B::d_eta * (am > 1 ? am : M{1}) * (inverse > 1 ? inverse : M{1});
  return ball::checked<D>(q, spread * on_spread + std::fabs(q) * on_value + underflow * ball::grow<D>);
}

#define GRADPROOF_WITH_INT(op)                          \
  template <class D>                                    \
  inline Ball<D> operator op(const Ball<D>& a, int b) { \
    return a op Ball<D>::integer(b);                    \
  }                                                     \
  template <class D>                                    \
  inline Ball<D> operator op(int a, const Ball<D>& b) { \
    return Ball<D>::integer(a) op b;                    \
  }
GRADPROOF_WITH_INT(+)
GRADPROOF_WITH_INT(-)
GRADPROOF_WITH_INT(*)
GRADPROOF_WITH_INT(/)
#undef GRADPROOF_WITH_INT

template <class D>
Ball<D> literal(const Ball<D>&, Decimal decimal) {
  using B = Ball<D>;
  using M = typename B::M;
  const M value = static_cast<M>(std::is_same_v<D, float> ? static_cast<long double>(decimal.f64) : decimal.extended);
  const M rounded = static_cast<M>(std::is_same_v<D, float> ? static_cast<double>(decimal.f32) : decimal.f64);
  // An integer of at most 64 bits over a power of two is its own rounding to 64 bits; no other is in D.
  if (decimal.is_dyadic() && decimal.extended == static_cast<long double>(rounded)) return {rounded, 0};
  return {value, (std::fabs(value - rounded) + ball::format_u<D> * std::fabs(value)) * ball::grow<D>};
}

template <class Tag, class D>
Ball<D> constant(const Ball<D>&) {
  using B = Ball<D>;
  using M = typename B::M;
  constexpr M value = static_cast<M>(std::is_same_v<D, float> ? static_cast<long double>(Tag::f64) : Tag::extended);
  constexpr M rounded = static_cast<M>(std::is_same_v<D, float> ? static_cast<double>(Tag::f32) : Tag::f64);
  constexpr M off = value > rounded ? value - rounded : rounded - value;
  constexpr M slack = static_cast<M>(Tag::slack_u) * B::d_u * value;
  return {value, (off + slack + ball::format_u<D> * value) * ball::grow<D>};
}

template <class DtypeUnderTest>
struct Scalar<Ball<DtypeUnderTest>> {
  using Dtype = DtypeUnderTest;
  using D = DtypeUnderTest;
  using B = Ball<D>;
  using M = typename B::M;
  static constexpr bool is_ball = true;
  static B leaf(double value) { return {static_cast<M>(value), 0}; }
  static B integer(int value) { return B::integer(value); }
  // Rounded to D, or kept in double.
  static B argument(double value) {
    const M exact = static_cast<M>(value);
    if (!(std::fabs(exact) <= B::largest) || ball::representable<D>(exact)) return {exact, 0};
    return {exact, (B::d_u * std::fabs(exact) + B::d_eta) * ball::grow<D>};
  }
  static B materialize(const B& a) { return a.in_range() ? a : ball::materialize_rare(a); }
};

static_assert(std::is_trivial_v<Ball<float>> && sizeof(Ball<float>) == 16);
static_assert(std::is_trivial_v<Ball<double>> && sizeof(Ball<double>) <= 32);

}  // namespace gradproof
