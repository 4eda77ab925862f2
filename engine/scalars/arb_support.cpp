#include "engine/scalars/arb_support.h"

namespace gradproof::arb {

ArbNumber from_long_double(long double value) {
  int exponent = 0;
  const long double fraction = std::frexp(value, &exponent);
  const auto high = static_cast<double>(fraction);
  ArbNumber result(high);
  const ArbNumber low(static_cast<double>(fraction - static_cast<long double>(high)));
  arb_add(result.get(), result.get(), low.get(), ARF_PREC_EXACT);
  arb_mul_2exp_si(result.get(), result.get(), exponent);
  return result;
}

long double to_long_double(arf_srcptr x) {
  if (arf_is_special(x) != 0) return arf_get_d(x, ARF_RND_NEAR);
  constexpr slong most = 16000;
  if (arf_cmpabs_2exp_si(x, most) > 0) return static_cast<long double>(arf_sgn(x)) * HUGE_VALL;
  if (arf_cmpabs_2exp_si(x, -most) < 0) return 0;
  ArbNumber scaled;
  arb_set_arf(scaled.get(), x);
  const slong exponent = arf_abs_bound_lt_2exp_si(x);
  arb_mul_2exp_si(scaled.get(), scaled.get(), -exponent);
  const double high = arf_get_d(scaled.mid(), ARF_RND_NEAR);
  const ArbNumber head(high);
  arb_sub(scaled.get(), scaled.get(), head.get(), ARF_PREC_EXACT);
  const double low = arf_get_d(scaled.mid(), ARF_RND_NEAR);
  return std::ldexp(static_cast<long double>(high) + static_cast<long double>(low), static_cast<int>(exponent));
}

}  // namespace gradproof::arb
