#include "engine/scalars/defined.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/scalars/accumulator.h"

namespace gradproof {
namespace {

const Defined written{2, true};
const Defined unwritten{0.5, false};

TEST(Defined, every_operation_passes_it_on) {
  for (const Defined& x : {-unwritten,
                           unwritten + written,
                           written - unwritten,
                           unwritten * 0,
                           0 * unwritten,
                           written / unwritten,
                           sqrt(unwritten),
                           exp(unwritten),
                           exp2(unwritten),
                           expm1(unwritten),
                           log(unwritten),
                           log2(unwritten),
                           log10(unwritten),
                           log1p(unwritten),
                           sin(unwritten),
                           cos(unwritten),
                           tan(unwritten),
                           asin(unwritten),
                           acos(unwritten),
                           atan(unwritten),
                           sinh(unwritten),
                           cosh(unwritten),
                           tanh(unwritten),
                           asinh(unwritten),
                           acosh(unwritten),
                           atanh(unwritten),
                           erf(unwritten),
                           erfc(unwritten),
                           abs(unwritten),
                           pow(unwritten, 0),
                           pow(written, unwritten),
                           hypot(unwritten, written),
                           atan2(written, unwritten),
                           maximum(unwritten, written),
                           minimum(written, unwritten)}) {
    EXPECT_FALSE(x.written);
  }
  const Defined y = written * 3 + exp(written) / literal(written, "0.5");
  EXPECT_TRUE(y.written);
  EXPECT_DOUBLE_EQ(y.value, 6 + std::exp(2.0) / 0.5);
}

TEST(Defined, a_branch_taken_by_unwritten_memory_is_unwritten) {
  EXPECT_EQ(less(unwritten, written), Truth::unknown);
  EXPECT_EQ(equal(unwritten, 0), Truth::unknown);
  EXPECT_EQ(less(written, 3), Truth::yes);
  EXPECT_FALSE(select(less(unwritten, written), written, written).written);
}

TEST(Defined, the_side_not_taken_does_not_matter) {
  EXPECT_TRUE(select(Truth::yes, written, unwritten).written);
  EXPECT_FALSE(select(Truth::no, written, unwritten).written);
}

TEST(Defined, sums) {
  const Defined all[] = {written, written, unwritten};
  EXPECT_TRUE(Accumulator<Defined>::sum(all, 2).written);
  EXPECT_EQ(Accumulator<Defined>::sum(all, 2).value, 4);
  EXPECT_FALSE(Accumulator<Defined>::sum(all, 3).written);
  const Defined zeros[] = {Scalar<Defined>::leaf(0), Scalar<Defined>::leaf(0), Scalar<Defined>::leaf(0)};
  EXPECT_FALSE(Accumulator<Defined>::dot(all, zeros, 3).written);
  EXPECT_TRUE(Accumulator<Defined>::sum(all, 0).written);
}

}  // namespace
}  // namespace gradproof
