// The number formats under test and the wider hardware formats their balls are computed in.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "adapters/engine.h"
#include "engine/scalars/scalar.h"
#include "script/half.h"

namespace gradproof {

// What rounding to a format may do, |fl(x) - x| <= u|x| + eta/2, and in which LibTorch sums it: f16 and bf16 in float,
// rounded at the end.
struct NumberFormat {
  double u = 0;           // unit roundoff of round to nearest
  double eta = 0;         // smallest subnormal
  double max = HUGE_VAL;  // largest finite number
  double least_normal = 0;
  int digits = 0;           // bits of the significand; 0: nothing is rounded
  double sum_u = 0;         // of partial sums
  gp_dtype dtype = GP_F64;  // where it rounds

  constexpr bool rounds() const { return digits > 0; }
  // f16 and bf16 are, and stored in their own.
  constexpr bool computed_in_f32() const { return rounds() && digits <= 24; }
};

namespace formats {
inline constexpr double most_f32 = std::numeric_limits<float>::max();
inline constexpr double most_f64 = std::numeric_limits<double>::max();
inline constexpr NumberFormat f16{0x1p-11, 0x1p-24, 65504, 0x1p-14, 11, 0x1p-24, GP_F16};
inline constexpr NumberFormat bf16{0x1p-8, 0x1p-133, 0x1.fep127, 0x1p-126, 8, 0x1p-24, GP_BF16};
inline constexpr NumberFormat f32{0x1p-24, 0x1p-149, most_f32, 0x1p-126, 24, 0x1p-24, GP_F32};
inline constexpr NumberFormat f64{0x1p-53, 0x1p-1074, most_f64, 0x1p-1022, 53, 0x1p-53, GP_F64};
inline constexpr NumberFormat exact{};
}  // namespace formats

// The format that D = UnderTest stands for in this thread.
inline thread_local NumberFormat format_under_test = formats::f32;

class FormatUnderTest {
 public:
  explicit FormatUnderTest(const NumberFormat& format) : saved_(format_under_test) { format_under_test = format; }
  ~FormatUnderTest() { format_under_test = saved_; }
  FormatUnderTest(const FormatUnderTest&) = delete;
  FormatUnderTest& operator=(const FormatUnderTest&) = delete;

 private:
  NumberFormat saved_;
};

template <class D>
constexpr const NumberFormat& format_of();
template <>
constexpr const NumberFormat& format_of<float>() {
  return formats::f32;
}
template <>
constexpr const NumberFormat& format_of<double>() {
  return formats::f64;
}
template <>
constexpr const NumberFormat& format_of<Exact>() {
  return formats::exact;
}
template <>
inline const NumberFormat& format_of<UnderTest>() {
  return format_under_test;
}

constexpr const NumberFormat& format_of(gp_dtype dtype) {
  switch (dtype) {
    case GP_F16: return formats::f16;
    case GP_BF16: return formats::bf16;
    case GP_F32: return formats::f32;
    default: return formats::f64;
  }
}

// The nearest number of the format, ties to even.
inline double rounded_to(const NumberFormat& format, double x) {
  switch (format.digits) {
    case 8: return from_bf16(to_bf16(x));
    case 11: return from_f16(to_f16(x));
    case 24: return static_cast<double>(static_cast<float>(x));
    default: return x;
  }
}

// The format M that a fast ball of dtype D lives in.
//   u:        unit roundoff of M, for + - * / sqrt
//   function: relative error of M's libm, 8 ulps (glibc's worst here is 5.2, erfc)
//   grow:     1 + delta covers every rounding inside a radius (see docs/mathematics.md, "Radii")
template <class D>
struct BallFormat;

template <>
struct BallFormat<float> {
  using M = double;
  static constexpr M u = 0x1p-53;
  static constexpr M function = 0x1p-49;
  static constexpr M grow = 1 + 0x1p-44;
};

template <>
struct BallFormat<double> {
  using M = long double;
  static constexpr M u = 0x1p-64L;
  static constexpr M function = 0x1p-60L;
  static constexpr M grow = 1 + 0x1p-55L;
};

}  // namespace gradproof
