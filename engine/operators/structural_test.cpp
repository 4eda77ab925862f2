// Every structural rule against central differences in exact balls of 256 bits, and its enclosures.
#include <gtest/gtest.h>

#include "engine/not_drawn.h"
#include "engine/operators/drawn_call.h"
#include "engine/operators/sums.h"

namespace gradproof {
namespace {

using Real = ArbBall<UnderTest>;  // of the format exact
constexpr int calls = 40;

std::vector<std::size_t> drawn_records() {
  std::vector<std::size_t> numbers;
  const Registry& registry = Registry::standard();
  for (std::size_t i = 0; i < registry.entries().size(); ++i) {
    const Entry& entry = registry.entries()[i];
    const bool differentiable = registry.catalogue<Real>().at(i).differentiable;
    const bool drawn = entry.record.sample != nullptr && entry.record.sample != &not_drawn;
    if (differentiable && !entry.elementwise && drawn) numbers.push_back(i);
  }
  return numbers;
}

template <class T>
Var<T> random_like(Tape<T>& tape, RandomDraw& draw, Sizes sizes) {
  const Tensor<T> tensor = tape.allocate(Kind::real, sizes);
  for (Index i = 0; i < tensor.numel; ++i) tensor.real()[i] = Scalar<T>::leaf(draw.real(-1, 1));
  return tape.constant(tensor);
}

// Leaves at x + h v, and what is drawn for them: the same for every h.
struct Point {
  Tape<Real> tape{Registry::standard().catalogue<Real>()};
  MadeCall<Real> made;
  std::vector<Var<Real>> v;
  std::vector<Var<Real>> w;
  Var<Real> y;
  Var<Real> u;

  Point(std::size_t number, std::uint64_t seed, double h, bool other_formulas) {
    RandomDraw draw(seed);
    Registry::standard().entries()[number].record.sample(draw);
    made = make_call(tape, Registry::standard(), number, draw.call());
    RandomDraw directions(seed + 1);
    for (const Var<Real>& leaf : made.leaves) {
      v.push_back(random_like(tape, directions, leaf.sizes()));
      w.push_back(random_like(tape, directions, leaf.sizes()));
      for (Index i = 0; i < leaf.numel(); ++i) {
        Real& x = leaf.value().real()[i];
        x = x + Scalar<Real>::leaf(h) * v.back().value().real()[i];
      }
      leaf.impl()->requires_grad = true;
    }
    tape.admitted = other_formulas;
    if (other_formulas) tape.plan.assign(64, 1);
    y = made.run(tape);
    u = random_like(tape, directions, y.sizes());
  }

  std::vector<Var<Real>> gradients(const Var<Real>& of, const Var<Real>& seed, bool create_graph) {
    SweepRequest<Real> request;
    request.roots = {&of, 1};
    request.seeds = {&seed, 1};
    request.inputs = std::span<const Var<Real>>(made.leaves);
    request.retain_graph = true;
    request.create_graph = create_graph;
    request.allow_unused = true;
    return tape.grad(request);
  }
  Var<Real> dot(const Var<Real>& a, const Var<Real>& b) { return sum_over(a * b, all_dims(a.ndim()), false); }
  // Σ <a_i, b_i>, of those that exist.
  Var<Real> dots(const std::vector<Var<Real>>& a, const std::vector<Var<Real>>& b) {
    Var<Real> sum = tape.number(Scalar<Real>::leaf(0));
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i]) sum = sum + dot(a[i], b[i]);
    }
    return sum;
  }
  // J v, with the leaves' own graph below it.
  Var<Real> forward_mode(const std::vector<Var<Real>>& along) {
    MadeCall<Real> dual = made;
    for (Var<Real>& input : dual.inputs) {
      for (std::size_t i = 0; i < made.leaves.size(); ++i) {
        if (input.impl() == made.leaves[i].impl()) {
          input = tape.make_dual(input, along[i]);
          break;
        }
      }
    }
    const Var<Real> result = dual.run(tape);
    const Var<Real> tangent = tape.tangent_of(result);
    return tangent ? tangent : tape.filled(result.sizes(), Scalar<Real>::leaf(0));
  }
};

