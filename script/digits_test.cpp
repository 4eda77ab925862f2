#include "script/digits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gradproof {
namespace {

TEST(Digits, WithinHalfAUnitOfTheLastDigit) {
  EXPECT_TRUE(agrees_to_digits("3.50", 3.5));
  EXPECT_TRUE(agrees_to_digits("3.50", 3.505));
  EXPECT_TRUE(agrees_to_digits("3.50", 3.495));
  EXPECT_FALSE(agrees_to_digits("3.50", 3.5051));
  EXPECT_FALSE(agrees_to_digits("3.50", 3.4949));
  EXPECT_TRUE(agrees_to_digits("1.6667e-2", 0.1 / 6));
  EXPECT_FALSE(agrees_to_digits("1.6667e-2", 0.01667));
  EXPECT_TRUE(agrees_to_digits("1.25E-5", 1.254e-5));
  EXPECT_TRUE(agrees_to_digits("6", 6.5));
  EXPECT_FALSE(agrees_to_digits("6", 6.51));
  EXPECT_TRUE(agrees_to_digits("100", 99.5));
  EXPECT_TRUE(agrees_to_digits("0.0", -0.05));
  EXPECT_TRUE(agrees_to_digits("-0.30", -0.3049));
  EXPECT_FALSE(agrees_to_digits("-0.30", 0.3));
  EXPECT_TRUE(agrees_to_digits("+.5", 0.54));
  EXPECT_FALSE(agrees_to_digits("1e400", 1));
  EXPECT_FALSE(agrees_to_digits("abc", 1));
}

TEST(Digits, WordsStandForThemselves) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(agrees_to_digits("inf", infinity));
  EXPECT_FALSE(agrees_to_digits("inf", -infinity));
  EXPECT_TRUE(agrees_to_digits("-inf", -infinity));
  EXPECT_TRUE(agrees_to_digits("nan", std::nan("")));
  EXPECT_FALSE(agrees_to_digits("3", std::nan("")));
  EXPECT_FALSE(agrees_to_digits("1e308", infinity));
  EXPECT_TRUE(agrees_to_digits("true", 1));
  EXPECT_FALSE(agrees_to_digits("false", 1));
}

TEST(Digits, ExactlyTheNumber) {
  EXPECT_TRUE(is_exactly("0x1.8p+1", GP_F64, 3));
  EXPECT_TRUE(is_exactly("0.1", GP_F64, 0.1));
  EXPECT_FALSE(is_exactly("0.1", GP_F64, std::nextafter(0.1, 1)));
  EXPECT_TRUE(is_exactly("0.1", GP_F32, static_cast<double>(0.1F)));
  EXPECT_FALSE(is_exactly("0.1", GP_F32, 0.1));
  EXPECT_TRUE(is_exactly("0.1", GP_BF16, 0x1.9ap-4));
  EXPECT_TRUE(is_exactly("-0", GP_F32, -0.0));
  EXPECT_FALSE(is_exactly("-0", GP_F32, 0.0));
  EXPECT_TRUE(is_exactly("nan", GP_F16, std::nan("")));
  EXPECT_TRUE(is_exactly("7", GP_I64, 7));
  EXPECT_FALSE(is_exactly("7.0", GP_I64, 7));
  EXPECT_TRUE(is_exactly("true", GP_BOOL, 1));
}

}  // namespace
}  // namespace gradproof
