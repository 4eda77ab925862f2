// The number formats under test and the wider hardware formats their balls are computed in.
#pragma once

#include <limits>

#include "engine/scalars/scalar.h"

namespace gradproof {

// u: unit roundoff of round to nearest, |fl(x) - x| <= u|x|;  eta: smallest subnormal;  max: largest finite.
template <class D>
struct DtypeTraits;

template <>
struct DtypeTraits<float> {
  static constexpr double u = 0x1p-24;
  static constexpr double eta = 0x1p-149;
  static constexpr double max = std::numeric_limits<float>::max();
  static constexpr int digits = 24;
  static constexpr const char* name = "f32";
};

template <>
struct DtypeTraits<double> {
  static constexpr double u = 0x1p-53;
  static constexpr double eta = 0x1p-1074;
  static constexpr double max = std::numeric_limits<double>::max();
  static constexpr int digits = 53;
  static constexpr const char* name = "f64";
};

template <>
struct DtypeTraits<Exact> {
  static constexpr double u = 0;
  static constexpr double eta = 0;
  static constexpr double max = std::numeric_limits<double>::infinity();
  static constexpr int digits = 0;
  static constexpr const char* name = "exact";
};

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
