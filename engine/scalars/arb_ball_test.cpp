#include "engine/scalars/arb_ball.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "engine/scalars/scalar_check.h"

namespace gradproof {
namespace {

constexpr double inf = HUGE_VAL;
const double nan = std::numeric_limits<double>::quiet_NaN();

// D's ball; f32 and f64 need D under test.
template <class D>
using Arb = ArbBall<std::conditional_t<std::is_same_v<D, Exact>, Exact, UnderTest>>;

template <class D>
Arb<D> leaf(double x) {
  return Scalar<Arb<D>>::leaf(x);
}
template <class D>
Arb<D> wide(double mid, double rad) {
  ArbNumber x(mid);
  arb_add_error_arf(x.get(), ArbNumber(rad).mid());
  return Arb<D>(x);
}
template <class D>
void same(const ArbBall<D>& a, double value) {
  if (std::isfinite(value)) {
    EXPECT_TRUE(a.is_exact()) << a.to_string() << " against " << value;
  } else {
    EXPECT_TRUE(a.is_special()) << a.to_string() << " against " << value;
  }
  EXPECT_TRUE(a.contains(value)) << a.to_string() << " against " << value;
  if (value == 0) {
    EXPECT_EQ(a.negative(), std::signbit(value));
  }
}

template <class D>
class ArbOf : public testing::Test {
  FormatUnderTest format_{format_of<D>()};
};
using Dtypes = testing::Types<float, double, Exact>;
TYPED_TEST_SUITE(ArbOf, Dtypes);

TYPED_TEST(ArbOf, exact_and_special_results) {
  using D = TypeParam;
  same(leaf<D>(3) * 2, 6);
  same(leaf<D>(3) - 3, 0);
  same(leaf<D>(-7) / 2, -3.5);
  same(sqrt(leaf<D>(6.25)), 2.5);
  same(leaf<D>(0) * -2, -0.0);
  same(-leaf<D>(0), -0.0);
  same(1 / leaf<D>(-0.0), -inf);
  same(exp(leaf<D>(0)), 1);
  same(log(leaf<D>(0)), -inf);
  same(log(leaf<D>(1)), 0);
  same(leaf<D>(0) / 0, nan);
  same(sqrt(leaf<D>(-1)), nan);
  same(atanh(leaf<D>(1)), inf);
  same(pow(leaf<D>(-0.0), -1), -inf);
  same(pow(leaf<D>(0), 0), 1);
  same(pow(leaf<D>(-2), leaf<D>(0.5)), nan);
  same(pow(leaf<D>(-2), leaf<D>(-inf)), 0);
  same(leaf<D>(inf) - leaf<D>(inf), nan);
  same(leaf<D>(1) / leaf<D>(-inf), -0.0);
  same(tanh(leaf<D>(-inf)), -1);
  same(hypot(leaf<D>(-inf), wide<D>(1, 1)), inf);
  EXPECT_TRUE(overlap(atan(leaf<D>(inf)), constant<half_pi>(Arb<D>{})));
  EXPECT_TRUE(overlap(atan2(leaf<D>(0), leaf<D>(-1)), constant<pi>(Arb<D>{})));
}

TYPED_TEST(ArbOf, possible_violations_absorb) {
  using D = TypeParam;
  using B = Arb<D>;
  for (const B& x : {log(wide<D>(0, 1)), sqrt(wide<D>(0, 1)), 1 / wide<D>(0, 1), asin(wide<D>(1, 0.5)),
                     leaf<D>(inf) * wide<D>(0, 1), pow(wide<D>(0, 1), leaf<D>(0.5)), atanh(wide<D>(1, 0.5))}) {
    EXPECT_EQ(x.reason(), Unbounded::domain) << x.to_string();
    for (const B& y :
         {tanh(x), x * 0, 0 - x, sin(x), maximum(x, leaf<D>(1)), pow(x, 0), hull(x, leaf<D>(1)), atan(x)}) {
      EXPECT_EQ(y.reason(), Unbounded::domain);
    }
    EXPECT_TRUE((x + leaf<D>(nan)).is_nan());
  }
  EXPECT_EQ(atan2(wide<D>(0, 1), leaf<D>(-1)).reason(), Unbounded::jump);
  EXPECT_EQ(tan(wide<D>(1.5, 0.2)).reason(), Unbounded::jump);
}

TYPED_TEST(ArbOf, comparisons) {
  using D = TypeParam;
  branch = Branch{};
  EXPECT_EQ(less(leaf<D>(1), 2), Truth::yes);
  EXPECT_EQ(less(leaf<D>(1), leaf<D>(1)), Truth::no);
  EXPECT_EQ(equal(leaf<D>(1), 1), Truth::yes);
  EXPECT_EQ(less(leaf<D>(nan), leaf<D>(1)), Truth::no);
  EXPECT_FALSE(branch.met);
  EXPECT_EQ(less(wide<D>(1, 1), wide<D>(2, 1)), Truth::unknown);
  EXPECT_TRUE(branch.met);
  branch = Branch{.ties_open = true};
  EXPECT_EQ(less(leaf<D>(1), 1), Truth::unknown);
  EXPECT_TRUE(branch.met);
  EXPECT_EQ(equal(leaf<D>(1), 1), Truth::yes);
  branch = Branch{};
  const Arb<D> both = select(Truth::unknown, leaf<D>(1), leaf<D>(3));
  EXPECT_TRUE(both.contains(1) && both.contains(3) && !both.contains(3.1));
  EXPECT_TRUE(overlap(abs(wide<D>(0.5, 1)), leaf<D>(1.5)));
  EXPECT_GE(abs(wide<D>(0.5, 1)).lower(), -1e-8);
  EXPECT_LE(intersect(wide<D>(0.9, 0.5), 0, 1).upper(), 1 + 1e-8);
}

TEST(ArbBall, widens_by_the_dtype) {
  const auto relative = [](const auto& x) { return (x.upper() - x.lower()) / 2 / x.upper(); };
  const auto third_in = [&](const NumberFormat& format) {
    const FormatUnderTest under_test(format);
    return relative(leaf<UnderTest>(1) / 3);
  };
  EXPECT_NEAR(third_in(formats::bf16), 0x1p-8, 0x1p-14);
  EXPECT_NEAR(third_in(formats::f16), 0x1p-11, 0x1p-17);
  EXPECT_NEAR(third_in(formats::f32), 0x1p-24, 0x1p-30);
  EXPECT_GE(third_in(formats::f64), 0x1p-53);
  EXPECT_LE(third_in(formats::f64), 3 * 0x1p-53);  // the bounds are rounded outward to double
  EXPECT_LT(third_in(formats::exact), 0x1p-50);
  EXPECT_LT(relative(leaf<Exact>(1) / 3), 0x1p-50);
  EXPECT_LT(mag_cmp_2exp_si((leaf<Exact>(1) / 3).number().rad(), -120), 0);
  const ArbPrecision more(256);
  EXPECT_LT(mag_cmp_2exp_si(exp(leaf<Exact>(1)).number().rad(), -240), 0);
}

TEST(ArbBall, overflow_belongs_to_the_dtype) {
  const FormatUnderTest f32(formats::f32);
  using S = Scalar<ArbBall<UnderTest>>;
  const auto top = leaf<float>(static_cast<double>(std::numeric_limits<float>::max()));
  same(S::materialize(top * 2), inf);
  same(S::materialize(exp(leaf<float>(1e30))), inf);
  same(S::materialize(pow(leaf<float>(-1e30), leaf<float>(100001))), -inf);
  EXPECT_EQ((top * 2 * leaf<float>(0.25)).reason(), Unbounded::overflow);
  EXPECT_EQ(S::materialize(top * wide<float>(1, 0.1)).reason(), Unbounded::overflow);
  EXPECT_TRUE((leaf<Exact>(1e300) * leaf<Exact>(1e300) / leaf<Exact>(1e300)).contains(1e300));
}

TEST(ArbBall, enclosure_covers_the_ball) {
  check::Draw draw(31);
  for (int i = 0; i < 2000; ++i) {
    const Ball<double> ball = draw.ball<double>(-inf, inf);
    const auto e = ArbBall<Exact>::from_ball(ball).enclosure();
    EXPECT_LE(std::fabs(e.mid - ball.mid), e.rad);
    EXPECT_GE(e.rad, ball.rad);
    EXPECT_LE(e.rad, ball.rad * 1.0001L + std::fabs(ball.mid) * 0x1p-62L + 1e-4000L);
  }
}

TEST(ArbBall, halves_are_summed_in_f32_or_step_by_step) {
  using B = ArbBall<UnderTest>;
  check::Draw draw(33);
  for (const NumberFormat& format : {formats::f16, formats::bf16}) {
    const FormatUnderTest under_test(format);
    double widest = 0;
    for (int i = 0; i < 300; ++i) {
      Accumulator<B> in_f32;
      Accumulator<B> by_steps;
      by_steps.round_each_step();
      float wide = 0;
      float of_stored = 0;
      double steps = 0;
      for (int k = 0; k < 30; ++k) {
        const double x = rounded_to(format, draw.uniform(0, 4));
        const double y = rounded_to(format, draw.uniform(0, 4));
        in_f32.add_product(Scalar<B>::leaf(x), Scalar<B>::leaf(y));
        by_steps.add(Scalar<B>::leaf(x));
        wide += static_cast<float>(x * y);
        of_stored += static_cast<float>(rounded_to(format, x * y));
        steps = rounded_to(format, steps + x);
      }
      const B sum = in_f32.result();
      for (const float engine : {wide, of_stored}) {
        EXPECT_TRUE(sum.contains(rounded_to(format, static_cast<double>(engine)))) << format.digits << " bits";
      }
      EXPECT_TRUE(by_steps.result().contains(steps)) << format.digits << " bits";
      widest = std::fmax(widest, (sum.upper() - sum.lower()) / 2 / sum.upper());
    }
    EXPECT_LT(widest, 2.1 * format.u);
  }
  const FormatUnderTest f16(formats::f16);
  // 300² overflows f16 where it is stored before it is summed, and not in f32.
  const std::vector<B> a{B::integer(300), B::integer(300), B::integer(-300)};
  const std::vector<B> b{B::integer(300), B::integer(300), B::integer(300)};
  EXPECT_TRUE(Scalar<B>::materialize(Accumulator<B>::dot(a.data(), b.data(), 2)).contains(inf));
  EXPECT_FALSE(Scalar<B>::materialize(Accumulator<B>::dot(a.data(), b.data(), 2)).is_anything());
  EXPECT_EQ(Accumulator<B>::dot(a.data() + 1, b.data(), 2).reason(), Unbounded::overflow);
  same(Scalar<B>::materialize(leaf<UnderTest>(65504) * 2), inf);
  EXPECT_FALSE(B::integer(2049).is_exact());
  EXPECT_TRUE(B::integer(2048).is_exact());
}

// --- the fast ball and Arb on the same operands ---

template <class D>
struct FastOf {
  using Type = Ball<D>;
};
template <>
struct FastOf<Exact> {
  using Type = ArbBall<Exact>;
};

template <class D>
using Fast = typename FastOf<D>::Type;

template <class D>
struct Function {
  const char* name;
  Fast<D> (*fast)(const Fast<D>&, const Fast<D>&);
  Arb<D> (*arb)(const Arb<D>&, const Arb<D>&);
  double lo;
  double hi;
};

#define FUNCTION(name, expression, lo, hi)                                                   \
  Function<D> {                                                                              \
    name, [](const Fast<D>& x, [[maybe_unused]] const Fast<D>& y) { return expression; },    \
        [](const Arb<D>& x, [[maybe_unused]] const Arb<D>& y) { return expression; }, lo, hi \
  }
template <class D>
std::vector<Function<D>> functions() {
  return {
      FUNCTION("add", x + y, -inf, inf),      FUNCTION("mul", x * y, -inf, inf),
      FUNCTION("div", x / y, -inf, inf),      FUNCTION("sqrt", sqrt(x), 0, inf),
      FUNCTION("exp", exp(x), -80, 80),       FUNCTION("exp2", exp2(x), -100, 100),
      FUNCTION("expm1", expm1(x), -80, 80),   FUNCTION("log", log(x), 0, inf),
      FUNCTION("log2", log2(x), 0, inf),      FUNCTION("log10", log10(x), 0, inf),
      FUNCTION("log1p", log1p(x), -1, inf),   FUNCTION("sin", sin(x), -10, 10),
      FUNCTION("cos", cos(x), -10, 10),       FUNCTION("tan", tan(x), -10, 10),
      FUNCTION("asin", asin(x), -1, 1),       FUNCTION("acos", acos(x), -1, 1),
      FUNCTION("atan", atan(x), -inf, inf),   FUNCTION("sinh", sinh(x), -80, 80),
      FUNCTION("cosh", cosh(x), -80, 80),     FUNCTION("tanh", tanh(x), -9, 9),
      FUNCTION("asinh", asinh(x), -inf, inf), FUNCTION("acosh", acosh(x), 1, inf),
      FUNCTION("atanh", atanh(x), -1, 1),     FUNCTION("erf", erf(x), -5, 5),
      FUNCTION("erfc", erfc(x), -5, 10),      FUNCTION("hypot", hypot(x, y), -inf, inf),
      FUNCTION("atan2", atan2(x, y), 0, inf), FUNCTION("pow", pow(x, y), 0, inf),
      FUNCTION("powi", pow(x, 3), -inf, inf), FUNCTION("maximum", maximum(x, y), -inf, inf),
      FUNCTION("abs", abs(x), -inf, inf),
  };
}

// Both contain the image, so they meet; and where nothing is near an edge the fast one is as narrow.
template <class D>
void check_agreement(unsigned seed) {
  const FormatUnderTest under_test(format_of<D>());
  for (const Function<D>& f : functions<D>()) {
    check::Draw draw(seed);
    for (int i = 0; i < 400 && !testing::Test::HasFailure(); ++i) {
      const Ball<D> x = draw.ball<D>(f.lo, f.hi);
      const Ball<D> y = std::string(f.name) == "pow" ? draw.ball<D>(-3, 3) : draw.ball<D>(f.lo, f.hi);
      const Ball<D> fast = f.fast(x, y);
      const Arb<D> slow = f.arb(Arb<D>::from_ball(x), Arb<D>::from_ball(y));
      const std::string what = std::string(f.name) + " of " + check::show(x) + ", " + check::show(y) + ": " +
                               check::show(fast) + " against " + slow.to_string();
      EXPECT_TRUE(overlap(Arb<D>::from_ball(fast), slow)) << what;
      EXPECT_EQ(fast.is_nan(), slow.is_nan()) << what;
    }
    for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) {
      const double mid = draw.uniform(std::fmax(f.lo, -3) + 0.1, std::fmin(f.hi, 3) - 0.1);
      const Ball<D> x{static_cast<typename Ball<D>::M>(mid), static_cast<typename Ball<D>::M>(1e-8)};
      const Ball<D> y{static_cast<typename Ball<D>::M>(draw.uniform(0.5, 3)), static_cast<typename Ball<D>::M>(1e-9)};
      const Ball<D> fast = f.fast(x, y);
      if (fast.is_anything()) continue;
      const auto slow = f.arb(Arb<D>::from_ball(x), Arb<D>::from_ball(y)).enclosure();
      EXPECT_LE(static_cast<long double>(fast.rad), slow.rad * 1.5L)
          << f.name << " of " << check::show(x) << ", " << check::show(y) << ": " << check::show(fast);
    }
  }
}
TEST(FastAgainstArb, f32) { check_agreement<float>(41); }
TEST(FastAgainstArb, f64) { check_agreement<double>(42); }

// An Arb ball of D widens the exact image of every point of its operand.
template <class D>
void check_images(unsigned seed) {
  const FormatUnderTest under_test(format_of<D>());
  for (const Function<D>& f : functions<D>()) {
    check::Draw draw(seed);
    for (const Function<Exact>& g : functions<Exact>()) {
      if (std::string(g.name) != f.name) continue;
      for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) {
        const Ball<D> x = draw.ball<D>(f.lo, f.hi);
        const Ball<D> y = std::string(f.name) == "pow" ? draw.ball<D>(-3, 3) : draw.ball<D>(f.lo, f.hi);
        const Arb<D> image = f.arb(Arb<D>::from_ball(x), Arb<D>::from_ball(y));
        if (!image.is_finite()) continue;
        const auto a = ArbBall<Exact>(check::number(draw.point(x, i % 4)));
        const auto b = ArbBall<Exact>(check::number(draw.point(y, i / 4 % 4)));
        const ArbPrecision more(check::bits);
        const ArbBall<Exact> point = g.arb(a, b);
        EXPECT_TRUE(arb_contains(image.number().get(), point.number().get()) != 0 ||
                    (image.is_exact() && arb_overlaps(image.number().get(), point.number().get()) != 0))
            << f.name << " of " << check::show(x) << ", " << check::show(y) << ": " << image.to_string() << " misses "
            << point.to_string();
      }
    }
  }
}
TEST(ArbImage, f32) { check_images<float>(51); }
TEST(ArbImage, f64) { check_images<double>(52); }

}  // namespace
}  // namespace gradproof
