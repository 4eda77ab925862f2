// Structural operators where something special happens: zeros, ties, infinities, empty tensors, wrong arguments,
// large products.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/operators/drawn_call.h"
#include "engine/operators/gemm.h"

namespace gradproof {
namespace {

// Value, then the gradient of its sum.
template <class T>
std::pair<std::vector<T>, std::vector<T>> value_and_gradient(Tape<T>& tape, std::string_view id,
                                                             const DrawnCall& call) {
  const MadeCall<T> made = make_call(tape, id, call);
  for (const Var<T>& leaf : made.leaves) leaf.impl()->requires_grad = true;
  const Var<T> y = made.run(tape);
  const std::vector<T> value = elements(y);
  return {value, one_after_the_other(gradients_of_sum(tape, made, y))};
}

std::vector<double> gradient_of(std::string_view id, const DrawnCall& call) {
  Tape<double> tape(Registry::standard().catalogue<double>());
  return value_and_gradient(tape, id, call).second;
}
std::vector<double> value_of(std::string_view id, const DrawnCall& call) {
  Tape<double> tape(Registry::standard().catalogue<double>());
  return value_and_gradient(tape, id, call).first;
}

TEST(StructuralSpecial, ProductsOfZeros) {
  EXPECT_EQ(gradient_of("prod", {{"self", reals({3}, {2, 0, 5})}}), (Numbers{0, 10, 0}));
  EXPECT_EQ(gradient_of("prod", {{"self", reals({3}, {0, 3, 0})}}), (Numbers{0, 0, 0}));
  EXPECT_EQ(gradient_of("prod", {{"self", reals({3}, {2, 3, 5})}}), (Numbers{15, 10, 6}));
  Tape<Ball<float>> tape(Registry::standard().catalogue<Ball<float>>());
  tape.admitted = true;
  for (const Ball<float>& ball : value_and_gradient(tape, "prod", {{"self", reals({4}, {2, 0, 5, 1})}}).second) {
    EXPECT_TRUE(is_exact(ball));
  }
}

// a₀b₁ - a₁b₀: a fused multiply-add makes -∞ of the first product and the second one's infinity, two products NaN.
TEST(StructuralSpecial, NothingIsSaidOfAnOverflowInsideAProgram) {
  Tape<Ball<float>> tape(Registry::standard().catalogue<Ball<float>>());
  const double big = 0x1p100;
  const auto value = value_and_gradient(tape, "linalg_cross",
                                        {{"self", reals({3}, {big, big, 0})}, {"other", reals({3}, {big, big, 0})}})
                         .first;
  EXPECT_EQ(value.at(2).reason(), Unbounded::overflow);
  EXPECT_TRUE(value.at(0).is_exactly(0));
}

TEST(StructuralSpecial, EmptyTensors) {
  EXPECT_EQ(value_of("sum", {{"self", reals({0}, {})}}), Numbers{0});
  EXPECT_EQ(value_of("prod", {{"self", reals({2, 0}, {})}}), Numbers{1});
  EXPECT_TRUE(std::isnan(value_of("mean", {{"self", reals({0}, {})}}).at(0)));
  EXPECT_EQ(error_of("amax", {{"self", reals({0}, {})}}), GP_SHAPE);
  EXPECT_EQ(value_of("sum.dim_IntList", {{"self", reals({0, 2}, {})}, {"dim", std::vector<Index>{0}}}),
            (Numbers{0, 0}));
  EXPECT_EQ(value_of("mm", {{"self", reals({1, 0}, {})}, {"mat2", reals({0, 2}, {})}}), (Numbers{0, 0}));
}

TEST(StructuralSpecial, AdmittedSharesOfATieSumToTheSeed) {
  const DrawnCall call{{"self", reals({3}, {1, 4, 4})}};
  EXPECT_EQ(gradient_of("amax", call), (Numbers{0, 0.5, 0.5}));
  for (std::uint8_t choice = 0; choice < 3; ++choice) {
    Tape<Ball<double>> tape(Registry::standard().catalogue<Ball<double>>());
    tape.plan = {choice};
    const auto gradient = value_and_gradient(tape, "amax", call).second;
    EXPECT_TRUE(contains(gradient[0], 0));
    EXPECT_TRUE(contains(gradient[1] + gradient[2], 1));
    EXPECT_TRUE(contains(gradient[1], choice == 0 ? 0.5 : choice == 1 ? 1 : 0));
    EXPECT_EQ(tape.choices.size(), 1U);
    EXPECT_EQ(tape.choices.at(0).arity, 3);
  }
}

TEST(StructuralSpecial, NearTiesGoEitherWay) {
  using B = Ball<float>;
  for (std::uint8_t choice = 0; choice < 3; ++choice) {
    Tape<B> tape(Registry::standard().catalogue<B>());
    tape.plan = {choice};
    const Tensor<B> x = tape.allocate(Kind::real, std::array<Index, 1>{3});
    x.real()[0] = {1, 1e-6};
    x.real()[1] = {0, 0};
    x.real()[2] = {1 + 1e-7, 1e-6};
    const Var<B> leaf = tape.constant(x);
    leaf.impl()->requires_grad = true;
    const std::array<Arg<B>, 2> args{};
    const Var<B> y = tape.call(Registry::standard().catalogue<B>().named("amax"), std::span(&leaf, 1), args);
    SweepRequest<B> request;
    request.roots = {&y, 1};
    tape.backward(request);
    const B* grad = leaf.impl()->grad->value.real();
    EXPECT_TRUE(grad[1].is_exactly(0));
    EXPECT_TRUE(grad[0].is_exactly(choice == 0 ? 0.5 : choice == 1 ? 1 : 0));
    EXPECT_TRUE(grad[2].is_exactly(choice == 0 ? 0.5 : choice == 1 ? 0 : 1));
  }
}

TEST(StructuralSpecial, InfinitiesOfLogsumexp) {
  const double inf = infinity;
  const std::vector<Index> dim{0};
  const auto value = [&](Numbers x) {
    return value_of("logsumexp", {{"self", reals({2}, std::move(x))}, {"dim", dim}})[0];
  };
  EXPECT_EQ(value({-inf, -inf}), -inf);
  EXPECT_EQ(value({-inf, 1}), 1);
  EXPECT_EQ(value({inf, 1}), inf);
  EXPECT_NEAR(value({1000, 1000}), 1000 + std::log(2), 1e-12);
}

TEST(StructuralSpecial, BetaZeroIgnoresSelf) {
  const DrawnCall call{
      {"self", reals({1}, {NAN})}, {"mat1", reals({1, 1}, {2})}, {"mat2", reals({1, 1}, {3})}, {"beta", 0.0}};
  EXPECT_EQ(value_of("addmm", call), Numbers{6});
}

TEST(StructuralSpecial, RepeatedIndicesAdd) {
  EXPECT_EQ(gradient_of("index_select",
                        {{"self", reals({3}, {1, 2, 3})}, {"dim", Index{0}}, {"index", integers({3}, {2, 0, 2})}}),
            (Numbers{1, 0, 2}));
  EXPECT_EQ(gradient_of("gather",
                        {{"self", reals({1, 2}, {1, 2})}, {"dim", Index{1}}, {"index", integers({1, 3}, {1, 1, 1})}}),
            (Numbers{0, 3}));
}

TEST(StructuralSpecial, ReshapeSharesMemoryWhereStridesAllow) {
  Tape<double> tape(Registry::standard().catalogue<double>());
  const auto run = [&](std::string_view id, const Var<double>& x, const DrawnArg& arg) {
    const Arg<double> kept = as_arg(tape, arg);
    Arg<double>* args = tape.arena().array<Arg<double>>(1);
    args[0] = kept;
    return tape.call(Registry::standard().catalogue<double>().named(id), std::span(&x, 1), {args, 1});
  };
  const Var<double> x = make_tensor(tape, {{2, 3}, {1, 2, 3, 4, 5, 6}});
  const Var<double> t = run("permute", x, std::vector<Index>{1, 0});
  EXPECT_EQ(t.value().storage, x.value().storage);
  EXPECT_EQ(run("view", x, std::vector<Index>{3, -1}).value().storage, x.value().storage);
  EXPECT_EQ(run("reshape", t, std::vector<Index>{3, 1, 2}).value().storage, x.value().storage);
  const Var<double> flat = run("reshape", t, std::vector<Index>{6});
  EXPECT_NE(flat.value().storage, x.value().storage);
  EXPECT_EQ(Numbers(flat.value().real(), flat.value().real() + 6), (Numbers{1, 4, 2, 5, 3, 6}));
  EXPECT_THROW(run("view", t, std::vector<Index>{6}), EngineError);
}

TEST(StructuralSpecial, WrongArguments) {
  const DrawnArg x = reals({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto list = [](std::vector<Index> values) { return DrawnArg(std::move(values)); };
  const auto one = [](Index value) { return DrawnArg(value); };
  EXPECT_EQ(error_of("sum.dim_IntList", {{"self", x}, {"dim", list({2})}}), GP_INDEX);
  EXPECT_EQ(error_of("sum.dim_IntList", {{"self", x}, {"dim", list({0, -2})}}), GP_ARGUMENT);
  EXPECT_EQ(error_of("sum", {{"self", x}, {"dtype", one(GP_F64)}}), GP_UNSUPPORTED);
  EXPECT_EQ(error_of("sum", {{"self", integers({2}, {1, 2})}}), GP_DTYPE);
  EXPECT_EQ(error_of("cumsum", {{"self", x}, {"dim", one(-3)}}), GP_INDEX);
  EXPECT_EQ(error_of("softmax.int", {{"self", x}, {"dim", one(2)}}), GP_INDEX);
  EXPECT_EQ(error_of("reshape", {{"self", x}, {"shape", list({4, 2})}}), GP_SHAPE);
  EXPECT_EQ(error_of("reshape", {{"self", x}, {"shape", list({-1, -1})}}), GP_SHAPE);
  EXPECT_EQ(error_of("reshape", {{"self", reals({0}, {})}, {"shape", list({-1, 0})}}), GP_SHAPE);
  EXPECT_EQ(error_of("expand", {{"self", x}, {"size", list({4, 3})}}), GP_SHAPE);
  EXPECT_EQ(error_of("expand", {{"self", x}, {"size", list({-1, 2, 3})}}), GP_SHAPE);
  EXPECT_EQ(error_of("permute", {{"self", x}, {"dims", list({0})}}), GP_SHAPE);
  EXPECT_EQ(error_of("permute", {{"self", x}, {"dims", list({0, 0})}}), GP_ARGUMENT);
  EXPECT_EQ(error_of("select.int", {{"self", x}, {"dim", one(1)}, {"index", one(3)}}), GP_INDEX);
  EXPECT_EQ(error_of("select.int", {{"self", reals({}, {1})}, {"dim", one(0)}, {"index", one(0)}}), GP_INDEX);
  EXPECT_EQ(error_of("slice.Tensor", {{"self", x}, {"step", one(0)}}), GP_ARGUMENT);
  EXPECT_EQ(error_of("slice.Tensor",
                     {{"self", x}, {"start", one(INT64_MIN)}, {"end", one(INT64_MAX)}, {"step", one(INT64_MAX)}}),
            GP_OK);
  EXPECT_EQ(error_of("narrow", {{"self", x}, {"dim", one(1)}, {"start", one(2)}, {"length", one(INT64_MAX)}}),
            GP_INDEX);
  EXPECT_EQ(error_of("narrow", {{"self", x}, {"dim", one(1)}, {"start", one(INT64_MIN)}, {"length", one(1)}}),
            GP_INDEX);
  EXPECT_EQ(error_of("t", {{"self", reals({1, 1, 1}, {1})}}), GP_SHAPE);
  EXPECT_EQ(error_of("unsqueeze", {{"self", x}, {"dim", one(3)}}), GP_INDEX);
  EXPECT_EQ(error_of("flip", {{"self", x}, {"dims", list({1, -1})}}), GP_ARGUMENT);
  const std::vector<DrawnTensor> misfits{{{2}, {1, 2}}, {{1, 2}, {1, 2}}};
  EXPECT_EQ(error_of("cat", {{"tensors", misfits}}), GP_SHAPE);
  EXPECT_EQ(error_of("stack", {{"tensors", misfits}}), GP_SHAPE);
  EXPECT_EQ(error_of("cat", {{"tensors", std::vector<DrawnTensor>{}}}), GP_ARGUMENT);
  EXPECT_EQ(error_of("index_select", {{"self", x}, {"dim", one(0)}, {"index", integers({1}, {2})}}), GP_INDEX);
  EXPECT_EQ(error_of("index_select", {{"self", x}, {"dim", one(0)}, {"index", integers({1}, {-1})}}), GP_INDEX);
  EXPECT_EQ(error_of("index_select", {{"self", x}, {"dim", one(0)}, {"index", reals({1}, {0})}}), GP_DTYPE);
  EXPECT_EQ(error_of("gather", {{"self", x}, {"dim", one(1)}, {"index", integers({3, 1}, {0, 0, 0})}}), GP_SHAPE);
  EXPECT_EQ(error_of("gather", {{"self", x}, {"dim", one(1)}, {"index", integers({1, 1}, {3})}}), GP_INDEX);
  EXPECT_EQ(error_of("mm", {{"self", x}, {"mat2", x}}), GP_SHAPE);
  EXPECT_EQ(error_of("dot", {{"self", x}, {"tensor", x}}), GP_SHAPE);
  EXPECT_EQ(error_of("bmm", {{"self", reals({2, 1, 1}, {1, 2})}, {"mat2", reals({1, 1, 1}, {1})}}), GP_SHAPE);
  EXPECT_EQ(error_of("matmul", {{"self", x}, {"other", reals({}, {1})}}), GP_SHAPE);
  EXPECT_EQ(error_of("outer", {{"self", x}, {"vec2", reals({1}, {1})}}), GP_SHAPE);
}

// The blocked product of balls lies around every product of points, and is hardly wider than dot by dot.
template <class D>
void expect_large_product_encloses() {
  using B = Ball<D>;
  constexpr Index n = 24;
  RandomDraw draw(7);
  std::vector<B> a;
  std::vector<B> b;
  for (Index i = 0; i < n * n; ++i) {
    const double radius = draw.real(0, 1e-5);
    a.push_back({static_cast<typename B::M>(draw.real(-2, 2)), static_cast<typename B::M>(radius)});
    b.push_back({static_cast<typename B::M>(draw.real(-2, 2)), draw.coin() ? 0 : static_cast<typename B::M>(1e-7)});
  }
  const MatrixView<B> left{a.data(), n, n, n, 1};
  const MatrixView<B> right{b.data(), n, n, 1, n};
  std::vector<B> blocked(static_cast<std::size_t>(n * n));
  std::vector<B> dots(blocked.size());
  ASSERT_TRUE(gemm::large(left, right, blocked.data()));
  gemm::by_dots(left, right, dots.data());
  for (std::size_t i = 0; i < dots.size(); ++i) {
    EXPECT_TRUE(overlap(blocked[i], dots[i]));
    EXPECT_LT(blocked[i].rad, dots[i].rad * 1.01);
    EXPECT_GT(blocked[i].rad, dots[i].rad * 0.99);
  }
  a[3] = B::anything(Unbounded::domain);
  multiply(left, right, blocked.data());
  EXPECT_TRUE(blocked[0].is_anything());
  EXPECT_FALSE(blocked[static_cast<std::size_t>(n)].is_anything());
}

TEST(StructuralSpecial, LargeProductsOfBalls) {
  expect_large_product_encloses<float>();
  expect_large_product_encloses<double>();
}

}  // namespace
}  // namespace gradproof
