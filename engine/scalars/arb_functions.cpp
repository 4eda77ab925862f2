// Elementary functions of ArbBall: domains and specials as in ball_functions.h, images by Arb.
#include <cmath>

#ifdef GRADPROOF_ARB_HEADER_FLINT
#include <flint/arb_hypgeom.h>
#else
#include <arb_hypgeom.h>
#endif

#include "engine/scalars/affine.h"
#include "engine/scalars/arb_ball.h"
#include "engine/scalars/arb_slopes.h"
#include "engine/scalars/arb_support.h"

namespace gradproof {

namespace {

using Function = void (*)(arb_ptr, arb_srcptr, slong);

void exp2_arb(arb_ptr to, arb_srcptr x, slong bits) {
  ArbNumber scaled;
  arb_const_log2(scaled.get(), bits + 64);
  arb_mul(scaled.get(), scaled.get(), x, bits + 64);
  arb_exp(to, scaled.get(), bits);
}
void log2_arb(arb_ptr to, arb_srcptr x, slong bits) { arb_log_base_ui(to, x, 2, bits); }
void log10_arb(arb_ptr to, arb_srcptr x, slong bits) { arb_log_base_ui(to, x, 10, bits); }

// A ball with fewer good bits than this goes by its ends where the function is monotone.
constexpr slong narrow_bits = 30;

enum class Shape { monotone, other };

template <class D>
ArbNumber image(const ArbBall<D>& a, Function f, Shape shape) {
  ArbNumber result;
  if (shape == Shape::monotone && !a.is_exact() && arb_rel_accuracy_bits(a.number().get()) < narrow_bits) {
    const arb::Ends<D> ends(a);
    ArbNumber low;
    ArbNumber high;
    arb_set_arf(low.get(), ends.lo.get());
    arb_set_arf(high.get(), ends.hi.get());
    f(low.get(), low.get(), arb_precision);
    f(high.get(), high.get(), arb_precision);
    arb_union(result.get(), low.get(), high.get(), arb_precision);
  } else {
    f(result.get(), a.number().get(), arb_precision);
  }
  return result;
}

// An infinite argument: libm's value where that is exact, f's limit otherwise.
template <class D>
ArbBall<D> at_infinity(const ArbBall<D>& a, const PrimitiveBudget& row, double limit, Function f) {
  if (!std::isfinite(limit) || limit == std::trunc(limit)) return ArbBall<D>::exactly(limit);
  return arb::finish<D>(image(a, f, Shape::other), budget_of<D>(row));
}

// The frame of every function: absorption, infinities, exact cases and domain by `before` (which answers by
// returning a result), then the image, then the budget.
template <class D, class Libm, class Before>
ArbBall<D> apply(const ArbBall<D>& x, const PrimitiveBudget& row, Libm libm, Function f, Function slope, Shape shape,
                 Before before, Unbounded not_finite = Unbounded::wide) {
  const ArbBall<D> a = arb::perturbed(x, budget_of<D>(row));
  if (arb::absorbs(a)) return arb::absorb(a);
  if (a.is_special()) return at_infinity(a, row, libm(arb::infinity_or_sign(a)), f);
  ArbBall<D> early;
  if (before(a, early)) return early;
  return affine::image(arb::finish<D>(image(a, f, shape), budget_of<D>(row), not_finite), a, row, f, slope);
}

// f(at) = value, exactly.
template <class D>
bool exact_at(const ArbBall<D>& a, int at, double value, ArbBall<D>& result) {
  if (!a.is_exactly(at)) return false;
  result = ArbBall<D>::exactly(value);
  return true;
}
// f(+-0) = +-0
template <class D>
bool odd_zero(const ArbBall<D>& a, ArbBall<D>& result) {
  if (!a.is_exactly(0)) return false;
  result = a;
  return true;
}
template <class D>
bool answer(ArbBall<D>& result, ArbBall<D> with) {
  result = std::move(with);
  return true;
}

// Functions that grow like exp: beyond D's range whatever Arb can hold.
template <class D>
bool overflows(const ArbBall<D>& a, bool odd, ArbBall<D>& result) {
  if (arb::widens<D>()) {
    const arb::Ends<D> ends(a);
    if (ends.lo > 2000) return answer(result, ArbBall<D>::beyond(false));
    if (odd && ends.hi < -2000) return answer(result, ArbBall<D>::beyond(true));
    if (ends.hi > 100000 || (odd && ends.lo < -100000)) {
      return answer(result, ArbBall<D>::anything(Unbounded::overflow));
    }
  }
  return false;
}

// Domain x > edge (or >=); f(edge) is the certain value there.
template <class D>
bool outside_below(const ArbBall<D>& a, int edge, bool closed, double at_edge, ArbBall<D>& result) {
  if (a.is_exactly(edge)) return answer(result, ArbBall<D>::exactly(at_edge));
  const arb::Ends<D> ends(a);
  if (ends.hi < edge) return answer(result, ArbBall<D>::nan());
  if (ends.lo < edge || (!closed && ends.lo <= edge)) return answer(result, ArbBall<D>::anything(Unbounded::domain));
  return false;
}

template <class D>
bool outside_one(const ArbBall<D>& a, bool closed, ArbBall<D>& result) {
  const arb::Ends<D> ends(a);
  if (ends.lo > 1 || ends.hi < -1) return answer(result, ArbBall<D>::nan());
  const bool inside = closed ? ends.lo >= -1 && ends.hi <= 1 : ends.lo > -1 && ends.hi < 1;
  return inside ? false : answer(result, ArbBall<D>::anything(Unbounded::domain));
}

constexpr auto monotone = Shape::monotone;
constexpr auto other = Shape::other;
constexpr auto wide = Unbounded::wide;
constexpr auto jump = Unbounded::jump;
constexpr auto overflow = Unbounded::overflow;
constexpr double minus_inf = -HUGE_VAL;

}  // namespace

#define GRADPROOF_ARB_FUNCTION(name, f, shape, not_finite, ...)                                   \
  template <class D>                                                                              \
  ArbBall<D> name(const ArbBall<D>& x) {                                                          \
    return apply(                                                                                 \
        x, budgets::name, [](double v) { return std::name(v); }, f, arb::slopes::name, shape,     \
        [](const ArbBall<D>& a, ArbBall<D>& result) -> bool { return __VA_ARGS__; }, not_finite); \
  }
GRADPROOF_ARB_FUNCTION(exp, arb_exp, monotone, overflow, exact_at(a, 0, 1, result) || overflows(a, false, result))
GRADPROOF_ARB_FUNCTION(exp2, exp2_arb, monotone, overflow, exact_at(a, 0, 1, result) || overflows(a, false, result))
GRADPROOF_ARB_FUNCTION(expm1, arb_expm1, monotone, overflow, odd_zero(a, result) || overflows(a, false, result))
GRADPROOF_ARB_FUNCTION(log, arb_log, monotone, wide,
                       exact_at(a, 1, 0, result) || outside_below(a, 0, false, minus_inf, result))
GRADPROOF_ARB_FUNCTION(log2, log2_arb, monotone, wide,
                       exact_at(a, 1, 0, result) || outside_below(a, 0, false, minus_inf, result))
GRADPROOF_ARB_FUNCTION(log10, log10_arb, monotone, wide,
                       exact_at(a, 1, 0, result) || outside_below(a, 0, false, minus_inf, result))
GRADPROOF_ARB_FUNCTION(log1p, arb_log1p, monotone, wide,
                       odd_zero(a, result) || outside_below(a, -1, false, minus_inf, result))
GRADPROOF_ARB_FUNCTION(sin, arb_sin, other, wide, odd_zero(a, result))
GRADPROOF_ARB_FUNCTION(cos, arb_cos, other, wide, exact_at(a, 0, 1, result))
GRADPROOF_ARB_FUNCTION(tan, arb_tan, other, jump, odd_zero(a, result))
GRADPROOF_ARB_FUNCTION(asin, arb_asin, monotone, wide, odd_zero(a, result) || outside_one(a, true, result))
GRADPROOF_ARB_FUNCTION(acos, arb_acos, monotone, wide, exact_at(a, 1, 0, result) || outside_one(a, true, result))
GRADPROOF_ARB_FUNCTION(atan, arb_atan, monotone, wide, odd_zero(a, result))
GRADPROOF_ARB_FUNCTION(sinh, arb_sinh, monotone, overflow, odd_zero(a, result) || overflows(a, true, result))
GRADPROOF_ARB_FUNCTION(tanh, arb_tanh, monotone, wide, odd_zero(a, result))
GRADPROOF_ARB_FUNCTION(asinh, arb_asinh, monotone, wide, odd_zero(a, result))
GRADPROOF_ARB_FUNCTION(acosh, arb_acosh, monotone, wide, outside_below(a, 1, true, 0, result))
GRADPROOF_ARB_FUNCTION(atanh, arb_atanh, monotone, wide,
                       odd_zero(a, result) || exact_at(a, 1, HUGE_VAL, result) || exact_at(a, -1, minus_inf, result) ||
                           outside_one(a, false, result))
GRADPROOF_ARB_FUNCTION(erf, arb_hypgeom_erf, monotone, wide, odd_zero(a, result))
GRADPROOF_ARB_FUNCTION(erfc, arb_hypgeom_erfc, monotone, wide, exact_at(a, 0, 1, result))
#undef GRADPROOF_ARB_FUNCTION

template <class D>
ArbBall<D> cosh(const ArbBall<D>& x) {
  return apply(
      abs(x), budgets::cosh, [](double v) { return std::cosh(v); }, arb_cosh, arb::slopes::cosh, Shape::monotone,
      [](const ArbBall<D>& a, ArbBall<D>& result) { return exact_at(a, 0, 1, result) || overflows(a, false, result); },
      Unbounded::overflow);
}

template <class D>
ArbBall<D> sqrt(const ArbBall<D>& x) {
  const ArbBall<D> a = arb::perturbed(x, budget_of<D>(budgets::sqrt));
  if (arb::absorbs(a)) return arb::absorb(a);
  if (a.is_special()) return ArbBall<D>::exactly(std::sqrt(arb::infinity_or_sign(a)));
  ArbBall<D> early;
  if (odd_zero(a, early) || outside_below(a, 0, true, 0, early)) return early;
  ArbNumber root = image(a, arb_sqrt, Shape::monotone);
  if (a.is_exact() && arb_is_exact(root.get()) != 0 && arb::representable<D>(root)) return ArbBall<D>(std::move(root));
  ArbBall<D> result = arb::finish<D>(std::move(root), budget_of<D>(budgets::sqrt));
  return affine::image(std::move(result), a, budgets::sqrt, arb_sqrt, arb::slopes::sqrt);
}

// --- two arguments ---

template <class D>
ArbBall<D> hypot(const ArbBall<D>& a, const ArbBall<D>& b) {
  using B = ArbBall<D>;
  const bool infinite = (a.is_special() && !a.is_nan()) || (b.is_special() && !b.is_nan());
  if (infinite && (a.is_nan() || b.is_nan())) return B::anything(Unbounded::domain);
  if (arb::absorbs(a) || arb::absorbs(b)) return arb::absorb(a, b);
  if (infinite) return B::inf();
  if (b.is_exactly(0)) return abs(a);
  if (a.is_exactly(0)) return abs(b);
  ArbNumber result;
  const B x = abs(a);
  const B y = abs(b);
  arb_hypot(result.get(), x.number().get(), y.number().get(), arb_precision);
  const auto by_y = [](arb_ptr to, arb_srcptr m, arb_srcptr n, slong bits) { arb::slopes::hypot(to, n, m, bits); };
  return affine::image(arb::finish<D>(std::move(result), budget_of<D>(budgets::hypot)), x, y, budgets::hypot, arb_hypot,
                       arb::slopes::hypot, by_y);
}

template <class D>
ArbBall<D> atan2(const ArbBall<D>& y, const ArbBall<D>& x) {
  using B = ArbBall<D>;
  const Budget budget = budget_of<D>(budgets::atan2);
  if (arb::absorbs(y) || arb::absorbs(x)) return arb::absorb(y, x);
  const bool on_axis = y.is_exactly(0);
  if (y.is_special() || x.is_special() || on_axis) {
    if (y.contains_zero() && !y.is_exact()) return B::anything(Unbounded::jump);
    if (on_axis && x.contains_zero() && !x.is_exact()) return B::anything(Unbounded::jump);
    const double angle = std::atan2(arb::infinity_or_sign(y), arb::infinity_or_sign(x));
    if (angle == 0) return B::exactly(angle);
    // A multiple of pi/4.
    ArbNumber exact;
    arb_const_pi(exact.get(), arb_precision);
    arb_mul_si(exact.get(), exact.get(), static_cast<slong>(std::lround(angle / std::atan(1.0))), arb_precision);
    arb_mul_2exp_si(exact.get(), exact.get(), -2);
    return arb::finish<D>(std::move(exact), budget);
  }
  if (y.contains_zero() && !(arb::Ends<D>(x).lo > 0)) return B::anything(Unbounded::jump);
  ArbNumber result;
  arb_atan2(result.get(), y.number().get(), x.number().get(), arb_precision);
  return affine::image(arb::finish<D>(std::move(result), budget), y, x, budgets::atan2, arb_atan2, arb::slopes::atan2_y,
                       arb::slopes::atan2_x);
}

namespace {

template <class D>
bool is_integer(const ArbBall<D>& y) {
  return y.is_exact() && arf_is_int(y.number().mid()) != 0;
}
template <class D>
bool is_odd(const ArbBall<D>& y) {
  return is_integer(y) && arf_is_int_2exp_si(y.number().mid(), 1) == 0;
}

template <class D>
ArbBall<D> pow_infinite(const ArbBall<D>& x, const ArbBall<D>& y) {
  using B = ArbBall<D>;
  if ((x.is_exact() || x.is_special()) && (y.is_exact() || y.is_special())) {
    // Of a finite operand only what decides the limit matters: |x| against 1, y's sign and parity.
    double base = arb::infinity_or_sign(x);
    if (x.is_exact() && !x.is_exactly(0)) {
      const arb::Ends<D> ends(abs(x));
      base *= ends.lo > 1 ? 2 : (ends.lo < 1 ? 0.5 : 1);
    }
    double power = arb::infinity_or_sign(y);
    if (y.is_exact() && !y.is_exactly(0)) power *= is_odd(y) ? 1 : (is_integer(y) ? 2 : 0.5);
    return B::exactly(std::pow(base, power));
  }
  if (y.is_special()) {
    const arb::Ends<D> ends(abs(x));
    if (ends.lo > 1) return y.negative() ? B::exactly(0) : B::inf();
    if (ends.hi < 1) return y.negative() ? B::inf() : B::exactly(0);
  } else if (!x.negative() && !y.contains_zero()) {
    return y.negative() ? B::exactly(0) : B::inf();
  }
  return B::anything(Unbounded::domain);
}

template <class D>
ArbBall<D> pow_zero(const ArbBall<D>& x, const ArbBall<D>& y) {
  using B = ArbBall<D>;
  if (y.is_exact()) {
    const double power = (y.negative() ? -1 : 1) * (is_odd(y) ? 1.0 : 2.0);
    return B::exactly(std::pow(std::copysign(0.0, arb::sign_of(x)), power));
  }
  if (y.contains_zero()) return B::anything(Unbounded::jump);
  if (x.negative()) return y.negative() ? B::anything(Unbounded::domain) : arb::finish<D>(ArbNumber(), {});
  return y.negative() ? B::inf() : B::exactly(0);
}

// x > 0: e^(y log x), of ends where the operands are wide.
template <class D>
ArbBall<D> pow_positive(const ArbBall<D>& x, const ArbBall<D>& y) {
  ArbBall<D> exponent(image(x, arb_log, Shape::monotone));
  ArbBall<D> early;
  arb_mul(exponent.number().get(), exponent.number().get(), y.number().get(), arb_precision);
  if (overflows(exponent, false, early)) return early;
  ArbNumber result;
  if (is_integer(y) && arb_rel_accuracy_bits(x.number().get()) >= narrow_bits) {
    arb_pow(result.get(), x.number().get(), y.number().get(), arb_precision);
  } else {
    result = image(exponent, arb_exp, Shape::monotone);
  }
  return arb::finish<D>(std::move(result), budget_of<D>(budgets::pow), Unbounded::overflow);
}

// [lo^y, hi^y] of a base at or around zero, y > 0.
template <class D>
ArbBall<D> pow_around_zero(const ArbBall<D>& x, const ArbBall<D>& y) {
  using B = ArbBall<D>;
  if (!y.is_exact() && arb_is_positive(y.number().get()) == 0) return B::anything(Unbounded::domain);
  if (arf_sgn(y.number().mid()) <= 0) return B::anything(Unbounded::domain);
  const arb::Ends<D> ends(x);
  if (ends.lo < 0 && !is_integer(y)) return B::anything(Unbounded::domain);
  const auto power = [&y](arf_srcptr base) {
    B end;
    arf_abs(end.number().mid(), base);
    if (arf_is_zero(base)) return end;
    B result = pow_positive(end, y);
    if (arf_sgn(base) < 0 && is_odd(y)) return -result;
    return result;
  };
  // One more zero: an even power, or any of a base that touches zero, starts there.
  const B low = power(ends.lo.get());
  const B high = power(ends.hi.get());
  return hull(hull(low, high), B{});
}

template <class D>
ArbBall<D> with_form(ArbBall<D> power, const ArbBall<D>& x, const ArbBall<D>& y) {
  return affine::image(std::move(power), x, y, budgets::pow, arb_pow, arb::slopes::pow_base, arb::slopes::pow_exponent);
}

}  // namespace

template <class D>
ArbBall<D> pow(const ArbBall<D>& x, const ArbBall<D>& y) {
  using B = ArbBall<D>;
  const bool one = y.is_exactly(0) || x.is_exactly(1);
  if (one && (x.is_nan() || y.is_nan())) return B::anything(Unbounded::domain);
  if (arb::absorbs(x) || arb::absorbs(y)) return arb::absorb(x, y);
  if (x.is_special() || y.is_special()) return pow_infinite(x, y);
  if (one) return B::exactly(1);
  if (x.is_exactly(0)) return pow_zero(x, y);
  if (arb_is_positive(x.number().get()) != 0) return with_form(pow_positive(x, y), x, y);
  if (arb_is_negative(x.number().get()) == 0) return with_form(pow_around_zero(x, y), x, y);
  if (!is_integer(y)) return y.is_exact() ? B::nan() : B::anything(Unbounded::domain);
  const B size = pow_positive(-x, y);
  return with_form(is_odd(y) ? -size : size, x, y);
}

#define GRADPROOF_ARB_INSTANTIATE(name)                        \
  template ArbBall<UnderTest> name(const ArbBall<UnderTest>&); \
  template ArbBall<Exact> name(const ArbBall<Exact>&);
GRADPROOF_ARB_UNARY_LIST(GRADPROOF_ARB_INSTANTIATE)
#undef GRADPROOF_ARB_INSTANTIATE
#define GRADPROOF_ARB_INSTANTIATE(name)                                                   \
  template ArbBall<UnderTest> name(const ArbBall<UnderTest>&, const ArbBall<UnderTest>&); \
  template ArbBall<Exact> name(const ArbBall<Exact>&, const ArbBall<Exact>&);
GRADPROOF_ARB_INSTANTIATE(hypot)
GRADPROOF_ARB_INSTANTIATE(atan2)
GRADPROOF_ARB_INSTANTIATE(pow)

}  // namespace gradproof
