#include "engine/scalars/arb_ball.h"

#include <cmath>
#include <memory>

#include "engine/scalars/affine.h"
#include "engine/scalars/arb_support.h"

namespace gradproof {

template <class D>
ArbBall<D> ArbBall<D>::anything(Unbounded reason) {
  ArbBall result;
  arb_zero_pm_inf(result.number_.get());
  result.reason_ = reason;
  return result;
}

template <class D>
ArbBall<D> ArbBall<D>::inf(bool negative) {
  return exactly(negative ? -HUGE_VAL : HUGE_VAL);
}

template <class D>
ArbBall<D> ArbBall<D>::beyond(bool negative) {
  if (arb::widens<D>()) {
    ArbBall result = exactly(negative ? -1 : 1);
    arb_mul_2exp_si(result.number_.get(), result.number_.get(), 1100);
    arb_add_error_2exp_si(result.number_.get(), 1099);
    return result;
  } else {
    return anything(Unbounded::wide);
  }
}

template <class D>
ArbBall<D> ArbBall<D>::exactly(double value) {
  ArbBall result{ArbNumber(value)};
  result.negative_zero_ = value == 0 && std::signbit(value);
  return result;
}

template <class D>
ArbBall<D> ArbBall<D>::integer(int value) {
  ArbBall result = exactly(value);
  if (!arb::representable<D>(result.number_)) {
    arb::Magnitude error(std::fabs(static_cast<double>(value)) * format_of<D>().u);
    arb_add_error_mag(result.number_.get(), error.get());
  }
  return result;
}

template <class D>
template <class F>
requires std::is_floating_point_v<F> ArbBall<D> ArbBall<D>::from_ball(const Ball<F>& ball) {
  if (ball.is_anything()) return anything(ball.reason());
  if (ball.is_special() || ball.is_exactly(0)) return exactly(static_cast<double>(ball.mid));
  ArbBall result(arb::from_long_double(static_cast<long double>(ball.mid)));
  const ArbNumber radius = arb::from_long_double(static_cast<long double>(ball.rad));
  arf_get_mag(result.number_.rad(), radius.mid());
  return result;
}

template <class D>
bool ArbBall<D>::in_range() const {
  if (!is_finite()) return false;
  return !arb::widens<D>() || arb::within(number_, format_of<D>().max);
}

template <class D>
bool ArbBall<D>::contains(double value) const {
  if (is_anything()) return true;
  if (is_nan() || std::isnan(value)) return is_nan() && std::isnan(value);
  arb::Bound exact;
  arf_set_d(exact.get(), value);
  return arb_contains_arf(number_.get(), exact.get()) != 0;
}

template <class D>
double ArbBall<D>::lower() const {
  arb::Bound bound;
  arb_get_lbound_arf(bound.get(), number_.get(), 64);
  return arf_get_d(bound.get(), ARF_RND_FLOOR);
}

template <class D>
double ArbBall<D>::upper() const {
  arb::Bound bound;
  arb_get_ubound_arf(bound.get(), number_.get(), 64);
  return arf_get_d(bound.get(), ARF_RND_CEIL);
}

template <class D>
typename ArbBall<D>::Enclosure ArbBall<D>::enclosure() const {
  if (!is_finite()) {
    return {static_cast<long double>(arf_get_d(number_.mid(), ARF_RND_NEAR)), is_anything() ? HUGE_VALL : 0.0L};
  }
  const long double mid = arb::to_long_double(number_.mid());
  arb::Bound radius;
  arf_set_mag(radius.get(), number_.rad());
  const long double rad = arb::to_long_double(radius.get());
  const long double rounding = std::fabs(mid) * 0x1p-63L + 0x1p-16000L;
  return {mid, is_exact() && arb::representable<double>(number_) ? 0.0L : (rad + rounding) * (1 + 0x1p-60L)};
}

template <class D>
std::string ArbBall<D>::to_string(int digits) const {
  if (is_anything()) return "anything";
  const std::unique_ptr<char, decltype(&flint_free)> text(arb_get_str(number_.get(), digits, 0),
                                                          [](void* p) { flint_free(p); });
  return text.get();
}

// --- Scalar ---

template <class D>
ArbBall<D> Scalar<ArbBall<D>>::argument(double value) {
  ArbBall<D> result = ArbBall<D>::exactly(value);
  if (result.is_special() || arb::representable<D>(result.number())) return result;
  return arb::finish<D>(result.number(), {1, 0});
}

template <class D>
ArbBall<D> Scalar<ArbBall<D>>::materialize(const B& a) {
  if (!a.is_finite() || a.in_range()) {
    return affine::formed(a, a, [](auto made) { return affine::stored(std::move(made)); });
  }
  if (!between_steps && arb::beyond(a.number(), format_of<D>().max)) return B::inf(arf_sgn(a.number().mid()) < 0);
  return B::anything(Unbounded::overflow);
}

// --- arithmetic ---

template <class D>
ArbBall<D> operator-(const ArbBall<D>& a) {
  if (a.is_anything()) return a;
  ArbBall<D> result = a;
  arb_neg(result.number().get(), result.number().get());
  result.set_negative_zero(a.is_exactly(0) && !a.negative());
  return affine::formed(std::move(result), a, [&](auto made) { return affine::negated(std::move(made), a); });
}

template <class D>
ArbBall<D> operator+(const ArbBall<D>& a, const ArbBall<D>& b) {
  using B = ArbBall<D>;
  if (arb::absorbs(a) || arb::absorbs(b)) return arb::absorb(a, b);
  if (a.is_special() || b.is_special()) return B::exactly(arb::infinity_or_sign(a) + arb::infinity_or_sign(b));
  if (a.is_exactly(0) && b.is_exactly(0)) return B::exactly(arb::infinity_or_sign(a) + arb::infinity_or_sign(b));
  if (b.is_exactly(0)) return a;
  if (a.is_exactly(0)) return b;
  ArbNumber sum;
  arb_add(sum.get(), a.number().get(), b.number().get(), arb_precision);
  ArbBall<D> result = arb::finish_arithmetic<D>(std::move(sum), a.is_exact() && b.is_exact(), false);
  return affine::formed(std::move(result), a, [&](auto made) {
    return affine::sum(std::move(made), a, b, affine::allowed(budget_of<D>(budgets::arithmetic)));
  });
}

template <class D>
ArbBall<D> operator-(const ArbBall<D>& a, const ArbBall<D>& b) {
  return a + (-b);
}

namespace {

// An exact zero with its sign where that is known, a zero of unknown sign otherwise.
template <class D>
ArbBall<D> zero_from(const ArbBall<D>& a, const ArbBall<D>& b) {
  const bool known = (a.is_exact() || !a.contains_zero()) && (b.is_exact() || !b.contains_zero());
  if (known) return ArbBall<D>::exactly(std::copysign(0.0, arb::sign_of(a) * arb::sign_of(b)));
  return arb::finish<D>(ArbNumber(), {});
}

}  // namespace

template <class D>
ArbBall<D> operator*(const ArbBall<D>& a, const ArbBall<D>& b) {
  using B = ArbBall<D>;
  if (arb::absorbs(a) || arb::absorbs(b)) return arb::absorb(a, b);
  if (a.is_special() || b.is_special()) {
    if ((a.contains_zero() && !a.is_exact()) || (b.contains_zero() && !b.is_exact())) {
      return B::anything(Unbounded::domain);
    }
    return B::exactly(arb::infinity_or_sign(a) * arb::infinity_or_sign(b));
  }
  if (a.is_exactly(0) || b.is_exactly(0)) return zero_from(a, b);
  if (b.is_exactly(1)) return a;
  if (a.is_exactly(1)) return b;
  if (b.is_exactly(-1)) return -a;
  if (a.is_exactly(-1)) return -b;
  ArbNumber product;
  arb_mul(product.get(), a.number().get(), b.number().get(), arb_precision);
  const bool exact = a.is_exact() && b.is_exact() && arb_is_exact(product.get()) != 0 && arb::representable<D>(product);
  if (!exact) {
    arb::Magnitude am;
    arb::Magnitude bm;
    arb_get_mag(am.get(), a.number().get());
    arb_get_mag(bm.get(), b.number().get());
    arb::add_underflow<D>(product, am.get(), bm.get());
  }
  ArbBall<D> result = arb::finish_arithmetic<D>(std::move(product), exact, false);
  return affine::formed(std::move(result), a, [&](auto made) {
    affine::Off off = affine::allowed(budget_of<D>(budgets::arithmetic));
    off.absolute += 2 * affine::underflow(a.number(), b.number());
    return affine::product(std::move(made), a, b, off);
  });
}

template <class D>
ArbBall<D> operator/(const ArbBall<D>& a, const ArbBall<D>& b) {
  using B = ArbBall<D>;
  if (arb::absorbs(a) || arb::absorbs(b)) return arb::absorb(a, b);
  if (b.contains_zero() && !b.is_exact()) return B::anything(Unbounded::domain);
  if (a.is_special() || b.is_special() || b.is_exactly(0)) {
    if (a.contains_zero() && !a.is_exact()) return b.is_special() ? zero_from(a, b) : B::anything(Unbounded::domain);
    return B::exactly(arb::infinity_or_sign(a) / arb::infinity_or_sign(b));
  }
  if (a.is_exactly(0)) return zero_from(a, b);
  if (b.is_exactly(1)) return a;
  if (b.is_exactly(-1)) return -a;
  ArbNumber quotient;
  arb_div(quotient.get(), a.number().get(), b.number().get(), arb_precision);
  // As of fast balls: g (x/y) is as often computed as (g x)/y.
  const bool exact = a.is_exact() && b.is_exact() && arf_bits(b.number().mid()) == 1 &&
                     arb_is_exact(quotient.get()) != 0 && arb::representable<D>(quotient);
  if (!exact && arb_is_finite(quotient.get()) != 0) {
    arb::Magnitude am;
    arb::Magnitude inverse;
    arb_get_mag(am.get(), a.number().get());
    arb_get_mag_lower(inverse.get(), b.number().get());
    mag_inv(inverse.get(), inverse.get());
    arb::add_underflow<D>(quotient, am.get(), inverse.get());
  }
  ArbBall<D> result = arb::finish_arithmetic<D>(std::move(quotient), exact, false);
  return affine::formed(std::move(result), a, [&](auto made) {
    ArbNumber inverse;
    arb_inv(inverse.get(), b.number().get(), arb_precision);
    affine::Off off = affine::allowed(budget_of<D>(budgets::arithmetic));
    off.absolute += 2 * affine::underflow(a.number(), inverse);
    return affine::quotient(std::move(made), a, b, off);
  });
}

// --- sums ---

template <class D>
void Accumulator<ArbBall<D>>::add(const B& x) {
  ++count_;
  if (!x.in_range()) {
    special_ = special_ + x;
    return;
  }
  arb_add(sum_.get(), sum_.get(), x.number().get(), arb_precision);
  if constexpr (affine::carried<D>) form_ = affine::extended(form_, count_, x);
  ArbNumber size;
  arb_abs(size.get(), x.number().get());
  arb_add(size_.get(), size_.get(), size.get(), arb_precision);
  negative_zero_ = negative_zero_ || (x.is_exactly(0) && x.negative());
  note(x.number());
}

template <class D>
void Accumulator<ArbBall<D>>::add_product(const B& a, const B& b) {
  ++count_;
  ++products_;
  if (!a.in_range() || !b.in_range()) {
    special_ = special_ + a * b;
    return;
  }
  ArbNumber product;
  arb_mul(product.get(), a.number().get(), b.number().get(), arb_precision);
  if (arb::widens<D>() && !sums_are_wider()) {
    // So far beyond D's range it is infinite, fused with the sum or not.
    ArbNumber quarter;
    arb_mul_2exp_si(quarter.get(), product.get(), -2);
    if (arb::beyond(quarter, format_of<D>().max)) {
      beyond_.add(arf_sgn(quarter.mid()) < 0);
      return;
    }
  }
  arb_add(sum_.get(), sum_.get(), product.get(), arb_precision);
  if constexpr (affine::carried<D>) form_ = affine::extended(form_, count_, a, b);
  note(product);
  negative_zero_ = negative_zero_ || (arb_is_zero(product.get()) != 0 && a.negative() != b.negative());
  arb_abs(product.get(), product.get());
  arb_add(size_.get(), size_.get(), product.get(), arb_precision);
}

template <class D>
void Accumulator<ArbBall<D>>::note(const ArbNumber& term) {
  if (arb::widens<D>()) {
    exact_ = exact_ && arb_is_exact(term.get()) != 0 && arb::representable<D>(term);
    if (exact_ && arb_is_zero(term.get()) == 0) exact_sum_.add(arf_get_d(term.mid(), ARF_RND_NEAR));
  }
}

template <class D>
bool Accumulator<ArbBall<D>>::sums_are_wider() const {
  return format_of<D>().sum_u < format_of<D>().u;
}

// What the steps may be off, in relation to the sum of sizes.
template <class D>
double Accumulator<ArbBall<D>>::roundings() const {
  const NumberFormat& format = format_of<D>();
  const double steps = static_cast<double>(products_ > 0 || count_ == 0 ? count_ : count_ - 1);
  // Where sums are wider, each term may have been stored before it, and the sum is rounded at the end.
  if (sums_are_wider() && !stepwise_) return format.u + steps * format.sum_u;
  return steps * format.u;
}

namespace {

template <class D, class Off>
ArbBall<D> with_total(ArbBall<D> result, const FormId& sum, Off off) {
  if constexpr (affine::carried<D>) {
    if (affine::in_force()) return affine::total(std::move(result), sum, off());
  }
  return result;
}

}  // namespace

template <class D>
typename Accumulator<ArbBall<D>>::B Accumulator<ArbBall<D>>::result() const {
  B special = beyond_.with(special_);
  if (special.is_anything() || special.is_nan()) return special;
  if (!arb::widens<D>())
    return special.is_special() ? special
                                : with_total<D>(arb::finish<D>(sum_, {}), form_, [] { return affine::Off{}; });
  const NumberFormat& format = format_of<D>();
  if (roundings() >= 1) return B::anything(Unbounded::wide);
  ArbNumber most;
  arb_set_d(most.get(), 1 + roundings() + format.u);
  arb_mul(most.get(), most.get(), size_.get(), arb_precision);
  const bool fits = arb::within(most, format.max);
  if (special.is_special()) return fits ? special : B::anything(Unbounded::overflow);
  arb::Magnitude size;
  arb_get_mag(size.get(), size_.get());
  if (exact_ && fits && exact_sum_.holds(mag_get_d(size.get()), format.digits) && arb_is_exact(sum_.get()) != 0) {
    return negative_zero_ && arb_is_zero(sum_.get()) != 0 ? arb::finish<D>(sum_, {}) : B(sum_);
  }
  ArbNumber sum = sum_;
  arb::Magnitude off(roundings());
  mag_mul(off.get(), off.get(), size.get());
  arb_add_error_mag(sum.get(), off.get());
  arb::Magnitude underflow(static_cast<double>(products_ + 1) * format.eta);
  arb_add_error_mag(sum.get(), underflow.get());
  const Budget last{sums_are_wider() ? 1.0 : 0.0, 0};
  if (fits) {
    return with_total<D>(arb::finish<D>(std::move(sum), last), form_, [&] {
      affine::Off all = affine::allowed(last);
      all.absolute += affine::upper_bound(off.get()) + affine::upper_bound(underflow.get());
      return all;
    });
  }
  // See Accumulator<Ball>: certain only where the terms of the other sign cannot overflow by themselves.
  ArbNumber against;
  arb_abs(against.get(), sum.get());
  arb_sub(against.get(), size_.get(), against.get(), arb_precision);
  const bool certain = arb::beyond(sum, format.max) && B(against).upper() < format.max;
  return certain ? B::beyond(arf_sgn(sum.mid()) < 0) : B::anything(Unbounded::overflow);
}

template class ArbBall<UnderTest>;
template class ArbBall<Exact>;
template ArbBall<UnderTest> ArbBall<UnderTest>::from_ball(const Ball<float>&);
template ArbBall<UnderTest> ArbBall<UnderTest>::from_ball(const Ball<double>&);
template ArbBall<Exact> ArbBall<Exact>::from_ball(const Ball<float>&);
template ArbBall<Exact> ArbBall<Exact>::from_ball(const Ball<double>&);
#define GRADPROOF_ARB_INSTANTIATE(D)                                   \
  template struct Scalar<ArbBall<D>>;                                  \
  template class Accumulator<ArbBall<D>>;                              \
  template ArbBall<D> operator-(const ArbBall<D>&);                    \
  template ArbBall<D> operator+(const ArbBall<D>&, const ArbBall<D>&); \
  template ArbBall<D> operator-(const ArbBall<D>&, const ArbBall<D>&); \
  template ArbBall<D> operator*(const ArbBall<D>&, const ArbBall<D>&); \
  template ArbBall<D> operator/(const ArbBall<D>&, const ArbBall<D>&);
GRADPROOF_ARB_INSTANTIATE(UnderTest)
GRADPROOF_ARB_INSTANTIATE(Exact)

}  // namespace gradproof
