// Every elementwise record against central differences of its own value in 256-bit balls.
#include <gtest/gtest.h>

#include <random>

#include "engine/operators/elementwise_probe.h"

namespace gradproof {

namespace {

using Real = ArbBall<UnderTest>;  // of the format exact

constexpr double step = 0x1p-60;
constexpr double tolerance = 0x1p-80;

bool is_zero_within(const Real& x, double bound) { return x.is_finite() && x.lower() >= -bound && x.upper() <= bound; }

// |a - b| <= 2^-80 max(1, |b|): the differences are off by some f''' step², 2^-120, and noise of 2^-190.
bool agree(const Real& a, const Real& b) {
  if (!a.is_finite() || !b.is_finite()) return false;
  return is_zero_within(a - b, tolerance * std::max({1.0, std::fabs(b.lower()), std::fabs(b.upper())}));
}

struct Differences {
  Real left, right, central;
  bool exist = false;  // on both sides, with no jump between them
};

// One-sided, of second order: (4 f(x + h) - f(x + 2h) - 3 f(x)) / 2h = f'(x) - f'''(x) h²/3 + O(h³)
template <class F>
Differences differences(const std::vector<Real>& x, std::size_t along, F f) {
  const Real here = f(x);
  bool continuous = true;
  const auto towards = [&](double h) {
    std::vector<Real> near = x;
    std::vector<Real> far = x;
    near[along] = x[along] + Scalar<Real>::leaf(h);
    far[along] = x[along] + Scalar<Real>::leaf(2 * h);
    const Real there = f(near);
    continuous = continuous && is_zero_within(there - here, 1e-6 * std::max(1.0, std::fabs(here.upper())));
    return (4 * there - f(far) - 3 * here) / Scalar<Real>::leaf(2 * h);
  };
  Differences d{towards(-step), towards(step), {}, false};
  d.central = (d.left + d.right) / 2;
  d.exist = continuous && is_zero_within(d.left - d.right, 1e6);
  return d;
}

class ElementwiseRecords : public testing::TestWithParam<std::size_t> {
 protected:
  const Entry& entry() const { return Registry::standard().entries()[GetParam()]; }
  ElementwiseProbe<Real> probe() const { return ElementwiseProbe<Real>(GetParam()); }
  ArbPrecision precision_{256};
  FormatUnderTest format_{formats::exact};
};

std::string describe(const Entry& entry, const std::vector<double>& x, const std::vector<double>& scalars) {
  std::string text = entry.id() + " at";
  for (const double v : x) text += " " + std::to_string(v);
  text += ", scalars";
  for (const double v : scalars) text += " " + std::to_string(v);
  return text;
}

// At an exact tie each admitted slope is found by planning the choice; where the sides have a slope it is
// among them, and the mean of both is too.
void expect_one_sided(ElementwiseProbe<Real>& probe, const std::vector<Real>& x, std::size_t along,
                      const Differences& d) {
  std::array<Real, 3> slopes;
  for (std::uint8_t taken = 0; taken < 3; ++taken) {
    probe.tape.plan.assign(8, taken);
    slopes[taken] = probe.slopes(x)[along];
  }
  probe.tape.plan.clear();
  EXPECT_TRUE(agree(slopes[0], d.left) || agree(slopes[1], d.left));
  EXPECT_TRUE(agree(slopes[0], d.right) || agree(slopes[1], d.right));
  EXPECT_TRUE(agree(slopes[2], (slopes[0] + slopes[1]) / 2));
}

TEST_P(ElementwiseRecords, PartialsAreDifferences) {
  auto probe = this->probe();
  std::size_t checked = 0;
  std::size_t points = 0;
  for (const bool admitted : {false, true}) {
    probe.tape.admitted = admitted;
    for_each_point(entry(), [&](const std::vector<double>& at, const std::vector<double>& scalars) {
      SCOPED_TRACE(describe(entry(), at, scalars));
      const std::vector<Real> x = probe.use(at, scalars);
      for (std::size_t along = 0; along < x.size(); ++along) {
        if (!probe.has_slope(along)) continue;
        ++points;
        const Differences d = differences(x, along, [&](const auto& p) { return probe.value(p); });
        if (!d.exist) continue;
        const std::vector<Real> slopes = probe.slopes(x);
        if (!probe.tape.choices.empty()) {
          if (slopes[along].is_nan()) continue;  // hypot at the origin: no slope to compare
          expect_one_sided(probe, x, along, d);
          continue;
        }
        ++checked;
        EXPECT_TRUE(agree(slopes[along], d.central))
            << "along " << along << ": " << slopes[along].to_string() << " for " << d.central.to_string();
        const Real tangent = probe.tangent(x, along);
        EXPECT_TRUE(agree(tangent, d.central)) << "jvp along " << along << ": " << tangent.to_string();
      }
    });
  }
  EXPECT_GT(3 * checked, points) << "too few points decide anything";
}

// The same through a graph of the gradient, for each of the admitted formulas.
TEST_P(ElementwiseRecords, SecondDerivativesAreDifferencesOfTheFirst) {
  auto probe = this->probe();
  for (const std::uint8_t formula : {std::uint8_t{0}, std::uint8_t{1}}) {
    probe.tape.admitted = formula != 0;
    probe.tape.plan.assign(64, formula);
    for_each_point(entry(), [&](const std::vector<double>& at, const std::vector<double>& scalars) {
      SCOPED_TRACE(describe(entry(), at, scalars));
      const std::vector<Real> x = probe.use(at, scalars);
      for (std::size_t of = 0; of < x.size(); ++of) {
        if (!probe.has_slope(of)) continue;
        bool smooth = true;
        const auto first = [&](const auto& p) {
          Real slope = probe.slopes(p)[of];
          smooth = smooth && probe.tape.choices.empty();
          return slope;
        };
        for (std::size_t along = 0; along < x.size(); ++along) {
          if (!probe.has_slope(along)) continue;
          const Differences d = differences(x, along, first);
          if (!d.exist || !smooth) continue;
          const Real second = probe.second(x, of, along);
          EXPECT_TRUE(agree(second, d.left) || agree(second, d.right))
              << of << ", " << along << ": " << second.to_string() << " for " << d.central.to_string();
        }
      }
    });
  }
}

// What the reference computes in a number format lies in the balls of that format.
template <class D>
void expect_enclosed(std::size_t index, unsigned seed) {
  const Entry& entry = Registry::standard().entries()[index];
  ElementwiseProbe<D> plain(index);
  ElementwiseProbe<Ball<D>> enclosing(index);
  enclosing.tape.admitted = true;
  std::mt19937 random(seed);
  std::normal_distribution<double> noise(1, 0.3);
  for_each_point(entry, [&](std::vector<double> at, std::vector<double> scalars) {
    for (double& v : at) v = static_cast<double>(static_cast<D>(inside(entry, at, v, noise(random))));
    SCOPED_TRACE(describe(entry, at, scalars));
    const std::vector<D> x = plain.use(at, scalars);
    const std::vector<Ball<D>> balls = enclosing.use(at, scalars);
    EXPECT_TRUE(contains(enclosing.value(balls), static_cast<double>(plain.value(x))));
    const std::vector<D> slopes = plain.slopes(x);
    bool found = false;
    for (std::uint8_t taken = 0; taken < 3 && !found; ++taken) {
      enclosing.tape.plan.assign(8, taken);
      const std::vector<Ball<D>> enclosures = enclosing.slopes(balls);
      found = true;
      for (std::size_t i = 0; i < slopes.size(); ++i) {
        found = found && contains(enclosures[i], static_cast<double>(slopes[i]));
      }
    }
    EXPECT_TRUE(found);
  });
}

TEST_P(ElementwiseRecords, NumbersLieInTheirBalls) {
  for (unsigned seed = 1; seed <= 3; ++seed) {
    expect_enclosed<float>(GetParam(), seed);
    expect_enclosed<double>(GetParam(), seed);
  }
}

std::vector<std::size_t> elementwise_entries() {
  std::vector<std::size_t> found;
  const std::deque<Entry>& entries = Registry::standard().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].elementwise) found.push_back(i);
  }
  return found;
}

INSTANTIATE_TEST_SUITE_P(All, ElementwiseRecords, testing::ValuesIn(elementwise_entries()), [](const auto& info) {
  std::string name = Registry::standard().entries()[info.param].id();
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

}  // namespace

}  // namespace gradproof
