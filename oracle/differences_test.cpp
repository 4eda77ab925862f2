#include "oracle/differences.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace gradproof {
namespace {

struct Known {
  const char* name;
  double (*value)(double);
  double (*slope)(double);
  double low, high;      // where x is drawn
  double useful = 1e-8;  // the median error over |slope| in f64 is below this
};

double clamped_square(double x) { return std::fabs(x) < 1 ? x * x / 2 : std::fabs(x) - 0.5; }

const Known known[] = {
    {"exp", [](double x) { return std::exp(x); }, [](double x) { return std::exp(x); }, -20, 20},
    {"log", [](double x) { return std::log(x); }, [](double x) { return 1 / x; }, 1e-3, 50},
    {"sin", [](double x) { return std::sin(x); }, [](double x) { return std::cos(x); }, -100, 100},
    {"tanh", [](double x) { return std::tanh(x); }, [](double x) { return 1 / (std::cosh(x) * std::cosh(x)); }, -4, 4},
    {"cube", [](double x) { return x * x * x; }, [](double x) { return 3 * x * x; }, -3, 3},
    {"sqrt near 0", [](double x) { return std::sqrt(x); }, [](double x) { return 0.5 / std::sqrt(x); }, 1e-9, 1e-3},
    {"a steep arc tangent", [](double x) { return std::atan(1e3 * x); },
     [](double x) { return 1e3 / (1 + 1e6 * x * x); }, -1, 1},
    {"exp - 1 near 0", [](double x) { return std::exp(x) - 1; }, [](double x) { return std::exp(x); }, -1e-4, 1e-4},
    {"a cancelling quotient", [](double x) { return (1 - std::cos(x)) / (x * x); },
     [](double x) { return (x * std::sin(x) - 2 * (1 - std::cos(x))) / (x * x * x); }, 0.5, 3},
    {"beside a kink", [](double x) { return std::fabs(x - 1); }, [](double x) { return x > 1 ? 1.0 : -1.0; }, 0.9, 1.1},
    {"once differentiable", clamped_square, [](double x) { return std::clamp(x, -1.0, 1.0); }, -2, 2},
    {"a fast sine", [](double x) { return std::sin(300 * x); }, [](double x) { return 300 * std::cos(300 * x); }, -2,
     2},
    {"huge", [](double x) { return 1e300 * std::sin(x); }, [](double x) { return 1e300 * std::cos(x); }, 0.1, 1.5},
    {"tiny", [](double x) { return 1e-290 * std::exp(x); }, [](double x) { return 1e-290 * std::exp(x); }, -1, 1},
};

// Uniform in [-1/2, 1/2], from the argument's bits alone.
double hashed(double x) {
  std::uint64_t z = std::bit_cast<std::uint64_t>(x) * 0x9e3779b97f4a7c15u;
  z ^= z >> 29;
  z *= 0xbf58476d1ce4e5b9u;
  z ^= z >> 32;
  return static_cast<double>(z >> 11) * 0x1p-53 - 0.5;
}

double nearest_power_below(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1.0, exponent - 1);
}

// As an engine's directions do: one unit of t moves x by about itself.
template <class Disturb>
Differences slope_at(const Known& f, double x, double v, double unit_roundoff, Disturb disturb) {
  auto phi = [&](double t) { return disturb(f.value(x + t * v), t); };
  return differentiate(RealFunction(phi), {.unit_roundoff = unit_roundoff});
}

struct Tally {
  int cases = 0, smooth = 0, missed = 0;
  std::vector<double> relative;

  void add(const Differences& found, double truth) {
    ++cases;
    // The truth itself is computed in double.
    const double slack = 1e-14 * std::fabs(truth);
    if (truth < found.low() - slack || truth > found.high() + slack) ++missed;
    if (found.status != Smoothness::smooth) return;
    ++smooth;
    relative.push_back(found.central.error / std::fabs(truth));
  }
  double median() {
    if (relative.empty()) return HUGE_VAL;
    std::nth_element(relative.begin(), relative.begin() + std::ssize(relative) / 2, relative.end());
    return relative[relative.size() / 2];
  }
};

template <class Disturb>
Tally tally(const Known& f, double unit_roundoff, Disturb disturb) {
  constexpr int cases = 4000;
  std::mt19937_64 random(1234);
  std::uniform_real_distribution<double> uniform(f.low, f.high);
  Tally found;
  for (int i = 0; i < cases; ++i) {
    const double x = unit_roundoff > 1e-10 ? static_cast<double>(static_cast<float>(uniform(random))) : uniform(random);
    const double v = nearest_power_below(x);
    const Differences d = slope_at(f, x, v, unit_roundoff, disturb);
    EXPECT_LE(d.evaluations, 40);
    found.add(d, f.slope(x) * v);
  }
  return found;
}

