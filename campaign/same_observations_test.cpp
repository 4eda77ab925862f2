#include "campaign/same_observations.h"

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

TEST(SameObservations, SeesWhatAnEnclosureSpeaksOf) {
  const Observations one = seen({1, 2}, {3});
  EXPECT_TRUE(same_observations(one, seen({1, 2}, {3})));
  EXPECT_FALSE(same_observations(one, seen({1, std::nextafter(2.0F, 3.0F)}, {3})));
  EXPECT_FALSE(same_observations(one, seen({1}, {3})));
  Observations other = one;
  other.items.pop_back();
  EXPECT_FALSE(same_observations(one, other));
  other = one;
  other.items[1].version = 1;
  EXPECT_FALSE(same_observations(one, other));
  other = one;
  other.items[1].status = GP_ERROR;
  EXPECT_FALSE(same_observations(one, other));
}

TEST(SameObservations, DoesNotSeeTheRest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(same_observations(seen({0, nan}, {3}), seen({-0.0F, -nan}, {3})));
  EXPECT_FALSE(same_observations(seen({0, nan}, {3}), seen({0, 0}, {3})));
  Observations other = seen({1, 2}, {3});
  other.items[0].strides[0] = 2;
  EXPECT_TRUE(same_observations(seen({1, 2}, {3}), other));
}

TEST(SameObservations, SeesWhichShareTheirMemoryHoweverNumbered) {
  const Observations one = seen({1}, {2});
  Observations other = one;
  other.items[0].storage = 8;
  other.items[1].storage = 4;
  EXPECT_TRUE(same_observations(one, other));
  other.items[1].storage = 8;
  EXPECT_FALSE(same_observations(one, other));
  EXPECT_FALSE(same_observations(other, one));
}

}  // namespace
}  // namespace gradproof
