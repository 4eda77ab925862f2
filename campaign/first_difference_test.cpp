#include "campaign/first_difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace gradproof {
namespace {

// Two readings of f32 vectors.
Observations seen(const std::vector<float>& first, const std::vector<float>& second) {
  Observations made;
  for (const std::vector<float>& values : {first, second}) {
    gp_observation item{};
    item.step = static_cast<std::uint32_t>(made.items.size());
    item.status = GP_VALUE;
    item.dtype = GP_F32;
    item.ndim = 1;
    item.shape[0] = static_cast<std::int64_t>(values.size());
    item.strides[0] = 1;
    item.storage = made.items.size() + 1;
    item.elements = values.size();
    item.data = made.data.size();
    made.data.resize(made.data.size() + 4 * values.size());
    std::memcpy(made.data.data() + item.data, values.data(), 4 * values.size());
    made.items.push_back(item);
  }
  return made;
}

bool same(const Observations& expected, const Observations& seen) {
  return !first_difference(expected, seen, Sameness::conduct);
}
bool same_numbers(const Observations& expected, const Observations& seen) {
  return !first_difference(expected, seen, Sameness::numbers);
}

TEST(FirstDifference, SeesWhatAnEnclosureSpeaksOf) {
  const Observations one = seen({1, 2}, {3});
  EXPECT_TRUE(same(one, seen({1, 2}, {3})));
  EXPECT_FALSE(same(one, seen({1, std::nextafter(2.0F, 3.0F)}, {3})));
  EXPECT_FALSE(same(one, seen({1}, {3})));
  Observations other = one;
  other.items.pop_back();
  EXPECT_FALSE(same(one, other));
  other = one;
  other.items[1].version = 1;
  EXPECT_FALSE(same(one, other));
  other = one;
  other.items[1].status = GP_ERROR;
  EXPECT_FALSE(same(one, other));
}

TEST(FirstDifference, DoesNotSeeTheRest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(same(seen({0, nan}, {3}), seen({-0.0F, -nan}, {3})));
  EXPECT_FALSE(same(seen({0, nan}, {3}), seen({0, 0}, {3})));
  Observations other = seen({1, 2}, {3});
  other.items[0].strides[0] = 2;
  EXPECT_TRUE(same(seen({1, 2}, {3}), other));
}

TEST(FirstDifference, SeesWhichShareTheirMemoryHoweverNumbered) {
  const Observations one = seen({1}, {2});
  Observations other = one;
  other.items[0].storage = 8;
  other.items[1].storage = 4;
  EXPECT_TRUE(same(one, other));
  other.items[1].storage = 8;
  EXPECT_FALSE(same(one, other));
  EXPECT_FALSE(same(other, one));
  EXPECT_TRUE(same_numbers(one, other));
}

TEST(FirstDifference, TellsWhere) {
  const auto found = first_difference(seen({1}, {2, 3}), seen({1}, {2, 4}), Sameness::numbers);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->step, 1U);
  EXPECT_EQ(found->what, "[1]: 4.0, not 3.0");
}

TEST(FirstDifference, MeasuresDeviationsByTheirTensorsSize) {
  EXPECT_EQ(largest_deviation_u(seen({0, 8}, {3}), seen({0x1p-22F, 8}, {3})), 0.5);
  EXPECT_EQ(largest_deviation_u(seen({0, 8}, {3}), seen({0, 8}, {3})), 0);
  EXPECT_TRUE(std::isinf(largest_deviation_u(seen({0, 8}, {3}), seen({0, 8}, {std::nanf("")}))));
  EXPECT_TRUE(std::isinf(largest_deviation_u(seen({0}, {3}), seen({1}, {3}))));
}

TEST(FirstDifference, TakesAbsentDerivativesForZeros) {
  const Observations zeros = seen({0, -0.0F}, {3});
  Observations absent = zeros;
  absent.items[0].status = GP_UNDEFINED_VALUE;
  EXPECT_FALSE(same(zeros, absent));
  EXPECT_TRUE(same_numbers(zeros, absent));
  EXPECT_TRUE(same_numbers(absent, zeros));
  EXPECT_FALSE(same_numbers(seen({0, 1}, {3}), absent));
  Observations refused = absent;
  gp_observation error{};
  error.status = GP_ERROR;
  error.error = GP_NO_GRAD_REQUIRED;
  refused.items.insert(refused.items.begin(), error);
  EXPECT_TRUE(same_numbers(zeros, refused));
  refused.items.front().error = GP_SHAPE;
  EXPECT_FALSE(same_numbers(zeros, refused));
}

}  // namespace
}  // namespace gradproof