TEST(Differences, TheErrorCoversTheTruthAndIsUseful) {
  for (const Known& f : known) {
    Tally found = tally(f, 0x1p-53, [](double value, double) { return value; });
    EXPECT_LE(found.missed, found.cases / 1000) << f.name;
    EXPECT_GE(found.smooth, found.cases * 99 / 100) << f.name;
    EXPECT_LT(found.median(), f.useful) << f.name;
  }
}

TEST(Differences, TheErrorCoversTheTruthInSinglePrecision) {
  for (const Known& f : known) {
    if (f.value(1.0) > 1e38 || f.value(1.0) < 1e-38) continue;
    Tally found =
        tally(f, 0x1p-24, [](double value, double) { return static_cast<double>(static_cast<float>(value)); });
    EXPECT_LE(found.missed, found.cases / 1000) << f.name;
  }
}

TEST(Differences, NoiseLargerThanTheDtypesIsFound) {
  for (const double level : {1e-16, 1e-12, 1e-8, 1e-5}) {
    for (const Known& f : known) {
      Tally found = tally(f, 0x1p-53, [level](double value, double t) { return value * (1 + level * hashed(t)); });
      EXPECT_LE(found.missed, found.cases / 1000) << f.name << " with noise " << level;
    }
  }
}

TEST(Differences, ValuesRoundedMoreCoarselyThanToldAreFound) {
  for (const Known& f : known) {
    if (f.value(1.0) > 1e38 || f.value(1.0) < 1e-38) continue;
    Tally found =
        tally(f, 0x1p-53, [](double value, double) { return static_cast<double>(static_cast<float>(value)); });
    EXPECT_LE(found.missed, found.cases / 1000) << f.name;
  }
}

TEST(Differences, TheSineOfALargeArgument) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> uniform(1e6, 1e8);
  Tally found;
  for (int i = 0; i < 2000; ++i) {
    const double x = uniform(random);
    auto phi = [x](double t) { return std::sin(x + t); };
    found.add(differentiate(RealFunction(phi)), std::cos(x));
  }
  EXPECT_LE(found.missed, 2);
  EXPECT_LT(found.median(), 1e-5);
}

template <class F>
Differences of(F phi, DifferenceOptions options = {}) {
  return differentiate(RealFunction(phi), options);
}

TEST(Differences, WrongSlopesAreRefused) {
  for (const Known& f : known) {
    std::mt19937_64 random(77);
    std::uniform_real_distribution<double> uniform(f.low, f.high);
    int judged = 0, refused = 0;
    for (int i = 0; i < 500; ++i) {
      const double x = uniform(random), v = nearest_power_below(x);
      const Differences d = slope_at(f, x, v, 0x1p-53, [](double value, double) { return value; });
      const double truth = f.slope(x) * v;
      for (const double wrong : {1.01 * truth, -truth, 0.0, 2 * truth, 0.9999 * truth}) {
        ++judged;
        refused += wrong < d.low() || wrong > d.high() ? 1 : 0;
      }
    }
    EXPECT_GE(refused, judged * 98 / 100) << f.name;
  }
}

TEST(Differences, ADroppedTermIsRefused) {
  // y = x·sin(x) + x/8, of whose slope each of the three terms is left out in turn.
  std::mt19937_64 random(9);
  std::uniform_real_distribution<double> uniform(0.2, 1.4);
  for (int i = 0; i < 1000; ++i) {
    const double x = uniform(random);
    const Differences d = of([x](double t) { return (x + t) * std::sin(x + t) + (x + t) / 8; });
    ASSERT_EQ(d.status, Smoothness::smooth);
    const double whole = std::sin(x) + x * std::cos(x) + 0.125;
    EXPECT_TRUE(d.low() <= whole && whole <= d.high());
    for (const double term : {std::sin(x), x * std::cos(x), 0.125}) {
      EXPECT_TRUE(whole - term < d.low() || whole - term > d.high());
    }
  }
}

TEST(Differences, AKinkIsTheHullOfItsSlopes) {
  const Differences d = of([](double t) { return t < 0 ? -2 * t : std::exp(t) - 1; });
  EXPECT_EQ(d.status, Smoothness::kink);
  EXPECT_NEAR(d.forward.value, 1, 1e-12);
  EXPECT_NEAR(d.backward.value, -2, 1e-12);
  EXPECT_NEAR(d.low(), -2, 1e-9);
  EXPECT_NEAR(d.high(), 1, 1e-9);
  EXPECT_EQ(of([](double t) { return std::fabs(t); }).status, Smoothness::kink);
  EXPECT_EQ(of([](double t) { return std::max(t, 0.0); }).status, Smoothness::kink);
  EXPECT_EQ(
      of([](double t) { return static_cast<double>(static_cast<float>(std::fabs(t) + 1)); }, {.unit_roundoff = 0x1p-24})
          .status,
      Smoothness::kink);
}

