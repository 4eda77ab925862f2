// Inverse and scaled error functions.
#ifdef GRADPROOF_ARB_HEADER_FLINT
#include <flint/arb_hypgeom.h>
#else
#include <arb_hypgeom.h>
#endif

#include "engine/scalars/special_budgets.h"
#include "engine/scalars/special_rules.h"

namespace gradproof {

using special_edges::beyond;
using special_edges::exactly;
using special_edges::inf;
using special_edges::none;
using special_edges::not_a_number;
using special_edges::unknown;

namespace {

void erfinv_image(arb_ptr to, arb_srcptr, arb_srcptr x, slong bits) { arb_hypgeom_erfinv(to, x, bits); }
// √π/2 e^(y²), y = erf⁻¹(x), of the end where it is largest
void erfinv_slope(arb_ptr to, arb_srcptr, arb_srcptr x, slong bits) {
  ArbNumber y;
  ArbNumber largest;
  arb_abs(largest.get(), x);
  arb_get_ubound_arf(largest.mid(), largest.get(), bits);
  mag_zero(largest.rad());
  arb_hypgeom_erfinv(y.get(), largest.get(), bits);
  arb_sqr(y.get(), y.get(), bits);
  arb_exp(y.get(), y.get(), bits);
  arb_const_sqrt_pi(to, bits);
  arb_mul_2exp_si(to, to, -1);
  arb_mul(to, to, y.get(), bits);
}
SpecialEdge erfinv_edge(const SpecialArgument&, const SpecialArgument& x) {
  if (x.is(1)) return exactly(inf);
  if (x.is(-1)) return exactly(-inf);
  if (x.is(0)) return exactly(x.negative_zero() ? -0.0 : 0.0);
  if (x.above(1) || x.below(-1)) return exactly(not_a_number);
  return x.at_least(1) || !x.below(1) || !x.above(-1) ? unknown(Unbounded::domain) : none();
}

// e^(x²) erfc(x); far out Σ (-1)ᵏ (2k - 1)!!/(2x²)ᵏ / (x√π), whose terms enclose it
void erfcx_image(arb_ptr to, arb_srcptr, arb_srcptr x, slong bits) {
  ArbNumber square;
  arb_sqr(square.get(), x, 2 * bits);
  ArbNumber limit(64);
  if (arb_lt(x, limit.get()) != 0) {
    arb_hypgeom_erfc(to, x, bits);
    arb_exp(square.get(), square.get(), bits);
    return arb_mul(to, to, square.get(), bits);
  }
  ArbNumber term(1);
  ArbNumber sum(1);
  arb_mul_2exp_si(square.get(), square.get(), 1);
  arb_inv(square.get(), square.get(), bits);
  for (slong k = 1; k < 1000; ++k) {
    arb_mul_si(term.get(), term.get(), -(2 * k - 1), bits);
    arb_mul(term.get(), term.get(), square.get(), bits);
    arb::Magnitude size;
    arb_get_mag(size.get(), term.get());
    if (mag_cmp_2exp_si(size.get(), -bits) < 0) {
      arb_add_error_mag(sum.get(), size.get());
      break;
    }
    arb_add(sum.get(), sum.get(), term.get(), bits);
  }
  arb_const_sqrt_pi(to, bits);
  arb_mul(to, to, x, bits);
  arb_div(to, sum.get(), to, bits);
}
// 2x erfcx(x) - 2/√π: rising from -∞ to 0, so largest in size at the lower end
void erfcx_slope(arb_ptr to, arb_srcptr, arb_srcptr x, slong bits) {
  ArbNumber low;
  ArbNumber constant;
  arb_get_lbound_arf(low.mid(), x, bits);
  erfcx_image(to, nullptr, low.get(), 2 * bits);
  arb_mul(to, to, low.get(), 2 * bits);
  arb_const_sqrt_pi(constant.get(), 2 * bits);
  arb_inv(constant.get(), constant.get(), 2 * bits);
  arb_sub(to, to, constant.get(), 2 * bits);
  arb_mul_2exp_si(to, to, 1);
}
SpecialEdge erfcx_edge(const SpecialArgument&, const SpecialArgument& x) {
  if (x.is_infinite()) return exactly(x.above(0) ? 0 : inf);
  if (x.below(-2000)) return beyond(1);
  return x.reaches_below(-2000) ? unknown(Unbounded::overflow) : none();
}

// p < 1/2: -√2 erfc⁻¹(2p), else √2 erf⁻¹(2p - 1)
void ndtri_image(arb_ptr to, arb_srcptr, arb_srcptr p, slong bits) {
  ArbNumber twice;
  ArbNumber root;
  ArbNumber half(0.5);
  arb_mul_2exp_si(twice.get(), p, 1);
  if (arb_lt(p, half.get()) != 0) {
    arb_hypgeom_erfcinv(twice.get(), twice.get(), bits);
    arb_neg(twice.get(), twice.get());
  } else {
    arb_sub_si(twice.get(), twice.get(), 1, 2 * bits);
    arb_hypgeom_erfinv(twice.get(), twice.get(), bits);
  }
  arb_sqrt_ui(root.get(), 2, bits);
  arb_mul(to, root.get(), twice.get(), bits);
}
// √(2π) e^(y²/2), the larger one of the two ends'
void ndtri_slope(arb_ptr to, arb_srcptr, arb_srcptr p, slong bits) {
  ArbNumber low;
  ArbNumber high;
  arb_get_lbound_arf(low.mid(), p, 2 * bits);
  arb_get_ubound_arf(high.mid(), p, 2 * bits);
  ndtri_image(low.get(), nullptr, low.get(), bits);
  ndtri_image(high.get(), nullptr, high.get(), bits);
  arb_abs(low.get(), low.get());
  arb_abs(high.get(), high.get());
  arb_max(low.get(), low.get(), high.get(), bits);
  arb_sqr(low.get(), low.get(), bits);
  arb_mul_2exp_si(low.get(), low.get(), -1);
  arb_exp(low.get(), low.get(), bits);
  arb_const_pi(to, bits);
  arb_mul_2exp_si(to, to, 1);
  arb_sqrt(to, to, bits);
  arb_mul(to, to, low.get(), bits);
}
SpecialEdge ndtri_edge(const SpecialArgument&, const SpecialArgument& p) {
  if (p.is(0)) return exactly(-inf);
  if (p.is(1)) return exactly(inf);
  if (p.above(1) || p.below(0)) return exactly(not_a_number);
  return !p.below(1) || !p.above(0) ? unknown(Unbounded::domain) : none();
}

}  // namespace

void add_error_rules(SpecialRules& rules) {
  namespace b = special_budgets;
  constexpr double everywhere = -inf;
  rules.add(Special::erfinv, {erfinv_image, erfinv_slope, everywhere, erfinv_edge, b::erfinv});
  rules.add(Special::erfcx, {erfcx_image, erfcx_slope, everywhere, erfcx_edge, b::erfcx});
  rules.add(Special::ndtri, {ndtri_image, ndtri_slope, everywhere, ndtri_edge, b::ndtri});
}

}  // namespace gradproof
