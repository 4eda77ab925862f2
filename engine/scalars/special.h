// Special functions, which no libm has: the gamma function's kin, inverse error functions, Bessel's, zeta.
//
// They are computed by Arb in every scalar: a fast ball goes over a bridge to Arb's balls and back, so that there
// is one rule for each function, its images, domain and budget (special.cpp), and no more. float and double are
// rounded once, from 96 bits.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "engine/scalars/arb_ball.h"
#include "engine/scalars/ball.h"
#include "engine/scalars/defined.h"
#include "engine/scalars/scalar.h"

namespace gradproof {

// Of one number, or of a parameter a and a number x; derivatives are taken with respect to x.
enum class Special : std::uint8_t {
  lgamma,     // log |Γ(x)|
  digamma,    // ψ(x) = Γ'(x)/Γ(x)
  polygamma,  // ψ⁽ᵃ⁾(x), a = 0, 1, 2, …
  erfinv,
  erfcx,  // e^(x²) erfc(x)
  ndtri,  // the inverse of Φ
  i0,
  i0e,  // e^-|x| I₀(x)
  i1,
  i1e,
  bessel_j0,
  bessel_j1,
  bessel_y0,
  bessel_y1,
  bessel_k0,
  bessel_k1,
  bessel_k0e,  // e^x K₀(x)
  bessel_k1e,
  igamma,   // P(a, x) = γ(a, x)/Γ(a)
  igammac,  // Q(a, x) = 1 - P(a, x)
  zeta,     // Σ (x + k)^-a, k = 0, 1, …
  count_
};
inline constexpr std::size_t special_count = static_cast<std::size_t>(Special::count_);

// The elementwise operator that each is on a tape; its formula names it.
inline constexpr std::array<std::string_view, special_count> special_operators{"lgamma",
                                                                               "digamma",
                                                                               "_polygamma",
                                                                               "erfinv",
                                                                               "special_erfcx",
                                                                               "special_ndtri",
                                                                               "i0",
                                                                               "special_i0e",
                                                                               "special_i1",
                                                                               "special_i1e",
                                                                               "special_bessel_j0",
                                                                               "special_bessel_j1",
                                                                               "special_bessel_y0",
                                                                               "special_bessel_y1",
                                                                               "special_modified_bessel_k0",
                                                                               "special_modified_bessel_k1",
                                                                               "special_scaled_modified_bessel_k0",
                                                                               "special_scaled_modified_bessel_k1",
                                                                               "igamma",
                                                                               "igammac",
                                                                               "special_zeta"};

constexpr std::string_view operator_of(Special f) { return special_operators[static_cast<std::size_t>(f)]; }

// f(a, x); functions of one number take it as x and ignore a.
float special(Special f, float a, float x);
double special(Special f, double a, double x);
Defined special(Special f, Defined a, Defined x);
template <class D>
Ball<D> special(Special f, const Ball<D>& a, const Ball<D>& x);
template <class D>
ArbBall<D> special(Special f, const ArbBall<D>& a, const ArbBall<D>& x);

template <Special F, class T>
requires requires { Scalar<T>::integer(0); }
T special(const T& x) { return special(F, x, x); }
template <Special F, class T>
requires requires { Scalar<T>::integer(0); }
T special(const T& a, const T& x) { return special(F, a, x); }

}  // namespace gradproof
