// Bessel functions of orders 0 and 1.
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

using Bessel = void (*)(arb_ptr, arb_srcptr, arb_srcptr, slong);

// Arb's sines of large numbers want as many bits more as the numbers have, its series of Y and K three for each unit
// of x, until their asymptotic series take over.
slong bits_for(arb_srcptr x, slong bits) {
  const double size = std::fabs(arf_get_d(arb_midref(x), ARF_RND_NEAR));
  if (size < 64) return bits + static_cast<slong>(3 * size);
  const slong exponent = arf_abs_bound_lt_2exp_si(arb_midref(x));
  return bits + (exponent < 2000 ? exponent : 0);
}
template <int order, Bessel f>
void bessel(arb_ptr to, arb_srcptr, arb_srcptr x, slong bits) {
  const ArbNumber nu(order);
  f(to, nu.get(), x, bits_for(x, bits));
}
// |(f₀ - f₂)/2|, f₁' for J and Y
template <Bessel f>
void bessel_one_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  ArbNumber second;
  bessel<0, f>(to, a, x, bits);
  bessel<2, f>(second.get(), a, x, bits);
  arb_sub(to, to, second.get(), bits);
  arb_mul_2exp_si(to, to, -1);
}

// The ends of |x|. Arb takes I and K of a ball by numerical integration, slowly; of numbers it does not.
struct SizeEnds {
  SizeEnds(arb_srcptr x, slong bits) {
    arb_get_abs_lbound_arf(low.mid(), x, bits);
    arb_get_abs_ubound_arf(high.mid(), x, bits);
  }
  ArbNumber low;
  ArbNumber high;
};

// e^-|x| I, even or odd like I
template <int order>
void scaled_i(arb_ptr to, arb_srcptr, arb_srcptr x, slong bits) {
  const ArbNumber nu(order);
  ArbNumber size;
  arb_abs(size.get(), x);
  arb_hypgeom_bessel_i_scaled(to, nu.get(), size.get(), bits);
  if (order == 1 && arb_is_negative(x) != 0) arb_neg(to, to);
}
// I₀' = I₁ and I₁' = (I₀ + I₂)/2 grow with |x|
void i0_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  bessel<1, arb_hypgeom_bessel_i>(to, a, SizeEnds(x, bits).high.get(), bits);
}
void i1_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  const SizeEnds ends(x, bits);
  ArbNumber second;
  bessel<0, arb_hypgeom_bessel_i>(to, a, ends.high.get(), bits);
  bessel<2, arb_hypgeom_bessel_i>(second.get(), a, ends.high.get(), bits);
  arb_add(to, to, second.get(), bits);
  arb_mul_2exp_si(to, to, -1);
}
// With d = e^-x (I₀ - I₁), which falls for x > 0: |(e^-x I₀)'| = d
void i0e_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  const SizeEnds ends(x, bits);
  ArbNumber other;
  scaled_i<1>(other.get(), a, ends.low.get(), 2 * bits);
  scaled_i<0>(to, a, ends.low.get(), 2 * bits);
  arb_sub(to, to, other.get(), bits);
}
// and (e^-x I₁)' = d - e^-x I₁/x, the difference of two that fall; at most 1/2
void i1e_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  const SizeEnds ends(x, bits);
  arb_set_d(to, 0.5);
  if (arb_is_zero(ends.low.get()) != 0) return;
  const auto part = [&](const ArbNumber& at, ArbNumber& falls, ArbNumber& quotient) {
    i0e_slope(falls.get(), a, at.get(), bits);
    scaled_i<1>(quotient.get(), a, at.get(), 2 * bits);
    arb_div(quotient.get(), quotient.get(), at.get(), 2 * bits);
  };
  ArbNumber falls_low;
  ArbNumber falls_high;
  ArbNumber quotient_low;
  ArbNumber quotient_high;
  part(ends.low, falls_low, quotient_low);
  part(ends.high, falls_high, quotient_high);
  arb_sub(falls_low.get(), falls_low.get(), quotient_high.get(), bits);
  arb_sub(falls_high.get(), falls_high.get(), quotient_low.get(), bits);
  arb_union(to, falls_low.get(), falls_high.get(), bits);
}
// e^x K₀; e^x K₁ by the Wronskian, for Arb integrates: I₀K₁ + I₁K₀ = 1/x
void scaled_k0(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  bessel<0, arb_hypgeom_bessel_k_scaled>(to, a, x, bits);
}
void scaled_k1(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  ArbNumber other;
  scaled_k0(other.get(), a, x, bits);
  scaled_i<1>(to, a, x, bits);
  arb_mul(other.get(), other.get(), to, bits);
  arb_inv(to, x, bits);
  arb_sub(to, to, other.get(), bits);
  scaled_i<0>(other.get(), a, x, bits);
  arb_div(to, to, other.get(), bits);
}
template <int order>
void plain_k(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  ArbNumber factor;
  arb_neg(factor.get(), x);
  arb_exp(factor.get(), factor.get(), bits);
  order == 0 ? scaled_k0(to, a, x, bits) : scaled_k1(to, a, x, bits);
  arb_mul(to, to, factor.get(), bits);
}
// K₀' = -K₁, K₁' = -(K₀ + K₁/x), and all fall
void k0_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  plain_k<1>(to, a, SizeEnds(x, bits).low.get(), bits);
}
void k1_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  const SizeEnds ends(x, bits);
  ArbNumber other;
  plain_k<1>(to, a, ends.low.get(), bits);
  arb_div(to, to, ends.low.get(), bits);
  plain_k<0>(other.get(), a, ends.low.get(), bits);
  arb_add(to, to, other.get(), bits);
}
// (e^x K₀)' = e^x (K₀ - K₁), (e^x K₁)' = e^x (K₁ - K₀ - K₁/x); each term falls, K₀ < K₁ < K₀ + K₁/x
void k0e_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  const SizeEnds ends(x, bits);
  ArbNumber other;
  scaled_k0(other.get(), a, ends.high.get(), 2 * bits);
  scaled_k1(to, a, ends.low.get(), 2 * bits);
  arb_sub(to, to, other.get(), bits);
}
void k1e_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  const SizeEnds ends(x, bits);
  ArbNumber other;
  scaled_k1(to, a, ends.low.get(), 2 * bits);
  arb_div(to, to, ends.low.get(), 2 * bits);
  scaled_k0(other.get(), a, ends.low.get(), 2 * bits);
  arb_add(to, to, other.get(), 2 * bits);
  scaled_k1(other.get(), a, ends.high.get(), 2 * bits);
  arb_sub(to, to, other.get(), bits);
}

