// Derivatives of the elementary functions as functions of Arb's numbers, for affine forms. Infinite or NaN where an
// argument's range reaches the end of the domain.
#pragma once

#include "engine/scalars/arb_ball.h"

namespace gradproof::arb::slopes {

#define GRADPROOF_ARB_SLOPE(name) void name(arb_ptr to, arb_srcptr x, slong bits);
GRADPROOF_ARB_UNARY_LIST(GRADPROOF_ARB_SLOPE)
#undef GRADPROOF_ARB_SLOPE

// d x^y / dx, d x^y / dy
void pow_base(arb_ptr to, arb_srcptr x, arb_srcptr y, slong bits);
void pow_exponent(arb_ptr to, arb_srcptr x, arb_srcptr y, slong bits);
// d atan2(y, x) / dy, d atan2(y, x) / dx
void atan2_y(arb_ptr to, arb_srcptr y, arb_srcptr x, slong bits);
void atan2_x(arb_ptr to, arb_srcptr y, arb_srcptr x, slong bits);
// d hypot(x, y) / dx
void hypot(arb_ptr to, arb_srcptr x, arb_srcptr y, slong bits);

}  // namespace gradproof::arb::slopes