Real scalar_of(const Var<Real>& var) { return var.value().real()[0]; }

// |a - b| <= 2^-80 max(1, |b|)
::testing::AssertionResult close(const Real& a, const Real& b) {
  const Real bound = Scalar<Real>::leaf(0x1p-80) * maximum(abs(b), Scalar<Real>::leaf(1));
  if (less(abs(a - b), bound) == Truth::yes) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << a.to_string() << " against " << b.to_string();
}

constexpr double h = 0x1p-60;

Real difference(const Real& ahead, const Real& behind) { return (ahead - behind) / Scalar<Real>::leaf(2 * h); }

std::string where(std::size_t number, std::uint64_t seed) {
  RandomDraw draw(seed);
  Registry::standard().entries()[number].record.sample(draw);
  return Registry::standard().entries()[number].id() + " seed " + std::to_string(seed) + ": " + to_text(draw.call());
}

// Whether the call lies on a tie: its derivatives are those of a choice there, not limits of differences.
bool at_tie(std::size_t number, std::uint64_t seed) {
  if (!Registry::standard().entries()[number].record.ties_matter) return false;
  Point here(number, seed, 0, false);
  here.gradients(here.y, here.u, false);
  return !here.tape.choices.empty();
}

class Structural : public ::testing::TestWithParam<std::size_t> {
 protected:
  ArbPrecision precision_{256};
  FormatUnderTest format_{formats::exact};
};

TEST_P(Structural, FirstDerivativesAreDifferences) {
  for (const bool other : {false, true}) {
    for (std::uint64_t seed = 1; seed <= calls; ++seed) {
      SCOPED_TRACE(where(GetParam(), seed));
      if (at_tie(GetParam(), seed)) continue;
      Point ahead(GetParam(), seed, h, other);
      Point behind(GetParam(), seed, -h, other);
      Point here(GetParam(), seed, 0, other);
      const auto up = elements(ahead.y);
      const auto down = elements(behind.y);
      const auto u = elements(here.u);
      const auto slope = elements(here.forward_mode(here.v));
      ASSERT_EQ(slope.size(), up.size());
      Real weighted = Scalar<Real>::leaf(0);
      for (std::size_t i = 0; i < up.size(); ++i) {
        ASSERT_TRUE(close(slope[i], difference(up[i], down[i]))) << "jvp, element " << i;
        weighted = weighted + u[i] * difference(up[i], down[i]);
      }
      const auto gradients = here.gradients(here.y, here.u, false);
      ASSERT_TRUE(close(scalar_of(here.dots(gradients, here.v)), weighted)) << "vjp";
    }
  }
}

TEST_P(Structural, SecondDerivativesAreDifferences) {
  for (const bool other : {false, true}) {
    for (std::uint64_t seed = 1; seed <= calls; ++seed) {
      SCOPED_TRACE(where(GetParam(), seed));
      if (at_tie(GetParam(), seed)) continue;
      Point ahead(GetParam(), seed, h, other);
      Point behind(GetParam(), seed, -h, other);
      Point here(GetParam(), seed, 0, other);
      const auto first = [](Point& at) { return at.dots(at.gradients(at.y, at.u, true), at.w); };
      const Real up = scalar_of(first(ahead));
      const Real down = scalar_of(first(behind));
      const Var<Real> one = here.tape.number(Scalar<Real>::leaf(1));
      // Reverse over reverse: the gradient of <J^T u, w> along v.
      const Var<Real> reverse = first(here);
      Real second = Scalar<Real>::leaf(0);
      if (reverse.impl()->requires_grad) second = scalar_of(here.dots(here.gradients(reverse, one, false), here.v));
      ASSERT_TRUE(close(second, difference(up, down))) << "reverse over reverse";
      // Reverse over forward: the gradient of <J w, u> along v.
      const Var<Real> forward = here.dot(here.forward_mode(here.w), here.u);
      Real mixed = Scalar<Real>::leaf(0);
      if (forward.impl()->requires_grad) mixed = scalar_of(here.dots(here.gradients(forward, one, false), here.v));
      ASSERT_TRUE(close(mixed, difference(up, down))) << "reverse over forward";
    }
  }
}