// Engines take cos(∞).
SpecialEdge oscillating_edge(const SpecialArgument&, const SpecialArgument& x) {
  return x.is_infinite() ? unknown(Unbounded::domain) : none();
}
template <int sign_at_zero>
SpecialEdge positive_edge(const SpecialArgument&, const SpecialArgument& x) {
  if (x.is(0)) return exactly(sign_at_zero * inf);
  if (x.is_infinite()) return unknown(Unbounded::domain);
  if (x.below(0)) return exactly(not_a_number);
  return x.above(0) ? none() : unknown(Unbounded::domain);
}
// Engines take e^∞/√∞.
template <int odd>
SpecialEdge growing_edge(const SpecialArgument&, const SpecialArgument& x) {
  if (x.is_infinite()) return unknown(Unbounded::overflow);
  if (odd != 0 && x.is(0)) return exactly(x.negative_zero() ? -0.0 : 0.0);
  if (x.above(2000)) return beyond(1);
  if (x.below(-2000)) return beyond(odd != 0 ? -1 : 1);
  return x.at_least(-3000) && x.at_most(3000) ? none() : unknown(Unbounded::overflow);
}
template <int odd>
SpecialEdge scaled_i_edge(const SpecialArgument&, const SpecialArgument& x) {
  if (x.is_infinite()) return exactly(odd != 0 && x.below(0) ? -0.0 : 0.0);
  if (odd != 0 && x.is(0)) return exactly(x.negative_zero() ? -0.0 : 0.0);
  return none();
}

}  // namespace

void add_bessel_rules(SpecialRules& rules) {
  namespace b = special_budgets;
  constexpr double everywhere = -inf;
  constexpr double nowhere = inf;
  const auto j0 = bessel<0, arb_hypgeom_bessel_j>;
  const auto j1 = bessel<1, arb_hypgeom_bessel_j>;
  const auto y0 = bessel<0, arb_hypgeom_bessel_y>;
  const auto y1 = bessel<1, arb_hypgeom_bessel_y>;
  const auto j1_slope = bessel_one_slope<arb_hypgeom_bessel_j>;
  const auto y1_slope = bessel_one_slope<arb_hypgeom_bessel_y>;
  rules.add(Special::i0, {bessel<0, arb_hypgeom_bessel_i>, i0_slope, 0, growing_edge<0>, b::i0});
  rules.add(Special::i0e, {scaled_i<0>, i0e_slope, 0, scaled_i_edge<0>, b::i0e});
  rules.add(Special::i1, {bessel<1, arb_hypgeom_bessel_i>, i1_slope, everywhere, growing_edge<1>, b::i1});
  rules.add(Special::i1e, {scaled_i<1>, i1e_slope, nowhere, scaled_i_edge<1>, b::i1e});
  rules.add(Special::bessel_j0, {j0, j1, nowhere, oscillating_edge, b::bessel_j});
  rules.add(Special::bessel_j1, {j1, j1_slope, nowhere, oscillating_edge, b::bessel_j});
  rules.add(Special::bessel_y0, {y0, y1, nowhere, positive_edge<-1>, b::bessel_y});
  rules.add(Special::bessel_y1, {y1, y1_slope, nowhere, positive_edge<-1>, b::bessel_y});
  rules.add(Special::bessel_k0, {plain_k<0>, k0_slope, 0, positive_edge<1>, b::bessel_k});
  rules.add(Special::bessel_k1, {plain_k<1>, k1_slope, 0, positive_edge<1>, b::bessel_k});
  rules.add(Special::bessel_k0e, {scaled_k0, k0e_slope, 0, positive_edge<1>, b::bessel_k});
  rules.add(Special::bessel_k1e, {scaled_k1, k1e_slope, 0, positive_edge<1>, b::bessel_k});
}

}  // namespace gradproof
