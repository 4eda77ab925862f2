// What a faithful implementation of a primitive may be off, in units of u:
//   |computed f(x) - f(x)| <= u (value_u |f(x)| + argument_u |x f'(x)|) + eta.
//
// One ulp of f is at most 2u|f|, so "1 ulp" is value_u = 2. Sources:
//   IEEE    IEEE 754-2019: + - * / sqrt within half an ulp.
//   SLEEF   the suffix of the function LibTorch's vectorized CPU kernels call (ATen/cpu/vec: u10 is 1.0 ulp,
//           u35 3.5, u15 1.5, u05 0.5; sin and cos of f32 are the u35 ones).
//   glibc   Gladman, Innocente, Mather, Zimmermann, "Accuracy of mathematical functions in single, double,
//           double extended and quadruple precision" (hal-03141101): largest known error of glibc on x86-64.
// A row takes the larger of the two, rounded up. argument_u is 0 where both are bounds on the result alone.
#pragma once

#include "engine/scalars/number_format.h"
#include "engine/scalars/scalar.h"

namespace gradproof {

struct Budget {
  double value_u = 0;
  double argument_u = 0;
};

struct PrimitiveBudget {
  Budget f32;
  Budget f64;
  const char* source;
};

// clang-format off
namespace budgets {
inline constexpr PrimitiveBudget arithmetic{{1, 0}, {1, 0}, "IEEE 754"};
inline constexpr PrimitiveBudget sqrt {{1, 0}, {1, 0},  "IEEE 754"};
inline constexpr PrimitiveBudget exp  {{2, 0}, {2, 0},  "SLEEF u10; glibc 0.52 ulp"};
inline constexpr PrimitiveBudget exp2 {{2, 0}, {2, 0},  "SLEEF u10; glibc 0.52 ulp"};
inline constexpr PrimitiveBudget expm1{{2, 0}, {2, 0},  "SLEEF u10; glibc 0.96 ulp"};
inline constexpr PrimitiveBudget log  {{2, 0}, {2, 0},  "SLEEF u10; glibc 0.82 ulp"};
inline constexpr PrimitiveBudget log2 {{2, 0}, {2, 0},  "SLEEF u10; glibc 0.76 ulp"};
inline constexpr PrimitiveBudget log10{{5, 0}, {4, 0},  "SLEEF u10; glibc 2.1 ulp (f32), 1.7 ulp (f64)"};
inline constexpr PrimitiveBudget log1p{{2, 0}, {2, 0},  "SLEEF u10; glibc 0.9 ulp"};
inline constexpr PrimitiveBudget sin  {{7, 0}, {2, 0},  "SLEEF u35 (f32), u10 (f64); glibc 0.57 ulp"};
inline constexpr PrimitiveBudget cos  {{7, 0}, {2, 0},  "SLEEF u35 (f32), u10 (f64); glibc 0.57 ulp"};
inline constexpr PrimitiveBudget tan  {{3, 0}, {2, 0},  "SLEEF u10; glibc 1.48 ulp (f32), 0.62 ulp (f64)"};
inline constexpr PrimitiveBudget asin {{2, 0}, {2, 0},  "SLEEF u10; glibc 0.93 ulp"};
inline constexpr PrimitiveBudget acos {{2, 0}, {2, 0},  "SLEEF u10; glibc 0.9 ulp"};
inline constexpr PrimitiveBudget atan {{2, 0}, {2, 0},  "SLEEF u10; glibc 0.86 ulp"};
inline constexpr PrimitiveBudget atan2{{4, 0}, {2, 0},  "SLEEF u10; glibc 1.52 ulp (f32), 0.53 ulp (f64)"};
inline constexpr PrimitiveBudget sinh {{4, 0}, {4, 0},  "SLEEF u10; glibc 1.93 ulp"};
inline constexpr PrimitiveBudget cosh {{4, 0}, {4, 0},  "SLEEF u10; glibc 1.93 ulp"};
inline constexpr PrimitiveBudget tanh {{5, 0}, {5, 0},  "SLEEF u10; glibc 2.22 ulp"};
inline constexpr PrimitiveBudget asinh{{4, 0}, {4, 0},  "SLEEF u10; glibc 1.92 ulp"};
inline constexpr PrimitiveBudget acosh{{5, 0}, {5, 0},  "SLEEF u10; glibc 2.25 ulp"};
inline constexpr PrimitiveBudget atanh{{4, 0}, {4, 0},  "SLEEF u10; glibc 1.8 ulp"};
inline constexpr PrimitiveBudget erf  {{3, 0}, {3, 0},  "SLEEF u10; glibc 0.97 ulp (f32), 1.43 ulp (f64)"};
inline constexpr PrimitiveBudget erfc {{7, 0}, {11, 0}, "SLEEF u15; glibc 3.2 ulp (f32), 5.2 ulp (f64)"};
inline constexpr PrimitiveBudget hypot{{2, 0}, {2, 0},  "SLEEF u05; glibc 0.98 ulp"};
inline constexpr PrimitiveBudget pow  {{2, 0}, {2, 0},  "SLEEF u10; glibc 0.82 ulp"};
}  // namespace budgets
// clang-format on

template <class D>
constexpr Budget budget_of(const PrimitiveBudget& row);
template <>
constexpr Budget budget_of<float>(const PrimitiveBudget& row) {
  return row.f32;
}
template <>
constexpr Budget budget_of<double>(const PrimitiveBudget& row) {
  return row.f64;
}
template <>
constexpr Budget budget_of<Exact>(const PrimitiveBudget&) {
  return {};
}
// f16 and bf16 are computed in f32 and rounded: 1 u of their own beside f32's share.
template <>
inline Budget budget_of<UnderTest>(const PrimitiveBudget& row) {
  const NumberFormat& format = format_under_test;
  if (!format.rounds()) return {};
  if (format.digits == formats::f64.digits) return row.f64;
  if (format.digits == formats::f32.digits) return row.f32;
  const double share = formats::f32.u / format.u;
  return {1 + 2 * share * row.f32.value_u, share * row.f32.argument_u};
}

}  // namespace gradproof