TEST(Differences, BesideAKinkTheSlopeIsThatOfTheSide) {
  for (const double distance : {0.2, 1e-2, 1e-4, 1e-5}) {
    const Differences right = of([&](double t) { return std::fabs(distance + t); });
    const Differences left = of([&](double t) { return std::fabs(t - distance); });
    EXPECT_EQ(right.status, Smoothness::smooth) << distance;
    EXPECT_NEAR(right.central.value, 1, 1e-8) << distance;
    EXPECT_EQ(left.status, Smoothness::smooth) << distance;
    EXPECT_NEAR(left.central.value, -1, 1e-8) << distance;
  }
}

TEST(Differences, JumpsAreToldFromSlopes) {
  EXPECT_EQ(of([](double t) { return t > 0 ? 1.0 : 0.0; }).status, Smoothness::jump);
  EXPECT_EQ(of([](double t) { return t >= 0 ? 1.0 : 0.0; }).status, Smoothness::jump);
  EXPECT_EQ(of([](double t) { return t == 0 ? 3.0 : 1 + t; }).status, Smoothness::jump);
  EXPECT_EQ(of([](double t) { return t + (t < 0 ? -1e-4 : 0); }).status, Smoothness::jump);
}

TEST(Differences, WhatHasNoSlopeIsUndefined) {
  const double nan = std::nan("");
  EXPECT_EQ(of([&](double) { return nan; }).status, Smoothness::undefined);
  EXPECT_EQ(of([](double t) { return 1 / t; }).status, Smoothness::undefined);
  EXPECT_EQ(of([](double t) { return std::sqrt(t); }).status, Smoothness::undefined);
  EXPECT_EQ(of([](double t) { return std::cbrt(t); }).status, Smoothness::undefined);
  EXPECT_EQ(of([](double t) { return std::sqrt(std::fabs(t)); }).status, Smoothness::undefined);
  EXPECT_EQ(of([](double t) { return t == 0 ? 0 : t * std::log(std::fabs(t)); }).status, Smoothness::undefined);
  EXPECT_EQ(of([](double t) -> double {
              if (t != 0) throw std::runtime_error("outside");
              return 1;
            }).status,
            Smoothness::undefined);
  EXPECT_STRNE(of([&](double) { return nan; }).reason, "");
  EXPECT_EQ(of([&](double) { return nan; }).evaluations, 1);
}

TEST(Differences, ADomainThatEndsNearbyStillLeavesSmallSteps) {
  const Differences d = of([](double t) { return std::log(1e-3 + t); });
  EXPECT_EQ(d.status, Smoothness::smooth);
  EXPECT_NEAR(d.central.value, 1e3, 1e-4);
  EXPECT_LE(std::fabs(d.central.value - 1e3), d.central.error);
}

TEST(Differences, FlatPlaces) {
  const Differences cube = of([](double t) { return t * t * t; });
  EXPECT_EQ(cube.status, Smoothness::smooth);
  EXPECT_LE(std::fabs(cube.central.value), cube.central.error);
  EXPECT_LT(cube.central.error, 1e-12);
  const Differences constant = of([](double) { return 3.7; });
  EXPECT_EQ(constant.status, Smoothness::smooth);
  EXPECT_EQ(constant.central.value, 0);
  EXPECT_LT(constant.central.error, 1e-12);
  // tanh(20) = 1 - 8.5e-18, rounded to 1: the slope 1.7e-17 cannot be excluded.
  const Differences saturated = of([](double t) { return std::tanh(20 + t) - 1; });
  EXPECT_LE(saturated.low(), 1.7e-17);
  EXPECT_GE(saturated.high(), 1.7e-17);
}

TEST(Differences, NoiseThatDrownsTheSlopeSaysSo) {
  int decided = 0;
  for (int i = 0; i < 200; ++i) {
    const Differences d = of([i](double t) { return 1 + 1e-3 * t + 0.3 * hashed(t + i); });
    decided += d.status == Smoothness::smooth && d.central.error < 1e-3 ? 1 : 0;
  }
  EXPECT_EQ(decided, 0);
}

TEST(Noise, OfKnownDeviation) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0, 1e-9);
  int near = 0;
  constexpr int cases = 2000;
  for (int c = 0; c < cases; ++c) {
    std::array<double, noise_points> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = std::exp(1 + 1e-6 * static_cast<double>(i)) + normal(random);
    }
    const double found = noise_of(values);
    near += found > 1e-9 / 4 && found < 4e-9 ? 1 : 0;
  }
  EXPECT_GE(near, cases * 98 / 100);
}

TEST(Noise, OfNoNoise) {
  std::array<double, noise_points> constant{};
  constant.fill(2.5);
  EXPECT_EQ(noise_of(constant), 0);
  EXPECT_EQ(noise_of(std::array<double, noise_points>{}), 0);
}

}  // namespace
}  // namespace gradproof
