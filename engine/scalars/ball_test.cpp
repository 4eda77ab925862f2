#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <limits>

#include "engine/scalars/scalar_check.h"

namespace gradproof {
namespace {

constexpr double inf = HUGE_VAL;
const double nan = std::numeric_limits<double>::quiet_NaN();

template <class B>
class FastBall : public testing::Test {
 public:
  using M = typename B::M;
  static B leaf(double x) { return Scalar<B>::leaf(x); }
  static B wide(double mid, double rad) { return {static_cast<M>(mid), static_cast<M>(rad)}; }
  static void same(const B& a, double value) {
    EXPECT_EQ(a.rad, M{0}) << check::show(a) << " against " << value;
    EXPECT_TRUE(a.contains(static_cast<M>(value))) << check::show(a) << " against " << value;
    if (value == 0) {
      EXPECT_EQ(std::signbit(a.mid), std::signbit(value));
    }
  }
};
using Balls = testing::Types<Ball<float>, Ball<double>>;
TYPED_TEST_SUITE(FastBall, Balls);

#define BALL_NAMES                                                                               \
  using B = TypeParam;                                                                           \
  [[maybe_unused]] const auto leaf = [](double x) { return TestFixture::leaf(x); };              \
  [[maybe_unused]] const auto wide = [](double m, double r) { return TestFixture::wide(m, r); }; \
  [[maybe_unused]] const auto same = [](const B& a, double x) { TestFixture::same(a, x); }

TYPED_TEST(FastBall, exact_results_stay_exact) {
  BALL_NAMES;
  same(leaf(3) * leaf(2), 6);
  same(leaf(3) + leaf(0.25), 3.25);
  same(leaf(3) - 3, 0.0);
  same(leaf(6) / leaf(4), 1.5);
  EXPECT_GT((leaf(6) / leaf(3)).rad, 0);  // an engine may have come to it by (g · 6) / 3
  same(leaf(-7) / 2, -3.5);
  same(sqrt(leaf(9)), 3);
  same(sqrt(leaf(6.25)), 2.5);
  same(abs(leaf(-2)), 2);
  same(maximum(leaf(1), leaf(2)), 2);
  same(exp(leaf(0)), 1);
  same(cos(leaf(0)), 1);
  same(log(leaf(1)), 0);
  same(pow(leaf(5), 0), 1);
  same(pow(leaf(1), leaf(0.3)), 1);
  same(hypot(leaf(-3), leaf(0)), 3);
}

TYPED_TEST(FastBall, inexact_results_widen) {
  BALL_NAMES;
  using D = typename B::D;
  const B tenth = leaf(static_cast<double>(static_cast<D>(0.1)));
  for (const B& x :
       {tenth * 3, tenth * tenth, leaf(1) / 3, tenth + leaf(1e6), sqrt(leaf(2)), exp(leaf(1)), pow(leaf(3), 2)}) {
    EXPECT_GT(x.rad, B::d_u * std::fabs(x.mid) * 0.99);
    EXPECT_LT(x.rad, B::d_u * std::fabs(x.mid) * 8);
  }
}

// Products that round to a number of D in the ball's own format, and are not that number.
TEST(FastBallOf, rounding_in_the_wider_format_is_not_exactness) {
  const auto product = Scalar<Ball<double>>::leaf(1 + 0x1p-52) * Scalar<Ball<double>>::leaf(1 - 0x1p-52);
  EXPECT_FALSE(product.is_exact());
  EXPECT_TRUE((Scalar<Ball<double>>::leaf(1 + 0x1p-26) * Scalar<Ball<double>>::leaf(1 - 0x1p-26)).is_exact());
  EXPECT_FALSE((Scalar<Ball<double>>::leaf(1) + Scalar<Ball<double>>::leaf(0x1p-200)).is_exact());
  EXPECT_FALSE((Scalar<Ball<float>>::leaf(1) + Scalar<Ball<float>>::leaf(0x1p-100)).is_exact());
  EXPECT_FALSE(sqrt(Scalar<Ball<double>>::leaf(1 - 0x1p-53)).is_exact());
}

TYPED_TEST(FastBall, neutral_operands_do_not_widen) {
  BALL_NAMES;
  const B x = wide(1.5, 1e-20);
  for (const B& y : {x + 0, 0 + x, x - 0, x * 1, 1 * x, x / 1}) {
    EXPECT_EQ(y.mid, x.mid);
    EXPECT_EQ(y.rad, x.rad);
  }
  EXPECT_EQ((x * -1).mid, -x.mid);
  EXPECT_EQ((x / -1).rad, x.rad);
}

TYPED_TEST(FastBall, zeros_keep_their_sign) {
  BALL_NAMES;
  same(leaf(-0.0) + leaf(-0.0), -0.0);
  same(leaf(-0.0) + 0, 0.0);
  same(leaf(0) * -2, -0.0);
  same(leaf(0) * wide(-2, 0.1), -0.0);
  same(leaf(-0.0) / 4, -0.0);
  same(sin(leaf(-0.0)), -0.0);
  same(sqrt(leaf(-0.0)), -0.0);
  same(1 / leaf(-0.0), -inf);
  const B unknown = leaf(0) * wide(0, 1);
  EXPECT_TRUE(unknown.contains_zero());
  EXPECT_FALSE(unknown.is_exact());
  EXPECT_TRUE((1 / unknown).is_anything());
  EXPECT_FALSE(maximum(leaf(0), leaf(-0.0)).is_exact());
}

TYPED_TEST(FastBall, certain_special_values) {
  BALL_NAMES;
  same(log(leaf(0)), -inf);
  same(log1p(leaf(-1)), -inf);
  same(leaf(1) / 0, inf);
  same(wide(-2, 1) / 0, -inf);
  same(leaf(0) / 0, nan);
  same(sqrt(leaf(-1)), nan);
  same(log(wide(-2, 1)), nan);
  same(asin(leaf(1.5)), nan);
  same(acosh(leaf(0.5)), nan);
  same(atanh(leaf(1)), inf);
  same(atanh(leaf(-1)), -inf);
  same(pow(leaf(0), -1), inf);
  same(pow(leaf(-0.0), -1), -inf);
  same(pow(leaf(0), 0), 1);
  same(pow(leaf(-2), leaf(0.5)), nan);
  same(leaf(inf) - leaf(inf), nan);
  same(leaf(inf) * 0, nan);
  same(leaf(inf) + wide(1, 0.5), inf);
  same(leaf(-inf) * wide(1, 0.5), -inf);
  same(leaf(1) / leaf(-inf), -0.0);
  same(exp(leaf(-inf)), 0.0);
  same(exp(leaf(inf)), inf);
  same(tanh(leaf(-inf)), -1);
  same(sin(leaf(inf)), nan);
  same(erfc(leaf(-inf)), 2);
  same(hypot(leaf(-inf), wide(1, 1)), inf);
  same(pow(wide(3, 1), leaf(inf)), inf);
  same(pow(wide(3, 1), leaf(-inf)), 0.0);
  EXPECT_TRUE(atan(leaf(inf)).contains(std::acos(typename B::M{0})));
}

TYPED_TEST(FastBall, possible_violations_say_nothing) {
  BALL_NAMES;
  for (const B& x : {log(wide(0, 1)), sqrt(wide(0, 1)), 1 / wide(0, 1), leaf(0) / wide(0, 1), asin(wide(1, 0.5)),
                     acosh(wide(1, 0.5)), atanh(wide(-1, 0.5)), log1p(wide(-1, 0.1)), leaf(inf) * wide(0, 1),
                     pow(wide(0, 1), leaf(0.5)), pow(wide(0, 1), -1), pow(wide(-2, 0.5), wide(2, 0.5))}) {
    EXPECT_EQ(x.reason(), Unbounded::domain) << check::show(x);
  }
  EXPECT_EQ(atan2(wide(0, 1), leaf(-1)).reason(), Unbounded::jump);
  EXPECT_EQ(atan2(leaf(0), wide(0, 1)).reason(), Unbounded::jump);
  EXPECT_EQ(tan(wide(1.5, 0.2)).reason(), Unbounded::jump);
  EXPECT_TRUE(asin(wide(0.5, 0.5)).is_finite());  // touches the edge from inside
  EXPECT_TRUE(sqrt(wide(0.5, 0.5)).is_finite());
}

TYPED_TEST(FastBall, anything_and_nan_absorb) {
  BALL_NAMES;
  for (const Unbounded reason :
       {Unbounded::domain, Unbounded::overflow, Unbounded::wide, Unbounded::jump, Unbounded::unwritten}) {
    const B a = B::anything(reason);
    for (const B& x : {-a,
                       a + 1,
                       2 - a,
                       a * 0,
                       0 * a,
                       a / 2,
                       1 / a,
                       sqrt(a),
                       exp(a),
                       exp2(a),
                       expm1(a),
                       log(a),
                       log2(a),
                       log10(a),
                       log1p(a),
                       sin(a),
                       cos(a),
                       tan(a),
                       asin(a),
                       acos(a),
                       atan(a),
                       sinh(a),
                       cosh(a),
                       tanh(a),
                       asinh(a),
                       acosh(a),
                       atanh(a),
                       erf(a),
                       erfc(a),
                       abs(a),
                       hypot(a, leaf(1)),
                       atan2(a, leaf(1)),
                       pow(a, 2),
                       pow(a, 0),
                       pow(leaf(1), a),
                       maximum(a, leaf(0)),
                       minimum(leaf(0), a),
                       hull(a, leaf(0)),
                       Scalar<B>::materialize(a),
                       intersect(a, 0, 1)}) {
      EXPECT_EQ(x.reason(), reason) << check::show(x);
    }
  }
  const B n = leaf(nan);
  for (const B& x : {-n, n + 1, n * 0, 1 / n, n + B::anything(Unbounded::wide), sqrt(n), exp(n), tanh(n), sin(n),
                     abs(n), maximum(n, leaf(0)), minimum(leaf(0), n), pow(n, 2), hypot(n, leaf(1))}) {
    EXPECT_TRUE(x.is_nan() && x.rad == 0) << check::show(x);
  }
  EXPECT_TRUE(pow(n, 0).is_anything());  // 1 by IEEE, NaN by those who let it absorb
}

TYPED_TEST(FastBall, overflow_belongs_to_the_dtype) {
  BALL_NAMES;
  using S = Scalar<B>;
  const B top = leaf(static_cast<double>(std::numeric_limits<typename B::D>::max()));
  EXPECT_TRUE((top * 2).is_finite());
  same(S::materialize(top * 2), inf);
  same(S::materialize(top * -2), -inf);
  EXPECT_EQ(((top * 2) * leaf(0.25)).reason(), Unbounded::overflow);
  EXPECT_EQ(tanh(top + top).reason(), Unbounded::overflow);
  EXPECT_EQ(S::materialize(top * wide(1.000001, 0.1)).reason(), Unbounded::overflow);
  same(S::materialize(top), static_cast<double>(top.mid));
  same(S::materialize(exp(leaf(1e30))), inf);
  same(S::materialize(sinh(leaf(-1e30))), -inf);
  same(S::materialize(pow(leaf(1e30), leaf(1e30))), inf);
  same(S::materialize(pow(leaf(-1e30), leaf(100001))), -inf);
  EXPECT_EQ(exp(wide(0, 1e6)).reason(), Unbounded::overflow);
  EXPECT_TRUE(exp(leaf(-1e30)).contains(0));
}

TYPED_TEST(FastBall, comparisons_and_branches) {
  BALL_NAMES;
  branch = Branch{};
  EXPECT_EQ(less(leaf(1), leaf(2)), Truth::yes);
  EXPECT_EQ(less(wide(1, 0.1), wide(2, 0.1)), Truth::yes);
  EXPECT_EQ(less(wide(2, 0.1), 1), Truth::no);
  EXPECT_EQ(less(leaf(1), leaf(1)), Truth::no);
  EXPECT_EQ(equal(leaf(1), 1), Truth::yes);
  EXPECT_EQ(less(leaf(nan), leaf(1)), Truth::no);
  EXPECT_EQ(less(leaf(-inf), wide(1, 1)), Truth::yes);
  EXPECT_FALSE(branch.met);
  EXPECT_EQ(less(wide(1, 1), wide(2, 1)), Truth::unknown);
  EXPECT_TRUE(branch.met);
  branch.met = false;
  EXPECT_EQ(less(B::anything(Unbounded::wide), 0), Truth::unknown);
  EXPECT_EQ(equal(wide(1, 1), wide(2, 1)), Truth::unknown);
  branch = Branch{.ties_open = true};
  EXPECT_EQ(less(leaf(1), leaf(1)), Truth::unknown);
  EXPECT_TRUE(branch.met);
  EXPECT_EQ(equal(leaf(1), 1), Truth::yes);
  branch = Branch{};
  const B both = select(Truth::unknown, leaf(1), leaf(3));
  EXPECT_TRUE(both.contains(1) && both.contains(3) && both.contains(2));
  EXPECT_LT(both.upper(), 3.0001);
  branch.side = Branch::Side::second;
  same(select(Truth::unknown, leaf(1), leaf(3)), 3);
  branch.side = Branch::Side::first;
  same(select(Truth::unknown, leaf(1), leaf(3)), 1);
  branch = Branch{};
  same(select(Truth::no, leaf(nan), leaf(3)), 3);
  EXPECT_EQ(hull(leaf(nan), leaf(1)).reason(), Unbounded::jump);
  EXPECT_TRUE(overlap(wide(1, 1), wide(2.5, 1)));
  EXPECT_FALSE(overlap(wide(1, 0.5), wide(2.5, 0.5)));
  const B size = abs(wide(0.5, 1));
  EXPECT_TRUE(size.contains(0) && size.contains(1.5) && size.lower() >= 0);
  const B part = intersect(wide(0.9, 0.5), 0, 1);
  EXPECT_TRUE(part.contains(1) && !part.contains(typename B::M{1.01}) && part.contains(typename B::M{0.41}));
}

TYPED_TEST(FastBall, literals_and_constants) {
  BALL_NAMES;
  using D = typename B::D;
  const B any{};
  same(literal(any, "0.5"), 0.5);
  same(literal(any, "-3"), -3);
  same(literal(any, "20"), 20);
  EXPECT_EQ(literal(any, "9007199254740993").is_exact(), false);
  const B c = literal(any, "0.044715");
  EXPECT_TRUE(contains(c, static_cast<double>(static_cast<D>(0.044715L))));
  EXPECT_LE(c.rad, B::d_u * 0.09);
  ArbNumber exact;
  arb_set_str(exact.get(), "0.044715", 256);
  EXPECT_TRUE(check::contains_widened(c, exact, 0));
  EXPECT_TRUE(contains(constant<pi>(any), static_cast<double>(static_cast<D>(3.14159265358979323846L))));
  EXPECT_TRUE(check::contains_widened(constant<pi>(any), arb::value_of(pi{}), 0));
  EXPECT_TRUE(check::contains_widened(constant<inv_sqrt_2pi>(any), arb::value_of(inv_sqrt_2pi{}), 0));
  EXPECT_LT(constant<ln2>(any).rad, B::d_u);
}

TYPED_TEST(FastBall, script_scalars) {
  BALL_NAMES;
  using S = Scalar<B>;
  same(S::argument(0.5), 0.5);
  same(S::argument(inf), inf);
  const B tenth = S::argument(0.1);
  EXPECT_TRUE(contains(tenth, 0.1));
  EXPECT_TRUE(contains(tenth, static_cast<double>(static_cast<typename B::D>(0.1))));
  EXPECT_LT(tenth.rad, B::d_u * 0.11);
  EXPECT_EQ(S::argument(1e300).in_range(), (std::is_same_v<typename B::D, double>));
}

TEST(Decimal, rounds_like_the_compiler) {
  const auto check = [](Decimal decimal, float f, double d, long double l) {
    EXPECT_EQ(decimal.f32, f);
    EXPECT_EQ(decimal.f64, d);
    EXPECT_EQ(decimal.extended, l);
  };
  check("0.044715", 0.044715F, 0.044715, 0.044715L);
  check("1e-12", 1e-12F, 1e-12, 1e-12L);
  check("0.1", 0.1F, 0.1, 0.1L);
  check("16777217", 16777217.0F, 16777217.0, 16777217.0L);
  check("3.141592653589793238", 3.141592653589793238F, 3.141592653589793238, 3.141592653589793238L);
  check("-2.5e3", -2500.0F, -2500.0, -2500.0L);
  check("1.0507009873554804934", 1.0507009873554804934F, 1.0507009873554804934, 1.0507009873554804934L);
  check("0", 0.0F, 0.0, 0.0L);
}

TEST(FloatEnvironment, makes_the_ground_sound) {
  ASSERT_TRUE(fast_balls_sound());
  std::fesetround(FE_UPWARD);
  EXPECT_FALSE(fast_balls_sound());
  {
    const FloatEnvironment ground;
    EXPECT_TRUE(fast_balls_sound());
  }
  EXPECT_FALSE(fast_balls_sound());
  std::fesetround(FE_TONEAREST);
#if defined(__SSE2__)
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);
  EXPECT_FALSE(fast_balls_sound());
  {
    const FloatEnvironment ground;
    EXPECT_TRUE(fast_balls_sound());
  }
  _mm_setcsr(before);
#endif
  EXPECT_TRUE(fast_balls_sound());
}

}  // namespace
}  // namespace gradproof
