// What the parts of ArbBall share; no formula includes it.
#pragma once

#include <cmath>
#include <utility>

#include "engine/scalars/arb_ball.h"

namespace gradproof::arb {

template <class D>
constexpr bool widens() {
  return format_of<D>().rounds();
}

// An upper bound as Arb's magnitude type.
class Magnitude {
 public:
  Magnitude() { mag_init(value_); }
  explicit Magnitude(double bound) {
    mag_init(value_);
    mag_set_d(value_, bound);
  }
  Magnitude(const Magnitude&) = delete;
  Magnitude& operator=(const Magnitude&) = delete;
  ~Magnitude() { mag_clear(value_); }
  mag_ptr get() { return value_; }

 private:
  mag_t value_;
};

class Bound {  // owns an arf_t
 public:
  Bound() { arf_init(value_); }
  Bound(const Bound&) = delete;
  Bound& operator=(const Bound&) = delete;
  ~Bound() { arf_clear(value_); }
  arf_ptr get() { return value_; }
  arf_srcptr get() const { return value_; }
  bool operator<(int value) const { return arf_cmp_si(value_, value) < 0; }
  bool operator<=(int value) const { return arf_cmp_si(value_, value) <= 0; }
  bool operator>(int value) const { return arf_cmp_si(value_, value) > 0; }
  bool operator>=(int value) const { return arf_cmp_si(value_, value) >= 0; }

 private:
  arf_t value_;
};

// A long double as an exact binary number.
ArbNumber from_long_double(long double value);
// Correct to 64 bits or nearly so.
long double to_long_double(arf_srcptr x);

// |x| <= most, for all of the ball.
inline bool within(const ArbNumber& x, double most) {
  Bound size;
  arb_get_abs_ubound_arf(size.get(), x.get(), 192);
  return arf_cmp_d(size.get(), most) <= 0;
}
// |x| > most, for all of the ball, of one sign.
inline bool beyond(const ArbNumber& x, double most) {
  Bound least;
  arb_get_abs_lbound_arf(least.get(), x.get(), 192);
  return arf_cmp_d(least.get(), most) > 0;
}

// The ends of a finite ball, rounded outward.
template <class D>
struct Ends {
  explicit Ends(const ArbBall<D>& a) {
    arb_get_lbound_arf(lo.get(), a.number().get(), arb_precision + 64);
    arb_get_ubound_arf(hi.get(), a.number().get(), arb_precision + 64);
  }
  Bound lo;
  Bound hi;
};

// Is the midpoint a number of D?
template <class D>
bool representable(const ArbNumber& x) {
  const NumberFormat& format = format_of<D>();
  if (!format.rounds()) return true;
  const double near = arf_get_d(x.mid(), ARF_RND_NEAR);
  if (!(std::fabs(near) <= format.max) || rounded_to(format, near) != near) return false;
  Bound back;
  arf_set_d(back.get(), near);
  return arf_equal(back.get(), x.mid()) != 0;
}

// Adds u (value_u |f| + argument_u |x f'|) + eta, the argument's part having been put into the argument.
template <class D>
ArbBall<D> finish(ArbNumber f, const Budget& budget, Unbounded not_finite = Unbounded::wide) {
  if (arb_is_finite(f.get()) == 0) return ArbBall<D>::anything(not_finite);
  if (widens<D>()) {
    Magnitude size;
    arb_get_mag(size.get(), f.get());
    Magnitude factor(budget.value_u * format_of<D>().u);
    mag_mul(size.get(), size.get(), factor.get());
    Magnitude eta(format_of<D>().eta);
    mag_add(size.get(), size.get(), eta.get());
    arb_add_error_mag(f.get(), size.get());
  }
  return ArbBall<D>(std::move(f));
}

// The implementation's error in its argument, where the budget names one.
template <class D>
ArbBall<D> perturbed(const ArbBall<D>& a, const Budget& budget) {
  if (budget.argument_u == 0 || !a.in_range()) return a;
  ArbBall<D> result = a;
  Magnitude size;
  arb_get_mag(size.get(), a.number().get());
  Magnitude factor(budget.argument_u * format_of<D>().u);
  mag_mul(size.get(), size.get(), factor.get());
  arb_add_error_mag(result.number().get(), size.get());
  return result;
}

// As finish, but an exact result of exact operands that D can represent is what every implementation returns.
template <class D>
ArbBall<D> finish_arithmetic(ArbNumber f, bool exact_operands, bool negative_zero) {
  if (exact_operands && arb_is_exact(f.get()) != 0 && representable<D>(f)) {
    ArbBall<D> result(std::move(f));
    result.set_negative_zero(negative_zero && arf_is_zero(result.number().mid()) != 0);
    return result;
  }
  return finish<D>(std::move(f), budget_of<D>(budgets::arithmetic));
}

// eta max(1, |a|) max(1, |b|)
template <class D>
void add_underflow(ArbNumber& f, mag_srcptr a, mag_srcptr b) {
  if (widens<D>()) {
    Magnitude eta(format_of<D>().eta);
    Magnitude one(1);
    if (mag_cmp(a, one.get()) > 0) mag_mul(eta.get(), eta.get(), a);
    if (mag_cmp(b, one.get()) > 0) mag_mul(eta.get(), eta.get(), b);
    arb_add_error_mag(f.get(), eta.get());
  }
}

// NaN and anything absorb; finite beyond D's range is an overflow. A certain infinity does not absorb.
template <class D>
bool absorbs(const ArbBall<D>& a) {
  return a.is_anything() || a.is_nan() || (a.is_finite() && !a.in_range());
}
template <class D>
ArbBall<D> absorb(const ArbBall<D>& a) {
  if (a.is_nan()) return ArbBall<D>::nan();
  if (a.is_anything()) return a;
  return ArbBall<D>::anything(Unbounded::overflow);
}
template <class D>
ArbBall<D> absorb(const ArbBall<D>& a, const ArbBall<D>& b) {
  if (a.is_nan() || b.is_nan()) return ArbBall<D>::nan();
  if (b.reason() == Unbounded::unwritten) return b;
  return absorbs(a) ? absorb(a) : absorb(b);
}

// The sign of a number with one: of an exact zero too.
template <class D>
double sign_of(const ArbBall<D>& a) {
  return a.negative() ? -1 : 1;
}
template <class D>
double infinity_or_sign(const ArbBall<D>& a) {
  if (a.is_special()) return arf_get_d(a.number().mid(), ARF_RND_NEAR);
  return a.is_exactly(0) ? std::copysign(0.0, sign_of(a)) : sign_of(a);
}

}  // namespace gradproof::arb
