#include "engine/scalars/special.h"

#include "engine/scalars/special_rules.h"

namespace gradproof {

namespace {

// A ball with fewer good bits than this goes by its ends where the function is monotone.
constexpr slong narrow_bits = 12;

using Parameter = SpecialRule::Parameter;

const SpecialRule& rule_of(Special f) {
  static const SpecialRules rules = [] {
    SpecialRules made;
    add_gamma_rules(made);
    add_error_rules(made);
    add_bessel_rules(made);
    return made;
  }();
  return rules.at(f);
}

// f of numbers, as good as `bits` say: Arb loses bits to cancellation, and more to work with mend that.
ArbNumber at_numbers(const SpecialRule& rule, arb_srcptr a, arb_srcptr x, slong bits, int tries) {
  ArbNumber y;
  slong working = bits + 32;
  for (int i = 0; i < tries; ++i, working *= 3) {
    rule.image(y.get(), a, x, working);
    if (arb_rel_accuracy_bits(y.get()) >= bits) break;
  }
  return y;
}

// f of a number; the parameter may be a ball.
ArbNumber at_point(const SpecialRule& rule, arb_srcptr a, arb_srcptr x, slong bits) {
  constexpr int tries = 3;
  if (rule.parameter == Parameter::none || arb_is_exact(a) != 0) return at_numbers(rule, a, x, bits, tries);
  if (rule.parameter == Parameter::any) return at_numbers(rule, a, x, bits, 1);
  ArbNumber low;
  ArbNumber high;
  arb_get_lbound_arf(low.mid(), a, bits + 64);
  arb_get_ubound_arf(high.mid(), a, bits + 64);
  low = at_numbers(rule, low.get(), x, bits, tries);
  high = at_numbers(rule, high.get(), x, bits, tries);
  arb_union(low.get(), low.get(), high.get(), bits);
  return low;
}

// |f(x) - f(m)| <= sup |f'| · r; or between the ends.
ArbNumber over_ball(const SpecialRule& rule, arb_srcptr a, arb_srcptr x, slong bits) {
  constexpr slong slope_bits = 64;
  ArbNumber low;
  arb_get_lbound_arf(low.mid(), x, bits + 64);
  if (arb_rel_accuracy_bits(x) < narrow_bits && arf_cmp_d(low.mid(), rule.monotone_from) >= 0) {
    ArbNumber high;
    arb_get_ubound_arf(high.mid(), x, bits + 64);
    low = at_point(rule, a, low.get(), bits);
    high = at_point(rule, a, high.get(), bits);
    arb_union(low.get(), low.get(), high.get(), bits);
    return low;
  }
  ArbNumber slope;
  rule.slope(slope.get(), a, x, slope_bits);
  ArbNumber middle;
  arb_get_mid_arb(middle.get(), x);
  ArbNumber y = at_point(rule, a, middle.get(), bits);
  arb::Magnitude spread;
  arb_get_mag(spread.get(), slope.get());
  mag_mul(spread.get(), spread.get(), arb_radref(x));
  arb_add_error_mag(y.get(), spread.get());
  return y;
}

template <class D>
bool answered(const SpecialEdge& edge, ArbBall<D>& result) {
  switch (edge.kind) {
    case SpecialEdge::Kind::none: return false;
    case SpecialEdge::Kind::value: result = ArbBall<D>::exactly(edge.value); return true;
    case SpecialEdge::Kind::beyond: result = ArbBall<D>::beyond(edge.value < 0); return true;
    case SpecialEdge::Kind::anything: break;
  }
  result = ArbBall<D>::anything(edge.reason);
  return true;
}

// The absolute errors that a budget adds: for x < 0, and where the result is next to nothing.
template <class D>
void widen_absolutely(const SpecialBudget& budget, const ArbBall<D>& x, ArbNumber& y) {
  if (!arb::widens<D>()) return;
  const bool f64 = format_of<D>().digits == formats::f64.digits;
  const double absolute = f64 ? budget.negative_f64 : budget.negative_f32;
  if (absolute > 0 && arb_is_positive(x.number().get()) == 0) {
    arb_add_error_mag(y.get(), arb::Magnitude(absolute).get());
  }
  const double vanishing = f64 ? budget.vanishing_f64 : budget.vanishing_f32;
  arb::Bound smallest;
  arb_get_abs_lbound_arf(smallest.get(), y.get(), arb_precision);
  if (arf_cmp_d(smallest.get(), vanishing) < 0) arb_add_error_mag(y.get(), arb::Magnitude(vanishing).get());
}

// Where an engine takes n! as e^(lgamma(n + 1)), lgamma's rounding is an absolute error there.
template <class D>
Budget budget_at(Special f, const ArbBall<D>& a) {
  Budget budget = budget_of<D>(rule_of(f).budget.relative);
  if (f == Special::polygamma && a.is_exact()) budget.value_u += std::lgamma(std::fabs(a.upper()) + 1);
  return budget;
}

}  // namespace

template <class D>
ArbBall<D> special(Special f, const ArbBall<D>& given, const ArbBall<D>& number) {
  using B = ArbBall<D>;
  if (f == Special::polygamma && given.is_exactly(0)) f = Special::digamma;
  const SpecialRule& rule = rule_of(f);
  const bool two = rule.parameter != Parameter::none;
  if (two && (arb::absorbs(given) || arb::absorbs(number))) return arb::absorb(given, number);
  if (arb::absorbs(number)) return arb::absorb(number);
  const B a = arb::perturbed(given, {0, rule.budget.parameter_u});
  const SpecialArgument parameter(a);
  B early;
  if (answered(rule.edge(SpecialArgument(given), SpecialArgument(number)), early)) return early;
  if (number.is_special() || (two && a.is_special())) return B::anything(Unbounded::domain);
  const Budget budget = budget_at(f, given);
  const B x = arb::perturbed(number, budget);
  if ((!x.is_exact() || !a.is_exact()) && answered(rule.edge(parameter, SpecialArgument(x)), early)) return early;
  arb_srcptr order = a.number().get();
  ArbNumber y = x.is_exact() ? at_point(rule, order, x.number().get(), arb_precision)
                             : over_ball(rule, order, x.number().get(), arb_precision);
  widen_absolutely(rule.budget, x, y);
  return arb::finish<D>(std::move(y), budget);
}

template ArbBall<UnderTest> special(Special, const ArbBall<UnderTest>&, const ArbBall<UnderTest>&);
template ArbBall<Exact> special(Special, const ArbBall<Exact>&, const ArbBall<Exact>&);

namespace {

// The nearest fast ball around it.
template <class D>
Ball<D> to_fast(const ArbBall<UnderTest>& ball) {
  using B = Ball<D>;
  using M = typename B::M;
  if (ball.is_anything()) return B::anything(ball.reason());
  if (ball.is_special()) return {static_cast<M>(arf_get_d(ball.number().mid(), ARF_RND_NEAR)), 0};
  if (ball.is_exactly(0)) return {ball.negative() ? -M{0} : M{0}, 0};
  if (ball.lower() > 4 * format_of<D>().max) return B::beyond(false);
  if (ball.upper() < -4 * format_of<D>().max) return B::beyond(true);
  const auto wide = ball.enclosure();
  const M mid = static_cast<M>(wide.mid);
  if (wide.rad == 0 && static_cast<long double>(mid) == wide.mid) return {mid, 0};
  const auto rad = static_cast<M>((wide.rad + std::fabs(wide.mid - static_cast<long double>(mid))) * (1 + 0x1p-50L));
  return ball::checked<D>(mid, (rad + B::d_eta) * ball::grow<D>);
}

// Bits that leave no mark on a ball's radius.
template <class D>
constexpr slong bridge_bits = std::is_same_v<D, float> ? 64 : 80;

double rounded(Special f, double a, double x, slong digits) {
  const ArbPrecision bits(96);
  const SpecialEdge edge =
      rule_of(f).edge(SpecialArgument(ArbBall<Exact>::exactly(a)), SpecialArgument(ArbBall<Exact>::exactly(x)));
  if (edge.kind == SpecialEdge::Kind::beyond) return std::copysign(HUGE_VAL, edge.value);
  const auto y = special(f, ArbBall<Exact>::exactly(a), ArbBall<Exact>::exactly(x));
  if (y.is_anything()) return std::numeric_limits<double>::quiet_NaN();
  if (y.is_exactly(0) && y.negative()) return -0.0;
  arb::Bound result;
  arf_set_round(result.get(), y.number().mid(), digits, ARF_RND_NEAR);
  return arf_get_d(result.get(), ARF_RND_NEAR);
}

}  // namespace

template <class D>
Ball<D> special(Special f, const Ball<D>& a, const Ball<D>& x) {
  using Arb = ArbBall<UnderTest>;
  const ArbPrecision bits(bridge_bits<D>);
  const FormatUnderTest format(format_of<D>());
  return to_fast<D>(special(f, Arb::from_ball(a), Arb::from_ball(x)));
}
template Ball<float> special(Special, const Ball<float>&, const Ball<float>&);
template Ball<double> special(Special, const Ball<double>&, const Ball<double>&);

float special(Special f, float a, float x) {
  return static_cast<float>(rounded(f, static_cast<double>(a), static_cast<double>(x), format_of<float>().digits));
}
double special(Special f, double a, double x) { return rounded(f, a, x, format_of<double>().digits); }
Defined special(Special f, Defined a, Defined x) { return {special(f, a.value, x.value), a.written && x.written}; }

}  // namespace gradproof
