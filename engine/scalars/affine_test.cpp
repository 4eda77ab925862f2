#include "engine/scalars/affine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "engine/scalars/scalar_all.h"

namespace gradproof {
namespace {

using affine::Ball;
using std::size_t;

// A number of one engine: every primitive is off by what its budget allows, at times by all of it, but for a result
// that needs no rounding.
struct Sample {
  long double value;
  bool exact = false;
};
thread_local std::mt19937_64 errors;
thread_local bool all_upwards = false;

Sample off(long double exact, const PrimitiveBudget& row, bool of_exact) {
  const NumberFormat& format = format_under_test;
  const auto near = static_cast<double>(exact);
  if (of_exact && static_cast<long double>(rounded_to(format, near)) == exact) return {exact, true};
  const auto draw = [] {
    if (all_upwards) return 0.999L;
    const std::uint64_t bits = errors();
    if (bits % 3 == 0) return (bits >> 8U) % 2 == 0 ? -0.999L : 0.999L;
    return std::uniform_real_distribution<long double>(-1, 1)(errors);
  };
  const auto u = static_cast<long double>(budget_of<UnderTest>(row).value_u * format.u);
  return {exact + draw() * u * std::fabs(exact) + draw() * static_cast<long double>(format.eta) / 2};
}
bool is(Sample x, long double value) { return x.exact && std::fabs(x.value) == value; }
Sample operator+(Sample a, Sample b) {
  if (is(a, 0) || is(b, 0)) return is(a, 0) ? b : a;
  return off(a.value + b.value, budgets::arithmetic, a.exact && b.exact);
}
Sample operator-(Sample a, Sample b) { return a + Sample{-b.value, b.exact}; }
Sample operator*(Sample a, Sample b) {
  if (is(a, 0) || is(b, 0)) return {0, true};
  if (is(a, 1) || is(b, 1)) return {a.value * b.value, a.exact && b.exact};
  return off(a.value * b.value, budgets::arithmetic, a.exact && b.exact);
}
Sample operator/(Sample a, Sample b) {
  if (is(a, 0) || is(b, 1)) return {a.value / b.value, a.exact};
  return off(a.value / b.value, budgets::arithmetic, a.exact && b.exact);
}
#define GRADPROOF_SAMPLE(name) \
  Sample name(Sample x) { return off(std::name(x.value), budgets::name, x.exact); }
GRADPROOF_SAMPLE(sqrt)
GRADPROOF_SAMPLE(exp)
GRADPROOF_SAMPLE(exp2)
GRADPROOF_SAMPLE(expm1)
GRADPROOF_SAMPLE(log)
GRADPROOF_SAMPLE(log2)
GRADPROOF_SAMPLE(log10)
GRADPROOF_SAMPLE(log1p)
GRADPROOF_SAMPLE(sin)
GRADPROOF_SAMPLE(cos)
GRADPROOF_SAMPLE(tan)
GRADPROOF_SAMPLE(asin)
GRADPROOF_SAMPLE(acos)
GRADPROOF_SAMPLE(atan)
GRADPROOF_SAMPLE(sinh)
GRADPROOF_SAMPLE(cosh)
GRADPROOF_SAMPLE(tanh)
GRADPROOF_SAMPLE(asinh)
GRADPROOF_SAMPLE(acosh)
GRADPROOF_SAMPLE(atanh)
GRADPROOF_SAMPLE(erf)
GRADPROOF_SAMPLE(erfc)
#undef GRADPROOF_SAMPLE
Sample hypot(Sample a, Sample b) { return is(b, 0) ? a : off(std::hypot(a.value, b.value), budgets::hypot, false); }
Sample atan2(Sample a, Sample b) { return off(std::atan2(a.value, b.value), budgets::atan2, is(a, 0)); }
Sample pow(Sample a, Sample b) { return off(std::pow(a.value, b.value), budgets::pow, is(b, 0)); }

template <class T>
T leaf(double x) {
  if constexpr (std::is_same_v<T, Sample>) {
    return {static_cast<long double>(x), true};
  } else {
    return Scalar<T>::leaf(x);
  }
}
template <class T>
T stored(const T& x) {
  if constexpr (std::is_same_v<T, Sample>) {
    return x;
  } else {
    return Scalar<T>::materialize(x);
  }
}

// One of the two, whichever an engine likes.
Sample one_of(const Sample& a, const Sample& b) { return errors() % 2 == 0 ? a : b; }
Ball one_of(const Ball& a, const Ball& b) { return hull(a, b); }

// a + b c + a c, summed in the format that sums are taken in: every product and every sum of two is rounded, and no
// engine rounds more often.
Sample sum_of_products(const Sample& a, const Sample& b, const Sample& c) {
  const NumberFormat format = format_under_test;
  NumberFormat of_sums = format;
  of_sums.u = format.sum_u;
  Sample sum{};
  {
    const FormatUnderTest sums(of_sums);
    sum = a + b * c + a * c;
  }
  return format.sum_u < format.u ? off(sum.value, budgets::arithmetic, sum.exact) : sum;
}
Ball sum_of_products(const Ball& a, const Ball& b, const Ball& c) {
  Accumulator<Ball> sum;
  sum.add_product(a, leaf<Ball>(1));
  sum.add_product(b, c);
  sum.add_product(a, c);
  return sum.result();
}

constexpr int functions = 31;

// One of them, of arguments brought into its domain. Every intermediate within is an error of its own.
template <class T>
T apply(int function, const T& a, const T& b) {
  const T one = leaf<T>(1);
  const T unit = a / sqrt(one + a * a);      // in (-1, 1)
  const T positive = leaf<T>(0.25) + a * a;  // in [1/4, inf)
  switch (function) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return a / (one + b * b);
    case 4: return sqrt(positive);
    case 5: return exp(unit);
    case 6: return exp2(unit);
    case 7: return expm1(unit);
    case 8: return log(positive);
    case 9: return log2(positive);
    case 10: return log10(positive);
    case 11: return log1p(positive);
    case 12: return sin(a);
    case 13: return cos(a);
    case 14: return tan(unit);
    case 15: return asin(unit * leaf<T>(0.5));
    case 16: return acos(unit * leaf<T>(0.5));
    case 17: return atan(a);
    case 18: return sinh(unit);
    case 19: return cosh(unit);
    case 20: return tanh(a);
    case 21: return asinh(a);
    case 22: return acosh(one + positive);
    case 23: return atanh(unit * leaf<T>(0.5));
    case 24: return erf(a);
    case 25: return erfc(unit);
    case 26: return hypot(positive, b);
    case 27: return atan2(b, positive);
    case 28: return pow(positive, unit);
    case 29: return one_of(tanh(a), a * unit);
    default: return sum_of_products(a, unit, positive);
  }
}

struct Expression {
  struct Step {
    int function;
    size_t a;
    size_t b;
  };
  std::vector<double> leaves;
  std::vector<Step> steps;
};

Expression random_expression(std::mt19937_64& random, size_t steps) {
  Expression made;
  // Different ones, so that no difference of theirs is zero.
  for (int i = 0; i < 3; ++i) {
    made.leaves.push_back(std::ldexp(static_cast<double>(1 + i + 3 * (random() % 42)), -5));
  }
  for (size_t i = 0; i < steps; ++i) {
    const size_t count = made.leaves.size() + i;
    // Mostly arithmetic, so that errors meet again.
    const int function = static_cast<int>(random() % 3 == 0 ? random() % functions : random() % 4);
    made.steps.push_back({function, random() % count, count - 1 - random() % std::min<size_t>(count, 3)});
  }
  return made;
}

template <class T>
std::vector<T> run(const Expression& expression) {
  std::vector<T> values;
  for (const double x : expression.leaves) values.push_back(leaf<T>(x));
  for (const Expression::Step& step : expression.steps) {
    values.push_back(stored(apply(step.function, values[step.a], values[step.b])));
  }
  return values;
}

class AffineOf : public testing::TestWithParam<NumberFormat> {};

TEST_P(AffineOf, FormsHoldWhatEnginesMayCompute) {
  const FormatUnderTest format(GetParam());
  std::mt19937_64 random(7);
  size_t compared = 0;
  for (int i = 0; i < 400; ++i) {
    const Expression expression = random_expression(random, 2 + random() % 30);
    const AffineForms forms;
    const std::vector<Ball> balls = run<Ball>(expression);
    for (int sample = 0; sample < 12; ++sample) {
      const std::vector<Sample> samples = run<Sample>(expression);
      for (size_t k = 0; k < balls.size() && balls[k].is_finite(); ++k) {
        const auto [mid, rad] = balls[k].enclosure();
        const auto [center, most] = affine::range_of(balls[k]);
        ASSERT_LE(std::fabs(samples[k].value - mid), rad) << "expression " << i << ", value " << k;
        ASSERT_LE(std::fabs(samples[k].value - center), most) << "expression " << i << ", value " << k;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 40000U);
}

TEST_P(AffineOf, FormsAreNeverWiderThanBalls) {
  const FormatUnderTest format(GetParam());
  std::mt19937_64 random(11);
  size_t narrower = 0;
  size_t all = 0;
  for (int i = 0; i < 300; ++i) {
    const Expression expression = random_expression(random, 4 + random() % 28);
    const std::vector<Ball> plain = run<Ball>(expression);
    const AffineForms forms;
    const std::vector<Ball> formed = run<Ball>(expression);
    for (size_t k = 0; k < plain.size(); ++k) {
      if (!plain[k].is_finite()) continue;
      ASSERT_TRUE(formed[k].is_finite());
      const long double with = formed[k].enclosure().rad;
      const long double without = plain[k].enclosure().rad;
      ASSERT_LE(with, without * (1 + 0x1p-20L)) << "expression " << i << ", value " << k;
      if (without > 0) ++all;
      if (with < without * 0.9L) ++narrower;
    }
  }
  EXPECT_GT(narrower * 4, all);
}

INSTANTIATE_TEST_SUITE_P(Formats, AffineOf, testing::Values(formats::f32, formats::f64, formats::bf16),
                         [](const auto& info) { return "digits" + std::to_string(info.param.digits); });

// Sums whose orders and products are the engine's: what is off is bounded as by a ball, what rests on one element is
// known to.
TEST(Affine, SumsRememberWhatTheyRestOn) {
  const FormatUnderTest format(formats::f32);
  const AffineForms forms;
  const Ball x = stored(exp(leaf<Ball>(0.5)));
  Accumulator<Ball> terms;
  Accumulator<Ball> products;
  for (int i = 0; i < 5; ++i) {
    terms.add(i % 2 == 0 ? x : -x);
    products.add_product(x, leaf<Ball>(i % 2 == 0 ? 3 : -3));
  }
  const Ball left = stored(terms.result()) - x;
  const Ball three = stored(products.result()) - stored(leaf<Ball>(3) * x);
  const long double size = x.enclosure().mid;
  EXPECT_LE(left.enclosure().rad, 24 * 0x1p-24L * size);
  EXPECT_LE(three.enclosure().rad, 90 * 0x1p-24L * size);
  EXPECT_LE(std::fabs(left.enclosure().mid), left.enclosure().rad);
  EXPECT_LE(std::fabs(three.enclosure().mid), three.enclosure().rad);
}

TEST(Affine, OneErrorCancels) {
  const FormatUnderTest format(formats::bf16);
  const Ball plain = stored(exp(leaf<Ball>(3)));
  EXPECT_GT((plain - plain).enclosure().rad, 0.1L);
  const AffineForms forms;
  const Ball x = stored(exp(leaf<Ball>(3)));
  EXPECT_EQ(affine::symbols_of(x), 1U);
  EXPECT_LT((x - x).enclosure().rad, 1e-10L);
  const auto [mid, rad] = (x * x / x).enclosure();
  EXPECT_LT(rad, 1.3L * x.enclosure().rad + 3 * 0x1p-8L * mid);
}

TEST(Affine, EndsWithItsScope) {
  const FormatUnderTest format(formats::f32);
  Ball x;
  {
    const AffineForms forms;
    x = stored(exp(leaf<Ball>(3)));
    EXPECT_EQ(affine::symbols_of(x), 1U);
  }
  EXPECT_EQ(affine::symbols_of(x), 0U);
  const AffineForms others;
  const Ball y = stored(exp(leaf<Ball>(2)));
  EXPECT_EQ(affine::symbols_of(x), 0U);
  EXPECT_EQ(affine::symbols_of(y), 1U);
  // A number that may have been changed is no longer what its form said.
  Ball z = y;
  z.number();
  EXPECT_EQ(affine::symbols_of(z), 0U);
}

// Errors that all have one sign: nothing of them may be lost.
TEST(Affine, ManySymbolsAreCondensed) {
  const FormatUnderTest format(formats::f32);
  const AffineForms forms;
  all_upwards = true;
  Ball sum = leaf<Ball>(0.25);
  Sample sample = leaf<Sample>(0.25);
  for (int i = 1; i <= 600; ++i) {
    sum = stored(sum + stored(sin(leaf<Ball>(i))));
    sample = sample + sin(leaf<Sample>(i));
    EXPECT_LE(affine::symbols_of(sum), 256U);
  }
  all_upwards = false;
  const auto [mid, rad] = sum.enclosure();
  EXPECT_LE(std::fabs(sample.value - mid), rad);
  const auto [center, most] = affine::range_of(sum);
  EXPECT_LE(std::fabs(sample.value - center), most);
  EXPECT_GT(std::fabs(sample.value - center), 0.9L * most);
}

}  // namespace
}  // namespace gradproof
