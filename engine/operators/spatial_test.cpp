// Convolutions, pools and samplers where something special happens: ties, NaN, edges between cells, wrong arguments.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/operators/drawn_call.h"

namespace gradproof {
namespace {

DrawnArg list(std::vector<Index> values) { return values; }
DrawnArg one(Index value) { return value; }
DrawnArg real(double value) { return value; }

// The value's elements, and the gradients of its sum.
template <class T>
struct Ran {
  Tape<T> tape{Registry::standard().catalogue<T>()};
  std::vector<T> value{};
  std::vector<std::vector<T>> gradients{};

  Ran(std::string_view id, const DrawnCall& call, const std::vector<std::uint8_t>& plan = {}) {
    tape.plan = plan;
    const MadeCall<T> made = make_call(tape, id, call);
    for (const Var<T>& leaf : made.leaves) leaf.impl()->requires_grad = true;
    const Var<T> y = made.run(tape);
    value = elements(y);
    gradients = gradients_of_sum(tape, made, y);
  }
};

// --- convolutions ---

TEST(Spatial, ConvolutionByHand) {
  const Ran<double> ran("conv1d", {{"input", reals({1, 1, 4}, {1, 2, 3, 4})},
                                   {"weight", reals({1, 1, 2}, {10, 1})},
                                   {"bias", reals({1}, {100})},
                                   {"stride", list({2})},
                                   {"padding", list({1})},
                                   {"dilation", list({1})}});
  EXPECT_EQ(ran.value, (Numbers{101, 123, 140}));
  EXPECT_EQ(ran.gradients[0], (Numbers{1, 10, 1, 10}));
  EXPECT_EQ(ran.gradients[1], (Numbers{6, 4}));
  EXPECT_EQ(ran.gradients[2], Numbers{3});
}

TEST(Spatial, TransposedConvolutionByHand) {
  const Ran<double> ran("conv_transpose1d", {{"input", reals({1, 1, 2}, {1, 2})},
                                             {"weight", reals({1, 1, 3}, {1, 10, 100})},
                                             {"bias", NoneArg{}},
                                             {"stride", list({2})},
                                             {"padding", list({0})},
                                             {"output_padding", list({1})},
                                             {"dilation", list({1})}});
  EXPECT_EQ(ran.value, (Numbers{1, 10, 102, 20, 200, 0}));
  EXPECT_EQ(ran.gradients[0], (Numbers{111, 111}));
}

TEST(Spatial, SamePaddingHasMoreOnTheRight) {
  const Ran<double> ran("conv1d.padding", {{"input", reals({1, 1, 2}, {1, 2})},
                                           {"weight", reals({1, 1, 4}, {1000, 100, 10, 1})},
                                           {"bias", NoneArg{}},
                                           {"stride", list({1})},
                                           {"padding", std::string("same")},
                                           {"dilation", list({1})}});
  EXPECT_EQ(ran.value, (Numbers{120, 1200}));
}

// A sum of integers is exact whatever tap group it is in.
TEST(Spatial, SmallIntegersConvolveExactly) {
  const Ran<Ball<float>> ran("conv2d", {{"input", reals({1, 1, 2, 2}, {1, 2, 3, 4})},
                                        {"weight", reals({1, 1, 2, 2}, {1, 1, 1, 1})},
                                        {"bias", NoneArg{}},
                                        {"stride", list({1, 1})},
                                        {"padding", list({1, 1})},
                                        {"dilation", list({1, 1})}});
  ASSERT_EQ(ran.value.size(), 9U);
  EXPECT_TRUE(ran.value[4].is_exactly(10));
  EXPECT_TRUE(ran.value[1].is_exactly(3));
}

TEST(Spatial, WrongConvolutions) {
  const auto call = [](const std::vector<Index>& x, const std::vector<Index>& w, Index stride, Index padding,
                       Index groups) {
    const auto count = [](const std::vector<Index>& sizes) { return static_cast<std::size_t>(count_elements(sizes)); };
    return error_of("conv1d", {{"input", reals(x, Numbers(count(x), 1))},
                               {"weight", reals(w, Numbers(count(w), 1))},
                               {"bias", NoneArg{}},
                               {"stride", list({stride})},
                               {"padding", list({padding})},
                               {"dilation", list({1})},
                               {"groups", one(groups)}});
  };
  EXPECT_EQ(call({1, 2, 4}, {2, 2, 3}, 1, 0, 1), GP_OK);
  EXPECT_EQ(call({1, 3, 4}, {2, 2, 3}, 1, 0, 1), GP_SHAPE);
  EXPECT_EQ(call({1, 2, 2}, {2, 2, 3}, 1, 0, 1), GP_SHAPE);
  EXPECT_EQ(call({2, 4}, {2, 2, 3}, 1, 0, 1), GP_OK);
  EXPECT_EQ(call({4}, {2, 2, 3}, 1, 0, 1), GP_SHAPE);
  EXPECT_EQ(call({1, 2, 4}, {2, 2, 3}, 0, 0, 1), GP_ARGUMENT);
  EXPECT_EQ(call({1, 2, 4}, {2, 2, 3}, 1, -1, 1), GP_ARGUMENT);
  EXPECT_EQ(call({1, 2, 4}, {2, 2, 3}, 1, 0, 0), GP_ARGUMENT);
  EXPECT_EQ(call({1, 2, 4}, {3, 1, 3}, 1, 0, 2), GP_SHAPE);
  EXPECT_EQ(call({1, 2, 4}, {2, 2, 3}, 1, INT64_MAX, 1), GP_ARGUMENT);
  EXPECT_EQ(call({1, 2, 4}, {2, 2, 3}, 1, Index{1} << 30U, 1), GP_OUT_OF_MEMORY);
}

// --- pools ---

DrawnCall pool(Numbers x, Index kernel) {
  const auto n = static_cast<Index>(x.size());
  return {{"self", reals({1, 1, n}, std::move(x))},
          {"kernel_size", list({kernel})},
          {"stride", list({})},
          {"padding", list({0})},
          {"dilation", list({1})}};
}

TEST(Spatial, TiesInAPoolGoToTheFirstOrTheLast) {
  EXPECT_EQ(Ran<double>("max_pool1d", pool({4, 1, 4, 2}, 4)).gradients[0], (Numbers{1, 0, 0, 0}));
  for (const std::uint8_t choice : std::array<std::uint8_t, 2>{0, 1}) {
    const Ran<Ball<double>> ran("max_pool1d", pool({4, 1, 4, 2}, 4), {choice});
    EXPECT_TRUE(ran.gradients[0][choice == 0 ? 0 : 2].is_exactly(1));
    EXPECT_TRUE(ran.gradients[0][choice == 0 ? 2 : 0].is_exactly(0));
    EXPECT_EQ(ran.tape.choices.size(), 1U);
  }
}

TEST(Spatial, ANanIsTheLargest) {
  const Ran<Ball<double>> ran("max_pool1d", pool({4, NAN, 5, 7}, 2));
  EXPECT_TRUE(ran.value[0].is_nan());
  EXPECT_TRUE(ran.value[1].is_exactly(7));
  EXPECT_TRUE(ran.gradients[0][1].is_exactly(1));
  EXPECT_TRUE(ran.gradients[0][0].is_exactly(0));
}

TEST(Spatial, AveragesCountThePaddingOrNot) {
  DrawnCall call{{"self", reals({1, 1, 3}, {2, 4, 6})},
                 {"kernel_size", list({2})},
                 {"stride", list({2})},
                 {"padding", list({1})},
                 {"ceil_mode", true}};
  EXPECT_EQ(Ran<double>("avg_pool1d", call).value, (Numbers{1, 5}));
  call["count_include_pad"] = false;
  EXPECT_EQ(Ran<double>("avg_pool1d", call).value, (Numbers{2, 5}));
}

TEST(Spatial, WrongPools) {
  const auto error = [](Index kernel, Index stride, Index padding, Index dilation) {
    DrawnCall call = pool({1, 2, 3}, kernel);
    call["stride"] = list({stride});
    call["padding"] = list({padding});
    call["dilation"] = list({dilation});
    return error_of("max_pool1d", call);
  };
  EXPECT_EQ(error(2, 1, 0, 1), GP_OK);
  EXPECT_EQ(error(0, 1, 0, 1), GP_ARGUMENT);
  EXPECT_EQ(error(2, 0, 0, 1), GP_ARGUMENT);
  EXPECT_EQ(error(2, 1, 2, 1), GP_ARGUMENT);
  EXPECT_EQ(error(2, 1, -1, 1), GP_ARGUMENT);
  EXPECT_EQ(error(4, 1, 0, 1), GP_SHAPE);
  EXPECT_EQ(error(INT64_MAX, 1, 0, 1), GP_ARGUMENT);
  EXPECT_EQ(
      error_of("max_unpool2d",
               {{"self", reals({1, 1, 1}, {1})}, {"indices", integers({1, 1, 1}, {4})}, {"output_size", list({2, 2})}}),
      GP_INDEX);
}

// --- samplers ---

DrawnCall sampled_at(double at, Index interpolation, Index padding) {
  return {{"input", reals({1, 1, 1, 3}, {1, 2, 5})},
          {"grid", reals({1, 1, 1, 2}, {at, 0})},
          {"interpolation_mode", one(interpolation)},
          {"padding_mode", one(padding)},
          {"align_corners", true}};
}

// Place 1 of 3: slopes 1 on its left, 3 on its right.
TEST(Spatial, BothSlopesAtTheEdgeOfACell) {
  EXPECT_EQ(Ran<double>("grid_sampler_2d", sampled_at(0, 0, 0)).gradients[1][0], 3);
  for (const std::uint8_t choice : std::array<std::uint8_t, 2>{0, 1}) {
    const Ran<Ball<double>> ran("grid_sampler_2d", sampled_at(0, 0, 0), {choice, choice});
    EXPECT_TRUE(contains(ran.value[0], 2));
    EXPECT_TRUE(contains(ran.gradients[1][0], choice == 0 ? 3 : 1));
    EXPECT_FALSE(contains(ran.gradients[1][0], choice == 0 ? 1 : 3));
  }
}

TEST(Spatial, PaddingsBeyondTheEdge) {
  EXPECT_EQ(Ran<double>("grid_sampler_2d", sampled_at(1.5, 0, 0)).value[0], 2.5);
  EXPECT_EQ(Ran<double>("grid_sampler_2d", sampled_at(1.5, 0, 1)).value[0], 5);
  EXPECT_EQ(Ran<double>("grid_sampler_2d", sampled_at(1.5, 0, 2)).value[0], 3.5);
  EXPECT_EQ(Ran<double>("grid_sampler_2d", sampled_at(0.6, 1, 0)).value[0], 5);
  EXPECT_EQ(Ran<double>("grid_sampler_2d", sampled_at(0.5, 1, 0)).value[0], 5);  // 1.5 goes to the even place
  EXPECT_EQ(Ran<double>("grid_sampler_2d", sampled_at(-0.5, 1, 0)).value[0], 1);
}

// Result 3 of 5 lies on place 2 of 3 but for rounding, when it is computed as 3 · (2/3).
TEST(Spatial, WeightsOnTheEdgeOfACellAreThoseOfEitherCell) {
  for (const Index out : {2, 3, 4, 5, 7, 10, 13}) {
    const DrawnCall call{
        {"self", reals({1, 1, 3}, {1, 10, 100})}, {"output_size", list({out})}, {"align_corners", true}};
    const Ran<double> exact("upsample_linear1d", call);
    const Ran<Ball<float>> ball("upsample_linear1d", call);
    const Ran<float> plain("upsample_linear1d", call);
    for (std::size_t k = 0; k < ball.value.size(); ++k) {
      EXPECT_TRUE(contains(ball.value[k], exact.value[k])) << out << " " << k;
      EXPECT_TRUE(contains(ball.value[k], static_cast<double>(plain.value[k])));
      EXPECT_LT(ball.value[k].rad, 1e-4);
    }
  }
}

TEST(Spatial, DistancesOfZero) {
  const DrawnCall call{
      {"x1", reals({1, 2}, {1, 2})}, {"x2", reals({2, 2}, {1, 2, 4, 6})}, {"p", real(2)}, {"compute_mode", NoneArg{}}};
  const Ran<double> ran("cdist", call);
  EXPECT_EQ(ran.value, (Numbers{0, 5}));
  EXPECT_EQ(ran.gradients[0], (Numbers{-0.6, -0.8}));
}

TEST(Spatial, ARowThatSeesNothingAttendsToNothing) {
  const std::vector<DrawnTensor> mask{{{2, 2}, {0, 0, 1, 0}, Kind::boolean}};
  const DrawnCall call{{"query", reals({2, 1}, {1, 2})},
                       {"key", reals({2, 1}, {3, 4})},
                       {"value", reals({2, 1}, {5, 6})},
                       {"attn_mask", mask},
                       {"scale", NoneArg{}}};
  const Ran<double> ran("scaled_dot_product_attention", call);
  EXPECT_EQ(ran.value, (Numbers{0, 5}));
  EXPECT_EQ(ran.gradients[2], (Numbers{1, 0}));
}

}  // namespace
}  // namespace gradproof
