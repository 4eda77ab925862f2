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

template <class D>
ArbBall<D> leaf(double x) {
  return Scalar<ArbBall<D>>::leaf(x);
}
template <class D>
ArbBall<D> wide(double mid, double rad) {
  ArbNumber x(mid);
  arb_add_error_arf(x.get(), ArbNumber(rad).mid());
  return ArbBall<D>(x);
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
class Arb : public testing::Test {};
using Dtypes = testing::Types<float, double, Exact>;
TYPED_TEST_SUITE(Arb, Dtypes);

TYPED_TEST(Arb, exact_and_special_results) {
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
  EXPECT_TRUE(overlap(atan(leaf<D>(inf)), constant<half_pi>(ArbBall<D>{})));
  EXPECT_TRUE(overlap(atan2(leaf<D>(0), leaf<D>(-1)), constant<pi>(ArbBall<D>{})));
}

TYPED_TEST(Arb, possible_violations_absorb) {
  using D = TypeParam;
  using B = ArbBall<D>;
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

TYPED_TEST(Arb, comparisons) {
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
  const ArbBall<D> both = select(Truth::unknown, leaf<D>(1), leaf<D>(3));
  EXPECT_TRUE(both.contains(1) && both.contains(3) && !both.contains(3.1));
  EXPECT_TRUE(overlap(abs(wide<D>(0.5, 1)), leaf<D>(1.5)));
  EXPECT_GE(abs(wide<D>(0.5, 1)).lower(), -1e-8);
  EXPECT_LE(intersect(wide<D>(0.9, 0.5), 0, 1).upper(), 1 + 1e-8);
}

TEST(ArbBall, widens_by_the_dtype) {
  const auto relative = [](const auto& x) { return (x.upper() - x.lower()) / 2 / x.upper(); };
  EXPECT_NEAR(relative(leaf<float>(1) / 3), 0x1p-24, 0x1p-30);
  EXPECT_GE(relative(leaf<double>(1) / 3), 0x1p-53);
  EXPECT_LE(relative(leaf<double>(1) / 3), 3 * 0x1p-53);  // the bounds are rounded outward to double
  EXPECT_LT(relative(leaf<Exact>(1) / 3), 0x1p-50);
  EXPECT_LT(mag_cmp_2exp_si((leaf<Exact>(1) / 3).number().rad(), -120), 0);
  const ArbPrecision more(256);
  EXPECT_LT(mag_cmp_2exp_si(exp(leaf<Exact>(1)).number().rad(), -240), 0);
}

TEST(ArbBall, overflow_belongs_to_the_dtype) {
  using S = Scalar<ArbBall<float>>;
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
    const auto e = ArbBall<double>::from_ball(ball).enclosure();
    EXPECT_LE(std::fabs(e.mid - ball.mid), e.rad);
    EXPECT_GE(e.rad, ball.rad);
    EXPECT_LE(e.rad, ball.rad * 1.0001L + std::fabs(ball.mid) * 0x1p-62L + 1e-4000L);
  }
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
  ArbBall<D> (*arb)(const ArbBall<D>&, const ArbBall<D>&);
  double lo;
  double hi;
};

#define FUNCTION(name, expression, lo, hi)                                                           \
  Function<D> {                                                                                      \
    name, [](const Fast<D>& x, [[maybe_unused]] const Fast<D>& y) { return expression; },            \
        [](const ArbBall<D>& x, [[maybe_unused]] const ArbBall<D>& y) { return expression; }, lo, hi \
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
  for (const Function<D>& f : functions<D>()) {
    check::Draw draw(seed);
    for (int i = 0; i < 400 && !testing::Test::HasFailure(); ++i) {
      const Ball<D> x = draw.ball<D>(f.lo, f.hi);
      const Ball<D> y = std::string(f.name) == "pow" ? draw.ball<D>(-3, 3) : draw.ball<D>(f.lo, f.hi);
      const Ball<D> fast = f.fast(x, y);
      const ArbBall<D> slow = f.arb(ArbBall<D>::from_ball(x), ArbBall<D>::from_ball(y));
      const std::string what = std::string(f.name) + " of " + check::show(x) + ", " + check::show(y) + ": " +
                               check::show(fast) + " against " + slow.to_string();
      EXPECT_TRUE(overlap(ArbBall<D>::from_ball(fast), slow)) << what;
      EXPECT_EQ(fast.is_nan(), slow.is_nan()) << what;
    }
    for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) {
      const double mid = draw.uniform(std::fmax(f.lo, -3) + 0.1, std::fmin(f.hi, 3) - 0.1);
      const Ball<D> x{static_cast<typename Ball<D>::M>(mid), static_cast<typename Ball<D>::M>(1e-8)};
      const Ball<D> y{static_cast<typename Ball<D>::M>(draw.uniform(0.5, 3)), static_cast<typename Ball<D>::M>(1e-9)};
      const Ball<D> fast = f.fast(x, y);
      if (fast.is_anything()) continue;
      const auto slow = f.arb(ArbBall<D>::from_ball(x), ArbBall<D>::from_ball(y)).enclosure();
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
  for (const Function<D>& f : functions<D>()) {
    check::Draw draw(seed);
    for (const Function<Exact>& g : functions<Exact>()) {
      if (std::string(g.name) != f.name) continue;
      for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) {
        const Ball<D> x = draw.ball<D>(f.lo, f.hi);
        const Ball<D> y = std::string(f.name) == "pow" ? draw.ball<D>(-3, 3) : draw.ball<D>(f.lo, f.hi);
        const ArbBall<D> image = f.arb(ArbBall<D>::from_ball(x), ArbBall<D>::from_ball(y));
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
