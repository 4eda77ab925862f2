#include "cli/values.h"

#include <gtest/gtest.h>

#include "campaign/usage_error.h"

namespace gradproof {
namespace {

using std::chrono::milliseconds;

TEST(Values, Durations) {
  EXPECT_EQ(duration_from("60"), milliseconds(60'000));
  EXPECT_EQ(duration_from("60s"), milliseconds(60'000));
  EXPECT_EQ(duration_from("1.5m"), milliseconds(90'000));
  EXPECT_EQ(duration_from("2h"), milliseconds(7'200'000));
  EXPECT_EQ(duration_from("250ms"), milliseconds(250));
  for (const char* bad : {"", "s", "-1s", "0", "1e300h", "nan", "inf", "60 s", "5 parsecs"}) {
    EXPECT_THROW(duration_from(bad), UsageError) << bad;
  }
}

TEST(Values, Seeds) {
  EXPECT_EQ(seed_from("0"), 0U);
  EXPECT_EQ(seed_from("0x7c41"), 0x7c41U);
  EXPECT_EQ(seed_from("18446744073709551615"), ~std::uint64_t{0});
  for (const char* bad : {"", "0x", "-1", "1.5", "18446744073709551616", "0xg", " 1"})
    EXPECT_THROW(seed_from(bad), UsageError) << bad;
}

TEST(Values, DtypesOnceEach) {
  EXPECT_EQ(dtypes_from({"f32,f64", "f32"}), (std::vector<gp_dtype>{GP_F32, GP_F64}));
  EXPECT_THROW(dtypes_from({"i64"}), UsageError);
  EXPECT_THROW(dtypes_from({","}), UsageError);
}

TEST(Values, FailOn) {
  EXPECT_EQ(fail_on_from({"wrong,inaccurate"}), (std::set<std::string>{"wrong", "inaccurate"}));
  EXPECT_TRUE(fail_on_from({"none"}).empty());
  EXPECT_THROW(fail_on_from({"all"}), UsageError);
}

}  // namespace
}  // namespace gradproof
