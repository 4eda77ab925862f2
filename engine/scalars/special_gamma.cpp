// The gamma function's kin: its logarithm's derivatives, incomplete gamma functions, zeta.
#ifdef GRADPROOF_ARB_HEADER_FLINT
#include <flint/arb_hypgeom.h>
#include <flint/arb_poly.h>
#else
#include <arb_hypgeom.h>
#include <arb_poly.h>
#endif

#include "engine/scalars/special_budgets.h"
#include "engine/scalars/special_rules.h"

namespace gradproof {

using special_edges::exactly;
using special_edges::inf;
using special_edges::none;
using special_edges::not_a_number;
using special_edges::unknown;

namespace {

// log|Γ(x)|; x < 0: log π - log|sin πx| - log Γ(1 - x)
void lgamma_image(arb_ptr to, arb_srcptr, arb_srcptr x, slong bits) {
  if (arb_is_positive(x) != 0) return arb_hypgeom_lgamma(to, x, bits);
  ArbNumber mirrored;
  ArbNumber sine;
  ArbNumber log_pi;
  arb_sub_si(mirrored.get(), x, 1, bits);
  arb_neg(mirrored.get(), mirrored.get());
  arb_hypgeom_lgamma(mirrored.get(), mirrored.get(), bits);
  arb_sin_pi(sine.get(), x, bits);
  arb_abs(sine.get(), sine.get());
  arb_log(sine.get(), sine.get(), bits);
  arb_const_pi(log_pi.get(), bits);
  arb_log(log_pi.get(), log_pi.get(), bits);
  arb_sub(to, log_pi.get(), sine.get(), bits);
  arb_sub(to, to, mirrored.get(), bits);
}
void digamma_image(arb_ptr to, arb_srcptr, arb_srcptr x, slong bits) { arb_digamma(to, x, bits); }

// n! times the nth coefficient of ψ(x + t)
void polygamma_number(arb_ptr to, slong n, arb_srcptr x, slong bits) {
  ArbNumber factor;
  arb_struct argument[2];
  arb_init(&argument[0]);
  arb_init(&argument[1]);
  arb_set(&argument[0], x);
  arb_one(&argument[1]);
  arb_ptr series = _arb_vec_init(n + 1);
  _arb_poly_digamma_series(series, argument, 2, n + 1, bits);
  arb_fac_ui(factor.get(), static_cast<ulong>(n), bits);
  arb_mul(to, series + n, factor.get(), bits);
  _arb_vec_clear(series, n + 1);
  arb_clear(&argument[0]);
  arb_clear(&argument[1]);
}
slong order_of(arb_srcptr a) { return static_cast<slong>(arf_get_d(arb_midref(a), ARF_RND_NEAR)); }
void polygamma_image(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) { polygamma_number(to, order_of(a), x, bits); }
void polygamma_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  polygamma_number(to, order_of(a) + 1, x, bits);
}
void trigamma_image(arb_ptr to, arb_srcptr, arb_srcptr x, slong bits) { polygamma_number(to, 1, x, bits); }

SpecialEdge lgamma_edge(const SpecialArgument&, const SpecialArgument& x) {
  if (x.is_infinite()) return exactly(inf);
  if (!x.holds_pole()) return none();
  return x.is_integer() ? exactly(inf) : unknown(Unbounded::jump);
}
// At 0 the side is the zero's; at the other poles there is none.
SpecialEdge digamma_edge(const SpecialArgument&, const SpecialArgument& x) {
  if (x.is_infinite()) return exactly(x.above(0) ? inf : not_a_number);
  if (!x.holds_pole()) return none();
  if (x.is(0)) return exactly(x.negative_zero() ? inf : -inf);
  return x.is_integer() ? exactly(not_a_number) : unknown(Unbounded::jump);
}
// ψ⁽ⁿ⁾ is even about its poles where n is odd. An engine that takes sin πx of a rounded πx misses all but the one at 0.
SpecialEdge polygamma_edge(const SpecialArgument& n, const SpecialArgument& x) {
  if (!n.is_integer() || n.below(0)) return unknown(Unbounded::domain);
  if (n.above(170)) return unknown(Unbounded::overflow);  // so is n!
  if (x.is_infinite()) return x.above(0) ? exactly(0) : unknown(Unbounded::domain);
  if (!x.holds_pole()) return none();
  if (!x.is(0)) return unknown(Unbounded::jump);
  return exactly(n.is_odd() ? inf : -inf);
}

// The better one of f and 1 - g, which cancels where f is small but never where it is not.
void complement(arb_ptr to, arb_srcptr other, slong bits) {
  ArbNumber alternative;
  arb_sub_si(alternative.get(), other, 1, bits);
  arb_neg(alternative.get(), alternative.get());
  if (arb_is_finite(to) == 0 || mag_cmp(arb_radref(alternative.get()), arb_radref(to)) < 0) {
    arb_swap(to, alternative.get());
  }
}
void igamma_image(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  arb_hypgeom_gamma_lower(to, a, x, 1, bits);
  if (arb_rel_accuracy_bits(to) >= bits / 2) return;
  ArbNumber other;
  arb_hypgeom_gamma_upper(other.get(), a, x, 1, bits);
  complement(to, other.get(), bits);
}
void igammac_image(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  arb_hypgeom_gamma_upper(to, a, x, 1, bits);
  if (arb_rel_accuracy_bits(to) >= bits / 2) return;
  ArbNumber other;
  arb_hypgeom_gamma_lower(other.get(), a, x, 1, bits);
  complement(to, other.get(), bits);
}
// x^(a - 1) e^-x / Γ(a)
void igamma_slope(arb_ptr to, arb_srcptr a, arb_srcptr x, slong bits) {
  ArbNumber exponent;
  ArbNumber power;
  arb_log(exponent.get(), x, 2 * bits);
  arb_sub_si(power.get(), a, 1, 2 * bits);
  arb_mul(exponent.get(), exponent.get(), power.get(), 2 * bits);
  arb_sub(exponent.get(), exponent.get(), x, 2 * bits);
  arb_hypgeom_lgamma(power.get(), a, 2 * bits);
  arb_sub(exponent.get(), exponent.get(), power.get(), 2 * bits);
  arb_exp(to, exponent.get(), bits);
}
template <int upper>
SpecialEdge igamma_edge(const SpecialArgument& a, const SpecialArgument& x) {
  if (x.below(0) || a.below(0)) return exactly(not_a_number);
  if (a.is(0)) {
    if (x.above(0)) return exactly(1 - upper);
    return x.is(0) ? exactly(not_a_number) : unknown(Unbounded::domain);
  }
  if (!a.above(0)) return unknown(Unbounded::domain);
  if (x.is(0)) return exactly(upper);
  if (a.is_infinite()) return exactly(x.is_infinite() ? not_a_number : upper);
  if (x.is_infinite()) return exactly(1 - upper);
  return x.above(0) ? none() : unknown(Unbounded::domain);
}

// x < 0: the terms up to x + k > 0 apart
void zeta_image(arb_ptr to, arb_srcptr s, arb_srcptr x, slong bits) {
  ArbNumber at;
  ArbNumber term;
  ArbNumber sum;
  arb_set(at.get(), x);
  while (arb_is_positive(at.get()) == 0) {
    arb_pow(term.get(), at.get(), s, bits);
    arb_inv(term.get(), term.get(), bits);
    arb_add(sum.get(), sum.get(), term.get(), bits);
    arb_add_si(at.get(), at.get(), 1, 2 * bits);
  }
  arb_hurwitz_zeta(to, s, at.get(), bits);
  arb_add(to, to, sum.get(), bits);
}
// -s ζ(s + 1, x)
void zeta_slope(arb_ptr to, arb_srcptr s, arb_srcptr x, slong bits) {
  ArbNumber next;
  arb_add_si(next.get(), s, 1, bits);
  zeta_image(to, next.get(), x, bits);
  arb_mul(to, to, s, bits);
}
SpecialEdge zeta_edge(const SpecialArgument& s, const SpecialArgument& x) {
  if (s.is_infinite() || x.is_infinite()) return unknown(Unbounded::domain);
  if (s.is(1)) return exactly(inf);
  if (s.below(1)) return exactly(not_a_number);
  if (!s.above(1)) return unknown(Unbounded::domain);
  if (s.above(1e9)) return unknown(Unbounded::wide);
  if (x.above(0)) return none();
  if (x.holds_pole()) return x.is_integer() ? exactly(inf) : unknown(Unbounded::jump);
  if (!s.is_integer()) return s.is_fraction() ? exactly(not_a_number) : unknown(Unbounded::domain);
  return x.above(-1000) ? none() : unknown(Unbounded::wide);
}

}  // namespace

void add_gamma_rules(SpecialRules& rules) {
  namespace b = special_budgets;
  constexpr double everywhere = -inf;
  rules.add(Special::lgamma, {lgamma_image, digamma_image, 1.5, lgamma_edge, b::lgamma});
  rules.add(Special::digamma, {digamma_image, trigamma_image, everywhere, digamma_edge, b::digamma});
  rules.add(Special::polygamma,
            {polygamma_image, polygamma_slope, 0, polygamma_edge, b::polygamma, SpecialRule::Parameter::exact});
  rules.add(Special::igamma,
            {igamma_image, igamma_slope, 0, igamma_edge<0>, b::igamma, SpecialRule::Parameter::monotone});
  rules.add(Special::igammac,
            {igammac_image, igamma_slope, 0, igamma_edge<1>, b::igammac, SpecialRule::Parameter::monotone});
  rules.add(Special::zeta, {zeta_image, zeta_slope, 0, zeta_edge, b::zeta, SpecialRule::Parameter::any});
}

}  // namespace gradproof
