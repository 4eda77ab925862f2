// Comparisons, branches, literals and constants of ArbBall.
#include "engine/scalars/affine.h"
#include "engine/scalars/arb_ball.h"
#include "engine/scalars/arb_support.h"

namespace gradproof {

namespace {

// Finite beyond D's range, or anything.
template <class D>
bool incomparable(const ArbBall<D>& a) {
  return !a.in_range() && !a.is_special();
}

Truth left_open() {
  branch.met = true;
  return Truth::unknown;
}

}  // namespace

template <class D>
Truth less(const ArbBall<D>& a, const ArbBall<D>& b) {
  if (a.is_nan() || b.is_nan()) return Truth::no;
  if (incomparable(a) || incomparable(b)) return left_open();
  if (arb_lt(a.number().get(), b.number().get()) != 0) return Truth::yes;
  if (arb_gt(a.number().get(), b.number().get()) != 0) return Truth::no;
  const bool tie = !a.is_finite() || (a.is_exact() && b.is_exact());
  return tie && !branch.ties_open ? Truth::no : left_open();
}

template <class D>
Truth equal(const ArbBall<D>& a, const ArbBall<D>& b) {
  if (a.is_nan() || b.is_nan()) return Truth::no;
  if (incomparable(a) || incomparable(b)) return left_open();
  if (arb_ne(a.number().get(), b.number().get()) != 0) return Truth::no;
  const bool tie = !a.is_finite() || (a.is_exact() && b.is_exact());
  return tie ? Truth::yes : left_open();
}

template <class D>
bool overlap(const ArbBall<D>& a, const ArbBall<D>& b) {
  if (a.is_anything() || b.is_anything()) return true;
  if (a.is_special() || b.is_special()) return arf_equal(a.number().mid(), b.number().mid()) != 0;
  return arb_overlaps(a.number().get(), b.number().get()) != 0;
}

template <class D>
ArbBall<D> hull(const ArbBall<D>& a, const ArbBall<D>& b) {
  using B = ArbBall<D>;
  if (a.is_anything()) return a;
  if (b.is_anything()) return b;
  if (a.is_special() || b.is_special()) {
    return arf_equal(a.number().mid(), b.number().mid()) != 0 ? a : B::anything(Unbounded::jump);
  }
  if (a.is_exactly(0) && b.is_exactly(0) && a.negative() != b.negative()) return arb::finish<D>(ArbNumber(), {});
  if (arb_equal(a.number().get(), b.number().get()) != 0) return a;
  ArbNumber both;
  arb_union(both.get(), a.number().get(), b.number().get(), arb_precision);
  return affine::formed(B(std::move(both)), a, [&](auto made) { return affine::either(std::move(made), a, b); });
}

template <class D>
ArbBall<D> select(Truth which, const ArbBall<D>& a, const ArbBall<D>& b) {
  if (which == Truth::yes) return a;
  if (which == Truth::no) return b;
  branch.met = true;
  if (branch.side == Branch::Side::first) return a;
  if (branch.side == Branch::Side::second) return b;
  return hull(a, b);
}

template <class D>
ArbBall<D> maximum(const ArbBall<D>& a, const ArbBall<D>& b) {
  using B = ArbBall<D>;
  if (a.is_nan() || b.is_nan()) return B::nan();
  if (incomparable(a)) return arb::absorb(a);
  if (incomparable(b)) return arb::absorb(b);
  if (arb_ge(a.number().get(), b.number().get()) != 0 && !(a.is_exactly(0) && b.is_exactly(0))) return a;
  if (arb_lt(a.number().get(), b.number().get()) != 0) return b;
  if (a.is_exactly(0) && b.is_exactly(0)) return hull(a, b);
  ArbNumber larger;
  arb_max(larger.get(), a.number().get(), b.number().get(), arb_precision);
  return B(std::move(larger));
}

template <class D>
ArbBall<D> minimum(const ArbBall<D>& a, const ArbBall<D>& b) {
  return -maximum(-a, -b);
}

template <class D>
ArbBall<D> abs(const ArbBall<D>& a) {
  if (a.is_anything() || a.is_nan()) return a;
  if (a.is_exactly(0)) return ArbBall<D>::exactly(0);
  if (arb_is_nonnegative(a.number().get()) != 0) return a;
  if (arb_is_nonpositive(a.number().get()) != 0) return -a;
  // [0, max]
  ArbNumber size;
  arb_get_abs_ubound_arf(size.mid(), a.number().get(), arb_precision);
  ArbNumber result;
  const ArbNumber zero;
  arb_union(result.get(), zero.get(), size.get(), arb_precision);
  return ArbBall<D>(std::move(result));
}

template <class D>
ArbBall<D> intersect(const ArbBall<D>& a, int lo, int hi) {
  if (!a.is_finite() || a.is_exact()) return a;
  ArbNumber low(lo);
  const ArbNumber high(hi);
  ArbNumber range;
  ArbNumber result;
  arb_union(range.get(), low.get(), high.get(), arb_precision);
  if (arb_contains(range.get(), a.number().get()) != 0) return a;
  if (arb_intersection(result.get(), a.number().get(), range.get(), arb_precision) == 0) return a;
  ArbBall<D> cut(std::move(result));
  cut.set_form(a.form());  // the same number, of which more is known
  return cut;
}

template <class D>
ArbBall<D> literal(const ArbBall<D>&, Decimal decimal) {
  ArbNumber value;
  arb_set_ui(value.get(), decimal.mantissa);
  if (decimal.negative) arb_neg(value.get(), value.get());
  ArbNumber power;
  arb_set_ui(power.get(), 10);
  arb_pow_ui(power.get(), power.get(), static_cast<ulong>(decimal.places), 192);
  arb_div(value.get(), value.get(), power.get(), arb_precision);
  return arb::with_rounding<D>(std::move(value), arb::rounded_constant<D>(decimal.f32, decimal.f64), 0);
}

namespace arb {

template <class D>
ArbBall<D> with_rounding(ArbNumber exact, double rounded, double slack_u) {
  if (widens<D>()) {
    ArbNumber off(rounded);
    arb_sub(off.get(), off.get(), exact.get(), arb_precision);
    Magnitude error;
    arb_get_mag(error.get(), off.get());
    Magnitude slack(slack_u * format_of<D>().u * std::fabs(rounded));
    mag_add(error.get(), error.get(), slack.get());
    arb_add_error_mag(exact.get(), error.get());
  }
  return ArbBall<D>(std::move(exact));
}
template ArbBall<UnderTest> with_rounding<UnderTest>(ArbNumber, double, double);
template ArbBall<Exact> with_rounding<Exact>(ArbNumber, double, double);

namespace {

ArbNumber made(void (*f)(arb_ptr, slong)) {
  ArbNumber value;
  f(value.get(), arb_precision + 16);
  return value;
}
ArbNumber log_of(ulong n) {
  ArbNumber value;
  arb_log_ui(value.get(), n, arb_precision + 16);
  return value;
}
ArbNumber inverse(ArbNumber x) {
  arb_inv(x.get(), x.get(), arb_precision + 16);
  return x;
}
// 2^shift sqrt(x)
ArbNumber root(ArbNumber x, slong shift = 0) {
  arb_sqrt(x.get(), x.get(), arb_precision + 16);
  arb_mul_2exp_si(x.get(), x.get(), shift);
  return x;
}

}  // namespace

ArbNumber value_of(pi) {
  return made([](arb_ptr x, slong bits) { arb_const_pi(x, bits); });
}
ArbNumber value_of(half_pi) {
  ArbNumber value = value_of(pi{});
  arb_mul_2exp_si(value.get(), value.get(), -1);
  return value;
}
ArbNumber value_of(euler_e) {
  return made([](arb_ptr x, slong bits) { arb_const_e(x, bits); });
}
ArbNumber value_of(ln2) { return log_of(2); }
ArbNumber value_of(ln10) { return log_of(10); }
ArbNumber value_of(log2e) { return inverse(log_of(2)); }
ArbNumber value_of(log10e) { return inverse(log_of(10)); }
ArbNumber value_of(sqrt2) { return root(ArbNumber(2.0)); }
ArbNumber value_of(inv_sqrt2) { return root(ArbNumber(2.0), -1); }
ArbNumber value_of(two_over_sqrt_pi) { return root(inverse(value_of(pi{})), 1); }
ArbNumber value_of(sqrt_two_over_pi) { return root(inverse(value_of(half_pi{}))); }
ArbNumber value_of(inv_sqrt_2pi) { return root(inverse(value_of(half_pi{})), -1); }

}  // namespace arb

#define GRADPROOF_ARB_INSTANTIATE(D)                                       \
  template Truth less(const ArbBall<D>&, const ArbBall<D>&);               \
  template Truth equal(const ArbBall<D>&, const ArbBall<D>&);              \
  template bool overlap(const ArbBall<D>&, const ArbBall<D>&);             \
  template ArbBall<D> hull(const ArbBall<D>&, const ArbBall<D>&);          \
  template ArbBall<D> select(Truth, const ArbBall<D>&, const ArbBall<D>&); \
  template ArbBall<D> maximum(const ArbBall<D>&, const ArbBall<D>&);       \
  template ArbBall<D> minimum(const ArbBall<D>&, const ArbBall<D>&);       \
  template ArbBall<D> abs(const ArbBall<D>&);                              \
  template ArbBall<D> intersect(const ArbBall<D>&, int, int);              \
  template ArbBall<D> literal(const ArbBall<D>&, Decimal);
GRADPROOF_ARB_INSTANTIATE(UnderTest)
GRADPROOF_ARB_INSTANTIATE(Exact)

}  // namespace gradproof
