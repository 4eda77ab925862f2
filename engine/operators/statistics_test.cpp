// Ties, NaNs and vertices of selections, norms and normalizations, which the generic tests do not draw.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/operators/drawn_call.h"

namespace gradproof {
namespace {

// What one call gives on a tape of T under a plan of choices: all results, and the gradient of the first one's sum.
template <class T>
struct Outcome {
  std::vector<T> value;
  std::vector<Index> indices;
  std::vector<T> gradient;
  std::vector<Choice> choices;

  Outcome(std::string_view id, const DrawnCall& call, const std::vector<std::uint8_t>& plan = {},
          bool admitted = false) {
    Tape<T> tape(Registry::standard().catalogue<T>());
    tape.plan = plan;
    tape.admitted = admitted;
    const MadeCall<T> made = make_call(tape, id, call);
    made.leaves.front().impl()->requires_grad = true;
    std::vector<VarImpl<T>*> inputs;
    for (const Var<T>& input : made.inputs) inputs.push_back(input.impl());
    const Node<T>& node = tape.run(*made.op, inputs, made.args);
    const Var<T> y(&tape, node.outputs[0]);
    value = elements(y);
    if (node.output_count > 1 && node.out(1).kind == Kind::integer) {
      indices.assign(node.out(1).integers(), node.out(1).integers() + node.out(1).numel);
    }
    if (y.impl()->requires_grad) gradient = gradients_of_sum(tape, made, y).front();
    choices = tape.choices;
  }
};

TEST(OrderStatistics, TiesOfAnExtremumGoToTheFirstOrToTheLast) {
  const DrawnCall call{{"self", reals({2, 3}, {4, 1, 4, 7, 7, 0})}, {"dim", Index{1}}};
  const Outcome<Ball<float>> first("max.dim", call);
  EXPECT_EQ(first.indices, (std::vector<Index>{0, 0}));
  EXPECT_EQ(first.choices.size(), 1U);
  const Outcome<Ball<float>> last("max.dim", call, {1});
  EXPECT_EQ(last.indices, (std::vector<Index>{2, 1}));
  EXPECT_TRUE(contains(last.gradient[2], 1));
  EXPECT_TRUE(contains(last.gradient[0], 0));
}

TEST(OrderStatistics, TiesOfAMedianGoAnywhere) {
  const DrawnCall call{{"self", reals({4}, {2, 2, 9, 2})}, {"dim", Index{0}}};
  for (std::uint8_t choice = 0; choice < 3; ++choice) {
    const Outcome<Ball<double>> outcome("median.dim", call, {choice});
    const Index expected = choice == 2 ? 3 : choice;
    EXPECT_EQ(outcome.indices, std::vector<Index>{expected});
    EXPECT_TRUE(contains(outcome.gradient[static_cast<std::size_t>(expected)], 1));
  }
  const DrawnCall whole{{"self", reals({4}, {2, 2, 9, 2})}};
  EXPECT_TRUE(contains(Outcome<Ball<double>>("median", whole).gradient[3], 1.0 / 3));
  EXPECT_TRUE(contains(Outcome<Ball<double>>("median", whole, {3}).gradient[3], 1));
}

TEST(OrderStatistics, RanksAndModes) {
  const DrawnArg x = reals({5}, {3, 1, 2, 1, 3});
  EXPECT_EQ(Outcome<double>("kthvalue", {{"self", x}, {"k", Index{3}}}).value, Numbers{2});
  EXPECT_EQ(Outcome<double>("median", {{"self", x}}).value, Numbers{2});
  EXPECT_EQ(Outcome<double>("median", {{"self", reals({4}, {1, 2, 3, 4})}}).value, Numbers{2});
  EXPECT_EQ(Outcome<double>("mode", {{"self", x}}).value, Numbers{1});
  EXPECT_EQ(Outcome<double>("cummax", {{"self", x}, {"dim", Index{0}}}).indices, (std::vector<Index>{0, 0, 0, 0, 4}));
  EXPECT_EQ(Outcome<double>("cummin", {{"self", x}, {"dim", Index{0}}}).indices, (std::vector<Index>{0, 1, 1, 3, 3}));
  EXPECT_EQ(Outcome<double>("cummax", {{"self", x}, {"dim", Index{0}}}).gradient, (Numbers{4, 0, 0, 0, 1}));
  EXPECT_THROW(Outcome<double>("kthvalue", {{"self", x}, {"k", Index{6}}}), EngineError);
}

TEST(OrderStatistics, NaNs) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const DrawnArg x = reals({4}, {3, nan, 1, 2});
  EXPECT_EQ(Outcome<double>("max.dim", {{"self", x}, {"dim", Index{0}}}).indices, std::vector<Index>{1});
  EXPECT_TRUE(std::isnan(Outcome<double>("median", {{"self", x}}).value[0]));
  EXPECT_EQ(Outcome<double>("nanmedian", {{"self", x}}).value, Numbers{2});
  EXPECT_EQ(Outcome<double>("kthvalue", {{"self", x}, {"k", Index{3}}}).value, Numbers{3});
  EXPECT_TRUE(std::isnan(Outcome<double>("kthvalue", {{"self", x}, {"k", Index{4}}}).value[0]));
  EXPECT_EQ(Outcome<double>("nansum", {{"self", x}}).value, Numbers{6});
  EXPECT_EQ(Outcome<double>("nansum", {{"self", x}}).gradient, (Numbers{1, 0, 1, 1}));
  EXPECT_EQ(Outcome<double>("nanmean", {{"self", x}}).value, Numbers{2});
  EXPECT_TRUE(std::isnan(Outcome<double>("cummax", {{"self", x}, {"dim", Index{0}}}).value[3]));
}

TEST(Norms, Vertices) {
  const DrawnArg zeros = reals({3}, {0, 0, 0});
  EXPECT_EQ(Outcome<double>("norm.Scalar", {{"self", zeros}}).gradient, (Numbers{0, 0, 0}));
  EXPECT_EQ(Outcome<double>("norm.Scalar", {{"self", zeros}, {"p", 3.0}}).gradient, (Numbers{0, 0, 0}));
  EXPECT_EQ(Outcome<double>("std", {{"self", zeros}}).gradient, (Numbers{0, 0, 0}));
  EXPECT_EQ(Outcome<double>("norm.Scalar", {{"self", reals({2}, {3, -4})}}).gradient, (Numbers{0.6, -0.8}));
  const double inf = infinity;
  EXPECT_EQ(Outcome<double>("norm.Scalar", {{"self", reals({3}, {3, -4, 4})}, {"p", inf}}).gradient,
            (Numbers{0, -0.5, 0.5}));
  EXPECT_EQ(Outcome<double>("norm.Scalar", {{"self", reals({3}, {3, 0, 4})}, {"p", 0.0}}).value, Numbers{2});
}

TEST(Scans, ProductsWithZeros) {
  const DrawnCall call{{"self", reals({4}, {2, 0, 5, 3})}, {"dim", Index{0}}};
  EXPECT_EQ(Outcome<double>("cumprod", call).gradient, (Numbers{1, 2 + 10 + 30, 0, 0}));
}

// Far beyond what f32 tells from 0: e^-200 is a weight of the gradient all the same.
TEST(Scans, LogarithmsOfSmallSums) {
  const DrawnCall call{{"self", reals({3}, {-200, -201, 5})}, {"dim", Index{0}}};
  const Outcome<Ball<float>> ball("logcumsumexp", call, {}, true);
  EXPECT_TRUE(contains(ball.value[1], -200 + std::log1p(std::exp(-1))));
  EXPECT_LT(ball.value[1].rad, 1e-4);
  EXPECT_TRUE(contains(ball.gradient[1], 1 / (1 + std::exp(1))));
  EXPECT_FALSE(contains(ball.gradient[1], 0));
}

// One pass with raw squares, Σx²/n - mean², is outside for a mean far from 0; two passes are inside.
TEST(Normalization, TellsAnUnstableVarianceFromAStableOne) {
  const Numbers x{1000.125, 1000.25, 1000.5, 1000.0};
  const DrawnCall call{{"input", reals({4}, x)}, {"normalized_shape", std::vector<Index>{4}}};
  const Outcome<Ball<float>> ball("layer_norm", call, {}, true);
  const auto normalized = [&](bool raw) {
    float mean = 0;
    float squares = 0;
    for (const double v : x) mean += static_cast<float>(v) / 4;
    for (const double v : x) {
      const float off = static_cast<float>(v) - (raw ? 0 : mean);
      squares += off * off / 4;
    }
    const float var = raw ? squares - mean * mean : squares;
    return (static_cast<float>(x[0]) - mean) / std::sqrt(var + 1e-5F);
  };
  EXPECT_TRUE(contains(ball.value[0], static_cast<double>(normalized(false))));
  EXPECT_FALSE(contains(ball.value[0], static_cast<double>(normalized(true))));
}

}  // namespace
}  // namespace gradproof
