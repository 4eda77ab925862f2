// Special functions on balls: what they are at numbers of a ball lies in the ball's image.
#include "engine/scalars/special.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

namespace gradproof {

namespace {

struct Case {
  Special f;
  double low;
  double high;
  double low_a = 0;
  double high_a = 0;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {Special::lgamma, -9, 20},       {Special::digamma, -9, 20},       {Special::polygamma, -9, 20, 0, 4},
      {Special::erfinv, -1, 1},        {Special::erfcx, -9, 90},         {Special::ndtri, 0, 1},
      {Special::i0, -40, 40},          {Special::i0e, -40, 40},          {Special::i1, -40, 40},
      {Special::i1e, -40, 40},         {Special::bessel_j0, -40, 40},    {Special::bessel_j1, -40, 40},
      {Special::bessel_y0, 0, 40},     {Special::bessel_y1, 0, 40},      {Special::bessel_k0, 0, 40},
      {Special::bessel_k1, 0, 40},     {Special::bessel_k0e, 0, 40},     {Special::bessel_k1e, 0, 40},
      {Special::igamma, 0, 20, 0, 20}, {Special::igammac, 0, 20, 0, 20}, {Special::zeta, 0, 20, 1, 9}};
  return all;
}

class SpecialFunctions : public testing::TestWithParam<Case> {
 protected:
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random_); }

  template <class D>
  void expect_images() {
    using B = Ball<D>;
    using M = typename B::M;
    const Case& of = GetParam();
    int decided = 0;
    for (int i = 0; i < 300; ++i) {
      const double x = static_cast<double>(static_cast<D>(uniform(of.low, of.high)));
      double a = static_cast<double>(static_cast<D>(uniform(of.low_a, of.high_a)));
      if (of.f == Special::polygamma) a = std::floor(a);
      const double relative = std::exp2(uniform(-40, -1));
      const B ball{static_cast<M>(x), static_cast<M>(std::fabs(x) * relative)};
      const B image = special(of.f, B{static_cast<M>(a), 0}, ball);
      if (image.is_anything()) continue;
      ++decided;
      for (const double t : {-0.999, -0.3, 0.0, 0.7, 0.999}) {
        const double at = x * (1 + relative * t);
        const double y = special(of.f, a, at);
        EXPECT_TRUE(image.contains(static_cast<M>(y)) || std::fabs(y) > format_of<D>().max)
            << "f(" << a << ", " << at << ") = " << y << " in f of " << x << " +- " << std::fabs(x) * relative;
      }
    }
    EXPECT_GT(decided, 200);
  }

 private:
  std::mt19937_64 random_{7};
};

TEST_P(SpecialFunctions, ImagesHoldValuesOfF32) { expect_images<float>(); }
TEST_P(SpecialFunctions, ImagesHoldValuesOfF64) { expect_images<double>(); }

INSTANTIATE_TEST_SUITE_P(All, SpecialFunctions, testing::ValuesIn(cases()),
                         [](const auto& info) { return std::string(operator_of(info.param.f)); });

// DLMF and Abramowitz and Stegun's tables.
TEST(SpecialFunctions, KnownValues) {
  const auto expect = [](Special f, double a, double x, double y) {
    EXPECT_NEAR(special(f, a, x), y, 1e-15 * std::fabs(y)) << operator_of(f) << " at " << a << ", " << x;
  };
  const double pi = 3.14159265358979323846;
  expect(Special::lgamma, 0, 0.5, std::log(pi) / 2);
  expect(Special::digamma, 0, 1, -0.57721566490153286061);
  expect(Special::polygamma, 1, 1, pi * pi / 6);
  expect(Special::polygamma, 2, 1, -2.40411380631918857080);
  expect(Special::erfinv, 0, 0.5, 0.47693627620446987338);
  expect(Special::ndtri, 0, 0.975, 1.95996398454005423552);
  expect(Special::erfcx, 0, 100, 0.00564161378298943290);
  expect(Special::i0, 0, 1, 1.26606587775200833560);
  expect(Special::i1, 0, -1, -0.56515910399248502721);
  expect(Special::bessel_j0, 0, 1, 0.76519768655796655145);
  expect(Special::bessel_y1, 0, 1, -0.78121282130028871655);
  expect(Special::bessel_k1, 0, 1, 0.60190723019723457474);
  expect(Special::igamma, 1, 2, 1 - std::exp(-2.0));
  expect(Special::zeta, 2, 1, pi * pi / 6);
  expect(Special::zeta, 2, -0.5, pi * pi / 2 + 4);
}

// Poles and ends as IEEE's functions have them.
TEST(SpecialFunctions, PolesAndEnds) {
  const double inf = HUGE_VAL;
  EXPECT_EQ(special(Special::lgamma, 0.0, -3.0), inf);
  EXPECT_EQ(special(Special::digamma, 0.0, 0.0), -inf);
  EXPECT_EQ(special(Special::digamma, 0.0, -0.0), inf);
  EXPECT_TRUE(std::isnan(special(Special::digamma, 0.0, -2.0)));
  EXPECT_EQ(special(Special::erfinv, 0.0, -1.0), -inf);
  EXPECT_TRUE(std::isnan(special(Special::ndtri, 0.0, 1.5)));
  EXPECT_EQ(special(Special::igamma, 2.0, 0.0), 0);
  EXPECT_EQ(special(Special::zeta, 1.0, 3.0), inf);
  EXPECT_EQ(special(Special::bessel_y0, 0.0, 0.0), -inf);
  EXPECT_EQ(special(Special::i0, 0.0, 5000.0), inf);
  EXPECT_TRUE((special(Special::lgamma, Ball<double>{0, 0}, Ball<double>{-1, 0.001L})).is_anything());
}

}  // namespace

}  // namespace gradproof
