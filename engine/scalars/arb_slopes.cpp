#include "engine/scalars/arb_slopes.h"

namespace gradproof::arb::slopes {

namespace {

// 1/y
void inverse(arb_ptr to, const ArbNumber& y, slong bits) { arb_inv(to, y.get(), bits); }

// a + b x^2
ArbNumber with_square(slong a, slong b, arb_srcptr x, slong bits) {
  ArbNumber y;
  arb_sqr(y.get(), x, bits);
  arb_mul_si(y.get(), y.get(), b, bits);
  arb_add_si(y.get(), y.get(), a, bits);
  return y;
}

// 1/sqrt(y)
void inverse_root(arb_ptr to, ArbNumber y, slong bits) {
  arb_sqrt(y.get(), y.get(), bits);
  inverse(to, y, bits);
}

void inverse_times(arb_ptr to, arb_srcptr x, const ArbNumber& scale, slong bits) {
  arb_mul(to, x, scale.get(), bits);
  arb_inv(to, to, bits);
}

}  // namespace

void sqrt(arb_ptr to, arb_srcptr x, slong bits) {
  ArbNumber y;
  arb_set(y.get(), x);
  inverse_root(to, std::move(y), bits);
  arb_mul_2exp_si(to, to, -1);
}
void exp(arb_ptr to, arb_srcptr x, slong bits) { arb_exp(to, x, bits); }
void exp2(arb_ptr to, arb_srcptr x, slong bits) {
  ArbNumber scaled = value_of(ln2{});
  arb_mul(scaled.get(), scaled.get(), x, bits);
  arb_exp(to, scaled.get(), bits);
  arb_mul(to, to, value_of(ln2{}).get(), bits);
}
void expm1(arb_ptr to, arb_srcptr x, slong bits) { arb_exp(to, x, bits); }
void log(arb_ptr to, arb_srcptr x, slong bits) { arb_inv(to, x, bits); }
void log2(arb_ptr to, arb_srcptr x, slong bits) { inverse_times(to, x, value_of(ln2{}), bits); }
void log10(arb_ptr to, arb_srcptr x, slong bits) { inverse_times(to, x, value_of(ln10{}), bits); }
void log1p(arb_ptr to, arb_srcptr x, slong bits) {
  arb_add_si(to, x, 1, bits);
  arb_inv(to, to, bits);
}
void sin(arb_ptr to, arb_srcptr x, slong bits) { arb_cos(to, x, bits); }
void cos(arb_ptr to, arb_srcptr x, slong bits) {
  arb_sin(to, x, bits);
  arb_neg(to, to);
}
void tan(arb_ptr to, arb_srcptr x, slong bits) {
  arb_sec(to, x, bits);
  arb_sqr(to, to, bits);
}
void asin(arb_ptr to, arb_srcptr x, slong bits) { inverse_root(to, with_square(1, -1, x, bits), bits); }
void acos(arb_ptr to, arb_srcptr x, slong bits) {
  asin(to, x, bits);
  arb_neg(to, to);
}
void atan(arb_ptr to, arb_srcptr x, slong bits) { inverse(to, with_square(1, 1, x, bits), bits); }
void sinh(arb_ptr to, arb_srcptr x, slong bits) { arb_cosh(to, x, bits); }
void cosh(arb_ptr to, arb_srcptr x, slong bits) { arb_sinh(to, x, bits); }
void tanh(arb_ptr to, arb_srcptr x, slong bits) {
  arb_sech(to, x, bits);
  arb_sqr(to, to, bits);
}
void asinh(arb_ptr to, arb_srcptr x, slong bits) { inverse_root(to, with_square(1, 1, x, bits), bits); }
void acosh(arb_ptr to, arb_srcptr x, slong bits) { inverse_root(to, with_square(-1, 1, x, bits), bits); }
void atanh(arb_ptr to, arb_srcptr x, slong bits) { inverse(to, with_square(1, -1, x, bits), bits); }
void erf(arb_ptr to, arb_srcptr x, slong bits) {
  arb_sqr(to, x, bits);
  arb_neg(to, to);
  arb_exp(to, to, bits);
  arb_mul(to, to, value_of(two_over_sqrt_pi{}).get(), bits);
}
void erfc(arb_ptr to, arb_srcptr x, slong bits) {
  erf(to, x, bits);
  arb_neg(to, to);
}

void pow_base(arb_ptr to, arb_srcptr x, arb_srcptr y, slong bits) {
  ArbNumber power;
  arb_sub_si(power.get(), y, 1, bits);
  arb_pow(power.get(), x, power.get(), bits);
  arb_mul(to, power.get(), y, bits);
}
void pow_exponent(arb_ptr to, arb_srcptr x, arb_srcptr y, slong bits) {
  ArbNumber logarithm;
  arb_log(logarithm.get(), x, bits);
  arb_pow(to, x, y, bits);
  arb_mul(to, to, logarithm.get(), bits);
}

namespace {
// to / (x^2 + y^2)
void over_squares(arb_ptr to, arb_srcptr x, arb_srcptr y, slong bits) {
  ArbNumber squares;
  arb_sqr(squares.get(), x, bits);
  arb_addmul(squares.get(), y, y, bits);
  arb_div(to, to, squares.get(), bits);
}
}  // namespace

void atan2_y(arb_ptr to, arb_srcptr y, arb_srcptr x, slong bits) {
  arb_set(to, x);
  over_squares(to, x, y, bits);
}
void atan2_x(arb_ptr to, arb_srcptr y, arb_srcptr x, slong bits) {
  arb_neg(to, y);
  over_squares(to, x, y, bits);
}
void hypot(arb_ptr to, arb_srcptr x, arb_srcptr y, slong bits) {
  ArbNumber size;
  arb_hypot(size.get(), x, y, bits);
  arb_div(to, x, size.get(), bits);
}

}  // namespace gradproof::arb::slopes
