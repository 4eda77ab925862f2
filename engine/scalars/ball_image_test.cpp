// The fundamental property of the fast balls: for random balls and points in them, what a faithful
// implementation may return at the point lies in the image.
#include <gtest/gtest.h>

#include <vector>

#include "engine/scalars/scalar_check.h"

namespace gradproof {
namespace {

using check::bits;

struct Unary {
  const char* name;
  Ball<float> (*f32)(const Ball<float>&);
  Ball<double> (*f64)(const Ball<double>&);
  float (*libm32)(float);
  double (*libm64)(double);
  check::Image1 image;
  const PrimitiveBudget* row;
  double lo;  // of the domain
  double hi;

  Ball<float> apply(const Ball<float>& x) const { return f32(x); }
  Ball<double> apply(const Ball<double>& x) const { return f64(x); }
  float libm(float x) const { return libm32(x); }
  double libm(double x) const { return libm64(x); }
};

constexpr double inf = HUGE_VAL;

void exp2_image(arb_ptr to, arb_srcptr x) {
  ArbNumber two(2);
  arb_pow(to, two.get(), x, bits);
}

#define UNARY(name, arb_expression, lo, hi)                                                                      \
  Unary {                                                                                                        \
#name, [](const Ball<float>& x) { return name(x); }, [](const Ball<double>& x) { return name(x); },            \
        [](float x) { return std::name(x); }, [](double x) { return std::name(x); },                               \
        [](arb_ptr to, arb_srcptr x) { arb_expression; }, &budgets::name, lo, hi \
  }
const std::vector<Unary>& unaries() {
  static const std::vector<Unary> all{
      UNARY(sqrt, arb_sqrt(to, x, bits), 0, inf),
      UNARY(exp, arb_exp(to, x, bits), -120, 100),
      UNARY(exp2, exp2_image(to, x), -160, 130),
      UNARY(expm1, arb_expm1(to, x, bits), -120, 100),
      UNARY(log, arb_log(to, x, bits), 0, inf),
      UNARY(log2, arb_log_base_ui(to, x, 2, bits), 0, inf),
      UNARY(log10, arb_log_base_ui(to, x, 10, bits), 0, inf),
      UNARY(log1p, arb_log1p(to, x, bits), -1, inf),
      UNARY(sin, arb_sin(to, x, bits), -inf, inf),
      UNARY(cos, arb_cos(to, x, bits), -inf, inf),
      UNARY(tan, arb_tan(to, x, bits), -inf, inf),
      UNARY(asin, arb_asin(to, x, bits), -1, 1),
      UNARY(acos, arb_acos(to, x, bits), -1, 1),
      UNARY(atan, arb_atan(to, x, bits), -inf, inf),
      UNARY(sinh, arb_sinh(to, x, bits), -95, 95),
      UNARY(cosh, arb_cosh(to, x, bits), -95, 95),
      UNARY(tanh, arb_tanh(to, x, bits), -40, 40),
      UNARY(asinh, arb_asinh(to, x, bits), -inf, inf),
      UNARY(acosh, arb_acosh(to, x, bits), 1, inf),
      UNARY(atanh, arb_atanh(to, x, bits), -1, 1),
      UNARY(erf, arb_hypgeom_erf(to, x, bits), -8, 8),
      UNARY(erfc, arb_hypgeom_erfc(to, x, bits), -8, 28),
  };
  return all;
}

// Is the point in the domain for certain, so that a ball around it alone must be bounded?
bool certainly_outside(const Unary& f, long double x) {
  const std::string name = f.name;
  if (name == "sqrt" || name == "log" || name == "log2" || name == "log10") return x < 0;
  if (name == "log1p") return x < -1;
  if (name == "acosh") return x < 1;
  if (name == "asin" || name == "acos" || name == "atanh") return x < -1 || x > 1;
  return false;
}

template <class D>
void check_points(const Unary& f, const Ball<D>& x, const Ball<D>& y, check::Draw& draw) {
  const double slack = budget_of<D>(*f.row).value_u * format_of<D>().u * (1 - 1e-9);
  for (int which = 0; which < 4; ++which) {
    const long double at = draw.point(x, which);
    ArbNumber image;
    f.image(image.get(), check::number(at).get());
    if (certainly_outside(f, at)) {
      EXPECT_TRUE(y.is_nan() || y.is_anything()) << f.name << " of " << check::show(x) << " is " << check::show(y);
      continue;
    }
    EXPECT_FALSE(y.is_nan()) << f.name << " of " << check::show(x);
    if (y.is_special()) continue;
    EXPECT_TRUE(check::contains_widened(y, image, slack))
        << f.name << " of " << check::show(x) << " is " << check::show(y) << ", f(" << static_cast<double>(at)
        << ") is " << arb_get_str(image.get(), 25, 0);
    // What this machine's libm makes of it, too.
    const D in_d = static_cast<D>(at);
    if (static_cast<long double>(in_d) != at) continue;
    const Ball<D> stored = Scalar<Ball<D>>::materialize(y);
    EXPECT_TRUE(contains(stored, static_cast<double>(f.libm(in_d))))
        << f.name << "(" << in_d << ") = " << f.libm(in_d) << " outside " << check::show(stored);
    if (x.rad == 0) break;
  }
}

template <class D>
void check_unary(const Unary& f, unsigned seed, int balls) {
  check::Draw draw(seed);
  int bounded = 0;
  for (int i = 0; i < balls && !testing::Test::HasFailure(); ++i) {
    const Ball<D> x = draw.ball<D>(f.lo, f.hi);
    const Ball<D> y = f.apply(x);
    bounded += y.is_anything() || y.is_nan() ? 0 : 1;
    check_points(f, x, y, draw);
  }
  EXPECT_GT(bounded, balls / 4) << f.name;
}

class UnaryImage : public testing::TestWithParam<std::size_t> {};
TEST_P(UnaryImage, f32) { check_unary<float>(unaries()[GetParam()], 11, 1500); }
TEST_P(UnaryImage, f64) { check_unary<double>(unaries()[GetParam()], 12, 1500); }
INSTANTIATE_TEST_SUITE_P(Ball, UnaryImage, testing::Range<std::size_t>(0, unaries().size()),
                         [](const auto& info) { return std::string(unaries()[info.param].name); });

struct Binary {
  const char* name;
  Ball<float> (*f32)(const Ball<float>&, const Ball<float>&);
  Ball<double> (*f64)(const Ball<double>&, const Ball<double>&);
  float (*native32)(float, float);
  double (*native64)(double, double);
  check::Image2 image;
  const PrimitiveBudget* row;

