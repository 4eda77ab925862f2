#include "oracle/reach.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/registry.h"
#include "script/parse.h"

namespace gradproof {
namespace {

Script script_of(const char* text) { return parse(text, Registry::standard().schemas()); }

TEST(Reach, ProductsThatOverflowMayBeNan) {
  const Script far = script_of("x = tensor f32[2] 0x1p+100 0\ny = square(x)\nread y\n");
  const Script near = script_of("x = tensor f32[2] 1000 -0.001\ny = square(x)\nread y\n");
  const Entry64 nan{2, 0, {1, 1e-7L}, NAN};
  EXPECT_TRUE(Reach(far, formats::f32).explains(nan));
  EXPECT_FALSE(Reach(near, formats::f32).explains(nan));
  // In f64 the square is in range.
  EXPECT_FALSE(Reach(far, formats::f64).explains(nan));
}

TEST(Reach, AfterAnOverflowAnyNumberMayCome) {
  const Script far = script_of("x = tensor f32[2] 0x1p+100 -0x1p+90\ny = square(x)\nread y\n");
  const Script tiny = script_of("x = tensor f32[2] 0x1p-100 -0x1p-90\ny = square(x)\nread y\n");
  const Entry64 wrong{2, 0, {1, 1e-7L}, 2.0};
  EXPECT_TRUE(Reach(far, formats::f32).explains(wrong));
  EXPECT_FALSE(Reach(tiny, formats::f32).explains(wrong));
  EXPECT_TRUE(Reach(tiny, formats::f32).explains({2, 0, {1, 1e-7L}, NAN}));
}

TEST(Reach, WhatIsInsideNeedsNoReason) {
  const Script near = script_of("x = tensor f32[1] 1\ny = square(x)\nread y\n");
  EXPECT_TRUE(Reach(near, formats::f32).explains({2, 0, {1, 1e-7L}, 1.0}));
}

TEST(Reach, LostDigitsAreMultipliedUp) {
  const Script script = script_of("x = tensor f64[1] 0x1p-1060\nw = tensor f64[1] 0x1p+300\ny = mul(x, w)\nread y\n");
  const Reach reach(script, formats::f64);
  const long double mid = 0x1p-760L;
  EXPECT_TRUE(reach.explains({3, 0, {mid, 0}, 0x1p-760 + 0x1p-775}));
  EXPECT_FALSE(reach.explains({3, 0, {mid, 0}, 0x1p-760 + 0x1p-773}));
}

TEST(Reach, OnlyWhatTheViewShowsCounts) {
  const Script script = script_of("x = tensor f32[1] offset 1 buffer [0x1p+100 1]\ny = square(x)\nread y\n");
  EXPECT_FALSE(Reach(script, formats::f32).explains({2, 0, {1, 1e-7L}, NAN}));
}

TEST(Reach, ScalarsCount) {
  const Script script = script_of("x = tensor f32[1] 1\ny = mul(x, 1e30)\nread y\n");
  EXPECT_TRUE(Reach(script, formats::f32).explains({2, 0, {1, 1e-7L}, NAN}));
}

}  // namespace
}  // namespace gradproof
