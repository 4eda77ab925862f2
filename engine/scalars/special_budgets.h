// What a faithful implementation of a special function may be off: bounds as in budgets.h, of
//   |computed f(a, x) - f(a, x)| <= u (value_u |f| + argument_u |x ∂f/∂x| + parameter_u |a ∂f/∂a|) + eta.
// SLEEF promises its bound. The others are measured, for LibTorch's own implementations (ATen/native/Math.h, after
// Cephes and others) promise nothing: the largest errors of LibTorch 2.11.0 and 1.13.1 that
// `gradproof_bench --special` finds beside this argument_u, given behind each row as f32, f64, and a third more for
// points it did not meet.
#pragma once

#include "engine/scalars/special_rules.h"

namespace gradproof::special_budgets {

// clang-format off
inline constexpr SpecialBudget lgamma   {{{2, 0}, {2, 0}, "SLEEF u10; where x < 0 also 1e-8 and 1e-15"}, 0, 1e-8, 1e-15};
// The recurrence's sum cancels log x at ψ's zero 1.46…, the reflection's cotangent what 1 - x rounds.
inline constexpr SpecialBudget digamma  {{{3, 8}, {3, 8}, "measured: 0.8, 1.9"}};
// Beside these LibTorch takes n! from exp(lgamma(n + 1)): special.cpp. Of n = 1 in f64 it is 4e6 u off, its series
// being too short (special_gamma.cpp of the operators).
inline constexpr SpecialBudget polygamma{{{6, 2}, {6, 2}, "measured: 3.9 (n = 1), 2.5 (n = 2)"}};
inline constexpr SpecialBudget erfinv   {{{2, 0}, {2, 0}, "MKL HA below 1 ulp; measured: 1, 1 (2.11.0)"}};
inline constexpr SpecialBudget erfcx    {{{10, 1}, {10, 1}, "measured: 7.3, 6.9"}};
inline constexpr SpecialBudget ndtri    {{{7, 0}, {7, 0}, "measured: 4.9, 5"}};
inline constexpr SpecialBudget i0       {{{8, 0}, {8, 0}, "measured: 5.9, 5.5"}};
inline constexpr SpecialBudget i0e      {{{7, 0}, {7, 0}, "measured: 5.4, 4.9"}};
// Clenshaw's sum cancels at the end x = 8 of its interval.
inline constexpr SpecialBudget i1       {{{20, 0}, {13, 0}, "measured: 14.8, 9"}};
inline constexpr SpecialBudget i1e      {{{20, 0}, {13, 0}, "measured: 15.1, 9.3"}};
// In f64 LibTorch's J and Y are off by 1e-7 between 5 and 30, which no budget covers: those of f32 stand here.
inline constexpr SpecialBudget bessel_j {{{23, 4}, {23, 4}, "measured: 17 (f32)"}};
inline constexpr SpecialBudget bessel_y {{{9, 8}, {9, 8}, "measured: 6.4 (f32)"}};
inline constexpr SpecialBudget bessel_k {{{14, 0}, {14, 0}, "measured: 10, 9.8"}};
// From a = 20 on LibTorch's uniform asymptotic series is off by 380 u in f32 and 2e7 u in f64: no budget covers that.
inline constexpr SpecialBudget igamma   {{{13, 8}, {19, 8}, "measured: 9.1, 13.9 for a < 20"}, 2, 0, 0, 3e-39, 5.6e-309};
inline constexpr SpecialBudget igammac  {{{13, 8}, {37, 8}, "measured: 2, 27.8 for a < 20; 1 - P apart"}, 2, 0, 0, 3e-39, 5.6e-309};
inline constexpr SpecialBudget zeta     {{{2, 0}, {13, 0}, "measured: 1.5, 9.7"}};
// clang-format on

}  // namespace gradproof::special_budgets