  Ball<float> apply(const Ball<float>& x, const Ball<float>& y) const { return f32(x, y); }
  Ball<double> apply(const Ball<double>& x, const Ball<double>& y) const { return f64(x, y); }
  float native(float x, float y) const { return native32(x, y); }
  double native(double x, double y) const { return native64(x, y); }
};

#define BINARY(name, expression, native_expression, arb_expression, row)                                          \
  Binary {                                                                                                        \
    name, [](const Ball<float>& x, const Ball<float>& y) { return expression; },                                  \
        [](const Ball<double>& x, const Ball<double>& y) { return expression; },                                  \
        [](float x, float y) { return native_expression; }, [](double x, double y) { return native_expression; }, \
        [](arb_ptr to, arb_srcptr x, arb_srcptr y) { arb_expression; }, &budgets::row                             \
  }
const std::vector<Binary>& binaries() {
  static const std::vector<Binary> all{
      BINARY("add", x + y, x + y, arb_add(to, x, y, ARF_PREC_EXACT), arithmetic),
      BINARY("sub", x - y, x - y, arb_sub(to, x, y, ARF_PREC_EXACT), arithmetic),
      BINARY("mul", x * y, x * y, arb_mul(to, x, y, bits), arithmetic),
      BINARY("div", x / y, x / y, arb_div(to, x, y, bits), arithmetic),
      BINARY("hypot", hypot(x, y), std::hypot(x, y), arb_hypot(to, x, y, bits), hypot),
      BINARY("atan2", atan2(x, y), std::atan2(x, y), arb_atan2(to, x, y, bits), atan2),
      BINARY("pow", pow(x, y), std::pow(x, y), arb_pow(to, x, y, bits), pow),
      BINARY("maximum", maximum(x, y), maximum(x, y), arb_max(to, x, y, bits), exp),
      BINARY("minimum", minimum(x, y), minimum(x, y), arb_min(to, x, y, bits), exp),
  };
  return all;
}

template <class D>
Ball<D> second_operand(check::Draw& draw, const Ball<D>& x, const std::string& name) {
  using M = typename Ball<D>::M;
  if (name == "pow" && draw.chance(0.5)) return {static_cast<M>(draw.below(9) - 4), 0};
  if (name == "pow") return draw.template ball<D>(-3, 3);
  if (draw.chance(0.2)) return {-x.mid, x.rad};  // cancellation, ties
  return draw.template ball<D>(-inf, inf);
}

template <class D>
void check_binary(const Binary& f, unsigned seed, int balls) {
  const double slack = std::string(f.name).starts_with("m") && std::string(f.name) != "mul"
                           ? 0
                           : budget_of<D>(*f.row).value_u * format_of<D>().u * (1 - 1e-9);
  check::Draw draw(seed);
  int bounded = 0;
  for (int i = 0; i < balls && !testing::Test::HasFailure(); ++i) {
    const Ball<D> x = draw.ball<D>(std::string(f.name) == "pow" && draw.chance(0.8) ? 0 : -inf, inf);
    const Ball<D> y = second_operand(draw, x, f.name);
    const Ball<D> z = f.apply(x, y);
    bounded += z.is_anything() || z.is_nan() ? 0 : 1;
    if (z.is_anything()) continue;
    for (int which = 0; which < 16; ++which) {
      const long double a = draw.point(x, which % 4);
      const long double b = draw.point(y, which / 4);
      const std::string where =
          std::string(f.name) + " of " + check::show(x) + " and " + check::show(y) + " is " + check::show(z);
      const D a_d = static_cast<D>(a);
      const D b_d = static_cast<D>(b);
      const bool native = static_cast<long double>(a_d) == a && static_cast<long double>(b_d) == b;
      const Ball<D> stored = Scalar<Ball<D>>::materialize(z);
      if (native) {
        EXPECT_TRUE(contains(stored, static_cast<double>(f.native(a_d, b_d))))
            << where << ", " << a_d << ", " << b_d << " give " << f.native(a_d, b_d);
      }
      if (z.is_special()) continue;
      ArbNumber image;
      f.image(image.get(), check::number(a).get(), check::number(b).get());
      // Operands like these make the operation exact, and the rule does not widen.
      const bool rounds = !(x.is_exactly(0) || y.is_exactly(0) || std::fabs(x.mid) == 1 || std::fabs(y.mid) == 1);
      EXPECT_TRUE(check::contains_widened(z, image, rounds ? slack : 0))
          << where << ", " << static_cast<double>(a) << ", " << static_cast<double>(b) << " give "
          << arb_get_str(image.get(), 25, 0);
    }
  }
  EXPECT_GT(bounded, balls / 4) << f.name;
}

class BinaryImage : public testing::TestWithParam<std::size_t> {};
TEST_P(BinaryImage, f32) { check_binary<float>(binaries()[GetParam()], 21, 1500); }
TEST_P(BinaryImage, f64) { check_binary<double>(binaries()[GetParam()], 22, 1500); }
INSTANTIATE_TEST_SUITE_P(Ball, BinaryImage, testing::Range<std::size_t>(0, binaries().size()),
                         [](const auto& info) { return std::string(binaries()[info.param].name); });

}  // namespace
}  // namespace gradproof