// What a plain scalar computes lies in what its balls say.
template <class D, class B>
void expect_enclosed(std::size_t number, std::uint64_t seed, bool admitted) {
  RandomDraw draw(seed);
  Registry::standard().entries()[number].record.sample(draw);
  const auto observe = [&]<class T>(T) {
    Tape<T> tape(Registry::standard().catalogue<T>());
    tape.admitted = admitted;
    MadeCall<T> made = make_call(tape, Registry::standard(), number, draw.call());
    for (const Var<T>& leaf : made.leaves) leaf.impl()->requires_grad = true;
    const Var<T> y = made.run(tape);
    std::vector<T> seen = elements(y);
    RandomDraw seeds(seed + 1);
    for (const std::vector<T>& gradient : gradients_of(tape, made, y, random_like(tape, seeds, y.sizes()))) {
      seen.insert(seen.end(), gradient.begin(), gradient.end());
    }
    return seen;
  };
  const std::vector<D> numbers = observe(D{});
  const std::vector<B> balls = observe(B{});
  ASSERT_EQ(numbers.size(), balls.size());
  for (std::size_t i = 0; i < balls.size(); ++i) {
    ASSERT_TRUE(contains(balls[i], static_cast<double>(numbers[i]))) << "entry " << i;
  }
}

TEST_P(Structural, BallsEncloseFloatsAndDoubles) {
  for (const bool admitted : {false, true}) {
    for (std::uint64_t seed = 1; seed <= calls; ++seed) {
      SCOPED_TRACE(where(GetParam(), seed));
      if (at_tie(GetParam(), seed)) continue;
      expect_enclosed<float, Ball<float>>(GetParam(), seed, admitted);
      expect_enclosed<double, Ball<double>>(GetParam(), seed, admitted);
      const FormatUnderTest f32(formats::f32);
      expect_enclosed<float, ArbBall<UnderTest>>(GetParam(), seed, admitted);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Records, Structural, ::testing::ValuesIn(drawn_records()), [](const auto& info) {
  std::string name = Registry::standard().entries()[info.param].id();
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
});

// Else little would be left to compare with differences.
TEST(StructuralRecords, FewCallsLieOnTies) {
  const ArbPrecision precision(256);
  const FormatUnderTest format(formats::exact);
  int records = 0;
  for (const std::size_t number : drawn_records()) {
    if (!Registry::standard().entries()[number].record.ties_matter) continue;
    ++records;
    int ties = 0;
    for (std::uint64_t seed = 1; seed <= calls; ++seed) ties += at_tie(number, seed) ? 1 : 0;
    EXPECT_LT(ties, calls / 2) << Registry::standard().entries()[number].id();
  }
  EXPECT_GT(records, 40);
}

TEST(StructuralRecords, AllOfThemAreDrawn) {
  constexpr std::array names{"sum",
                             "sum.dim_IntList",
                             "mean",
                             "mean.dim",
                             "prod",
                             "prod.dim_int",
                             "amax",
                             "amin",
                             "var",
                             "var.dim",
                             "var.correction",
                             "logsumexp",
                             "cumsum",
                             "reshape",
                             "view",
                             "transpose.int",
                             "t",
                             "permute",
                             "expand",
                             "select.int",
                             "slice.Tensor",
                             "narrow",
                             "unsqueeze",
                             "squeeze",
                             "squeeze.dim",
                             "flip",
                             "cat",
                             "stack",
                             "clone",
                             "index_select",
                             "gather",
                             "mm",
                             "bmm",
                             "mv",
                             "dot",
                             "matmul",
                             "addmm",
                             "outer",
                             "softmax.int",
                             "log_softmax.int"};
  const std::vector<std::size_t> drawn = drawn_records();
  for (const std::string_view name : names) {
    EXPECT_TRUE(std::any_of(drawn.begin(), drawn.end(), [&](std::size_t i) {
      return Registry::standard().entries()[i].id() == name;
    })) << name;
  }
}

}  // namespace
}  // namespace gradproof
