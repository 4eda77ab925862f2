#include "engine/scalars/accumulator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/scalars/scalar_check.h"

namespace gradproof {
namespace {

constexpr double inf = HUGE_VAL;

// Balls of a dtype, Arb's or fast ones.
template <class Ball, class Dtype>
struct Of {
  using B = Ball;
  using D = Dtype;
};

template <class T>
class Sums : public testing::Test {
 public:
  using B = typename T::B;
  using D = typename T::D;
  static std::vector<B> leaves(const std::vector<D>& x) {
    std::vector<B> all;
    all.reserve(x.size());
    for (const D v : x) all.push_back(Scalar<B>::leaf(static_cast<double>(v)));
    return all;
  }

 private:
  FormatUnderTest format_{format_of<D>()};
};
using Arb = ArbBall<UnderTest>;
using Balls = testing::Types<Of<Ball<float>, float>, Of<Ball<double>, double>, Of<Arb, float>, Of<Arb, double>>;
TYPED_TEST_SUITE(Sums, Balls);

// Left to right, pairwise, and in blocks with several accumulators, as engines do.
template <class D>
D pairwise(const D* x, std::size_t n) {
  if (n <= 2) return n == 0 ? D{0} : (n == 1 ? x[0] : static_cast<D>(x[0] + x[1]));
  return static_cast<D>(pairwise(x, n / 2) + pairwise(x + n / 2, n - n / 2));
}
template <class D>
std::vector<D> every_sum(std::vector<D> x, std::mt19937& random) {
  std::vector<D> sums;
  for (int i = 0; i < 6; ++i) {
    D forward = 0;
    for (const D v : x) forward = static_cast<D>(forward + v);
    sums.push_back(forward);
    sums.push_back(pairwise(x.data(), x.size()));
    D lanes[4] = {};
    for (std::size_t k = 0; k < x.size(); ++k) lanes[k % 4] = static_cast<D>(lanes[k % 4] + x[k]);
    sums.push_back(pairwise(lanes, 4));
    if (i % 2 == 0) {
      std::shuffle(x.begin(), x.end(), random);
    } else {
      std::sort(x.begin(), x.end());
    }
  }
  return sums;
}

TYPED_TEST(Sums, enclose_every_order) {
  using D = typename TestFixture::D;
  std::mt19937 random(61);
  check::Draw draw(62);
  for (int i = 0; i < 200; ++i) {
    std::vector<D> x(static_cast<std::size_t>(draw.below(40)));
    const double spread = draw.uniform(0, 40);
    for (D& v : x) v = static_cast<D>(draw.magnitude(-spread, 3));
    const auto balls = TestFixture::leaves(x);
    const auto sum = Accumulator<typename TestFixture::B>::sum(balls.data(), balls.size());
    for (const D s : every_sum(x, random)) EXPECT_TRUE(contains(sum, static_cast<double>(s)));
  }
}

TYPED_TEST(Sums, dots_enclose_every_order_and_fusing) {
  using D = typename TestFixture::D;
  std::mt19937 random(63);
  check::Draw draw(64);
  for (int i = 0; i < 200; ++i) {
    const auto n = static_cast<std::size_t>(draw.below(40));
    std::vector<D> a(n);
    std::vector<D> b(n);
    std::vector<D> products(n);
    D fused = 0;
    for (std::size_t k = 0; k < n; ++k) {
      a[k] = static_cast<D>(draw.magnitude(-70, 3));
      b[k] = static_cast<D>(draw.magnitude(-70, 3));
      products[k] = static_cast<D>(a[k] * b[k]);
      fused = std::fma(a[k], b[k], fused);
    }
    const auto x = TestFixture::leaves(a);
    const auto y = TestFixture::leaves(b);
    const auto dot = Accumulator<typename TestFixture::B>::dot(x.data(), y.data(), n);
    EXPECT_TRUE(contains(dot, static_cast<double>(fused)));
    for (const D s : every_sum(products, random)) EXPECT_TRUE(contains(dot, static_cast<double>(s)));
  }
}

TYPED_TEST(Sums, balls_carry_their_radii) {
  using B = typename TestFixture::B;
  const B x = sqrt(Scalar<B>::leaf(2));
  const B y = sqrt(Scalar<B>::leaf(3));
  const B terms[] = {x, y, x};
  const B both[] = {y, x, x};
  const B sum = Accumulator<B>::sum(terms, 3);
  const B dot = Accumulator<B>::dot(terms, both, 3);
  EXPECT_TRUE(overlap(sum, 2 * x + y));
  EXPECT_TRUE(overlap(dot, 2 * (x * y) + x * x));
  EXPECT_FALSE(is_exact(sum));
  EXPECT_FALSE(overlap(sum * 1000, (2 * x + y) * 1001));
}

TYPED_TEST(Sums, integers_are_exact) {
  using B = typename TestFixture::B;
  const auto terms = TestFixture::leaves({3, -7, 100, 0.5, 2});
  EXPECT_TRUE(is_exact(Accumulator<B>::sum(terms.data(), 5)));
  EXPECT_TRUE(contains(Accumulator<B>::sum(terms.data(), 5), 98.5));
  EXPECT_TRUE(is_exact(Accumulator<B>::dot(terms.data(), terms.data(), 5)));
  EXPECT_TRUE(contains(Accumulator<B>::dot(terms.data(), terms.data(), 5), 10062.25));
  EXPECT_TRUE(is_exact(Accumulator<B>::sum(terms.data(), 0)));
}

// 2^digits + 1 - 2^digits is exact or not, as the order has it.
TYPED_TEST(Sums, exact_only_where_every_order_is) {
  using B = typename TestFixture::B;
  using D = typename TestFixture::D;
  const D big = std::ldexp(D{1}, std::numeric_limits<D>::digits);
  const auto terms = TestFixture::leaves({big, 1, -big});
  const B sum = Accumulator<B>::sum(terms.data(), 3);
  EXPECT_FALSE(is_exact(sum));
  EXPECT_TRUE(contains(sum, 0) && contains(sum, 1));
  const auto tenths = TestFixture::leaves({static_cast<D>(0.1), static_cast<D>(0.1)});
  EXPECT_FALSE(is_exact(Accumulator<B>::dot(tenths.data(), tenths.data(), 2)));
}

TYPED_TEST(Sums, special_values) {
  using B = typename TestFixture::B;
  using S = Scalar<B>;
  const B plus = S::leaf(inf);
  const auto of = [](std::vector<B> x) { return S::materialize(Accumulator<B>::sum(x.data(), x.size())); };
  EXPECT_TRUE(of({S::leaf(1), plus, plus}).contains(inf));
  EXPECT_FALSE(of({S::leaf(1), plus}).is_anything());
  EXPECT_TRUE(of({plus, -plus, S::leaf(1)}).is_nan());
  EXPECT_EQ(of({B::anything(Unbounded::domain), S::leaf(1)}).reason(), Unbounded::domain);
  const B top = S::leaf(format_of<typename TestFixture::D>().max);
  EXPECT_TRUE(of({top, top}).contains(inf));
  EXPECT_FALSE(of({top, top}).is_anything());
  EXPECT_TRUE(of({-top, -top, S::leaf(1)}).contains(-inf));
  EXPECT_EQ(of({top, top, -top}).reason(), Unbounded::overflow);
  const B four[] = {S::leaf(4), S::leaf(1)};
  const B a[] = {top, S::leaf(1)};
  EXPECT_TRUE(S::materialize(Accumulator<B>::dot(a, four, 2)).contains(inf));
  EXPECT_FALSE(S::materialize(Accumulator<B>::dot(a, four, 2)).is_anything());
  EXPECT_FALSE(S::materialize(Accumulator<B>::dot(a, a, 2)).is_anything());
  EXPECT_TRUE(S::materialize(Accumulator<B>::dot(a, a, 2)).contains(inf));
  const B zero[] = {S::leaf(0), S::leaf(0)};
  const B infinite[] = {plus, S::leaf(1)};
  EXPECT_TRUE(Accumulator<B>::dot(infinite, zero, 2).is_nan());
  // A fused product beyond the range leaves an infinity of the other sign as it is.
  const B large[] = {top, top};
  const B signs[] = {top, -top};
  EXPECT_EQ(Accumulator<B>::dot(large, signs, 2).reason(), Unbounded::overflow);
  const B beside[] = {S::leaf(1), -top};
  const B and_infinite[] = {plus, top};
  EXPECT_EQ(Accumulator<B>::dot(beside, and_infinite, 2).reason(), Unbounded::overflow);
  EXPECT_TRUE(Accumulator<B>::dot(large, large, 2).contains(inf));
}

TEST(Accumulator, too_many_terms_say_nothing) {
  Accumulator<Ball<float>> sum;
  for (int i = 0; i < (1 << 24); ++i) sum.add(Scalar<Ball<float>>::leaf(1));
  EXPECT_EQ(sum.result().reason(), Unbounded::wide);
}

TEST(Accumulator, native_sums_round_once) {
  const std::vector<float> x(1000, 0.1F);
  EXPECT_EQ(Accumulator<float>::sum(x.data(), x.size()), static_cast<float>(1000 * static_cast<double>(0.1F)));
  const std::vector<double> y{1, 2, 3};
  EXPECT_EQ(Accumulator<double>::dot(y.data(), y.data(), 3), 14);
}

}  // namespace
}  // namespace gradproof
