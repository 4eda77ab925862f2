// The LibTorch modules, through the same door as everybody else: load_module and a flat program.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "adapters/libtorch/libtorch_fixture.h"

namespace gradproof {
namespace {

INSTANTIATE_TEST_SUITE_P(Versions, LibTorch, testing::ValuesIn(versions()), name_of_version);

TEST_P(LibTorch, DeclaresItselfAndItsOperators) {
  EXPECT_EQ(engine_->info().name, "libtorch");
  EXPECT_EQ(engine_->info().version, GetParam());
  EXPECT_TRUE(engine_->info().expands_seeds);
  EXPECT_FALSE(engine_->info().nested_forward_mode);
  EXPECT_EQ(engine_->info().second_sweep, SecondSweep::accumulate);
  EXPECT_GT(engine_->schemas().all().size(), 1000U);
  const Schema* add = engine_->schemas().find("add", "Tensor");
  ASSERT_NE(add, nullptr);
  ASSERT_EQ(add->args.size(), 3U);
  EXPECT_EQ(add->args[2].name, "alpha");
  EXPECT_TRUE(add->args[2].keyword_only);
}

TEST_P(LibTorch, GradientsOfTheFirstExample) {
  const ValueId a = leaf({3}, {1, 2, 3});
  const ValueId b = leaf({3}, {3, 4, 5});
  const ValueId c = leaf({3}, {6, 7, 8});
  const ValueId y = example(a, b, c);
  const ValueId seed = tensor({3}, {0.1, 1, 0.0001});
  backward({y}, {seed}, GP_RETAIN_GRAPH);
  const auto da = read_grad(a);
  const auto db = read_grad(b);
  const auto dc = read_grad(c);
  backward({y}, {seed});
  const auto da2 = read_grad(a);
  const auto third = backward({y}, {seed});
  run();
  expect_near(da, {0.3, 3, 0.0003});
  expect_near(db, {1.2, 16, 0.002});
  expect_near(dc, {0.1 / 6, 1.0 / 7, 0.0001 / 8});
  expect_near(da2, {0.6, 6, 0.0006});
  EXPECT_EQ(error(third), "graph_freed");
}

TEST_P(LibTorch, ScalarsNeedNoSeed) {
  const ValueId a = leaf({}, {0.1}, GP_F32);
  const ValueId b = leaf({}, {1}, GP_F32);
  const ValueId c = leaf({}, {0.1}, GP_F32);
  const ValueId y = example(a, b, c);
  const auto failing = backward({leaf({2}, {1, 2})});
  backward({y});
  const auto da = read_grad(a);
  const auto db = read_grad(b);
  const auto dc = read_grad(c);
  run();
  EXPECT_EQ(error(failing), "no_seed_for_non_scalar");
  EXPECT_EQ(values(da), std::vector<double>{3});
  EXPECT_EQ(values(db), std::vector<double>{4});
  expect_near(dc, {10}, 1e-7);
  EXPECT_TRUE(shape(da).empty());
}

TEST_P(LibTorch, SumsASeedThatExpandsAndRefusesOneThatDoesNot) {
  const ValueId a = leaf({1}, {5});
  const ValueId y = scaled(a, 3);
  backward({y}, {tensor({3}, {0.1, 1, 0.0001})}, GP_RETAIN_GRAPH);
  const auto expanded = read_grad(a);
  const ValueId b = leaf({3}, {1, 2, 3});
  const auto refused = backward({scaled(b, 2)}, {tensor({1}, {1})});
  const auto untouched = read_grad(b);
  run();
  expect_near(expanded, {3.3003});
  EXPECT_EQ(error(refused), "seed_shape");
  EXPECT_EQ(status(untouched), GP_UNDEFINED_VALUE);
}

TEST_P(LibTorch, DualNumbers) {
  const ValueId x = tensor({2}, {0.5, 1});
  const ValueId dual = script_.dual(x, tensor({2}, {1, 2}));
  const ValueId y = unary("sin", dual);
  const auto tangent = script_.read(script_.jvp(y));
  const auto none = script_.read(script_.jvp(unary("sin", x)));
  const auto detached = script_.read(script_.jvp(script_.detach(x)));
  const ValueId nested = script_.dual(dual, tensor({2}, {1, 1}));
  const auto failed = static_cast<std::uint32_t>(script_.steps.size() - 1);
  const auto skipped = script_.read(nested);
  run();
  expect_near(tangent, {std::cos(0.5), 2 * std::cos(1.0)});
  EXPECT_EQ(status(none), GP_UNDEFINED_VALUE);
  EXPECT_EQ(status(detached), GP_UNDEFINED_VALUE);
  EXPECT_EQ(error(failed), "unsupported");
  EXPECT_EQ(status(skipped), GP_SKIPPED);
}

TEST_P(LibTorch, SecondDerivativesInThreeNestings) {
  const ValueId x = leaf({2}, {0.5, 2});
  const ValueId ones = tensor({2}, {1, 1});
  // d²/dx² x³ = 6x
  const ValueId cube = binary("mul", binary("mul", x, x), x);
  const ValueId first = script_.grad(std::vector{cube}, std::vector{ones}, std::vector{x}, GP_CREATE_GRAPH);
  const ValueId second = script_.grad(std::vector{first}, std::vector{ones}, std::vector{x});
  const auto reverse_over_reverse = script_.read(second);

  const ValueId dual = script_.dual(x, ones);
  const ValueId cubed = binary("mul", binary("mul", dual, dual), dual);
  const ValueId tangent = script_.jvp(cubed);
  const ValueId mixed = script_.grad(std::vector{tangent}, std::vector{ones}, std::vector{x}, GP_RETAIN_GRAPH);
  const auto reverse_over_forward = script_.read(mixed);
  const ValueId slope = script_.grad(std::vector{cubed}, std::vector{ones}, std::vector{dual}, GP_CREATE_GRAPH);
  const auto forward_over_reverse = script_.read(script_.jvp(slope));
  run();
  expect_near(reverse_over_reverse, {3, 12});
  expect_near(reverse_over_forward, {3, 12});
  expect_near(forward_over_reverse, {3, 12});
}

TEST_P(LibTorch, BackwardWithCreateGraphLeavesADifferentiableGradient) {
  const ValueId x = leaf({}, {3});
  backward({binary("mul", x, x)}, {}, GP_CREATE_GRAPH);
  const ValueId grad = script_.grad_of(x);
  const auto read = script_.read(grad);
  script_.zero_grad(x);
  const auto zeroed = read_grad(x);
  script_.set_grad(x, GP_NO_VALUE);
  const auto gone = read_grad(x);
  script_.set_grad(x, tensor({}, {5}));
  backward({scaled(x, 2)});
  const auto prefilled = read_grad(x);
  run();
  EXPECT_EQ(values(read), std::vector<double>{6});
  EXPECT_EQ(values(zeroed), std::vector<double>{0});
  EXPECT_EQ(status(gone), GP_UNDEFINED_VALUE);
  EXPECT_EQ(values(prefilled), std::vector<double>{7});
}

TEST_P(LibTorch, LeavesWithStridesAndOffsets) {
  TensorSpec spec;
  spec.dtype = GP_F32;
  spec.shape = {2, 3};
  spec.strides = {1, 2};
  spec.offset = 1;
  spec.requires_grad = true;
  spec.buffer_elements = 8;
  const ValueId x = fill_in(script_.tensor(spec), {9, 1, 4, 2, 5, 3, 6, 9});
  const auto seen = script_.read(x);
  const auto version = script_.read(script_.detach(x));
  const ValueId weights = tensor({2, 3}, {1, 2, 3, 4, 5, 6}, GP_F32);
  backward({sum(binary("mul", x, weights))});
  const auto grad = read_grad(x);
  run();
  EXPECT_EQ(values(seen), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(seen_.at(seen)->strides[0], 1);
  EXPECT_EQ(seen_.at(seen)->strides[1], 2);
  EXPECT_NE(seen_.at(seen)->storage, 0U);
  EXPECT_EQ(seen_.at(seen)->storage, seen_.at(version)->storage);
  EXPECT_EQ(values(grad), (std::vector<double>{1, 2, 3, 4, 5, 6}));
}

TEST_P(LibTorch, ArgumentsOfEveryKind) {
  const ValueId x = leaf({2, 3}, {1, 5, 3, 4, 2, 6});
  const ValueId max = call("max", "dim", {script_.arg(x), script_.arg_int(1)}, 2);
  const auto top = script_.read(max);
  const auto where = script_.read(max + 1);
  const ValueId parts[] = {max, max};
  const auto joined = script_.read(call("cat", "", {script_.arg_values(parts)}));
  const Index dims[] = {0, 1};
  const auto total =
      script_.read(call("sum", "dim_IntList", {script_.arg(x), script_.arg_ints(dims), script_.arg_bool(true)}));
  const auto row = script_.read(call(
      "sum", "dim_IntList", {script_.arg(x), script_.arg_int(0), script_.arg_default(), script_.arg_dtype(GP_F32)}));
  const ValueId split = call("split", "Tensor", {script_.arg(x), script_.arg_int(2), script_.arg_int(1)}, 2);
  const auto rest = script_.read(split + 1);
  const auto rounded =
      script_.read(call("div", "Tensor_mode", {script_.arg(x), script_.arg(x), script_.arg_string("floor")}));
  const auto clamped = script_.read(call("clamp", "", {script_.arg(x), script_.arg_none(), script_.arg_int(3)}));
  const ValueId index[] = {GP_NO_VALUE, tensor({2}, {2, 0}, GP_I64)};
  const auto picked = script_.read(call("index", "Tensor", {script_.arg(x), script_.arg_values(index)}));
  const auto wide = script_.read(call("aten::mul", "Tensor", {script_.arg(max), script_.arg(max)}));
  const auto norm = script_.read(
      call("layer_norm", "",
           {script_.arg(x), script_.arg_int(3), script_.arg_none(), script_.arg_none(), script_.arg_int(0)}));
  run();
  EXPECT_EQ(values(top), (std::vector<double>{5, 6}));
  EXPECT_EQ(values(where), (std::vector<double>{1, 2}));
  EXPECT_EQ(seen_.at(where)->dtype, GP_I64);
  EXPECT_EQ(values(joined), (std::vector<double>{5, 6, 5, 6}));
  EXPECT_EQ(values(total), std::vector<double>{21});
  EXPECT_EQ(shape(total), (std::vector<Index>{1, 1}));
  EXPECT_EQ(values(row), (std::vector<double>{5, 7, 9}));
  EXPECT_EQ(seen_.at(row)->dtype, GP_F32);
  EXPECT_EQ(values(rest), (std::vector<double>{3, 6}));
  EXPECT_EQ(values(rounded), (std::vector<double>{1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(values(clamped), (std::vector<double>{1, 3, 3, 3, 2, 3}));
  EXPECT_EQ(values(picked), (std::vector<double>{3, 1, 6, 4}));
  EXPECT_EQ(values(wide), (std::vector<double>{25, 36}));
  EXPECT_EQ(values(norm).size(), 6U);
}

TEST_P(LibTorch, EveryDtypeIsReadBackAsWritten) {
  std::vector<std::uint32_t> steps;
  for (const gp_dtype dtype : {GP_F16, GP_BF16, GP_F32, GP_F64, GP_I64, GP_BOOL}) {
    steps.push_back(script_.read(tensor({2}, {1, 0}, dtype)));
  }
  const auto empty = script_.read(tensor({0, 3}, {}));
  const auto scalar = script_.read(tensor({}, {7}));
  TensorSpec unwritten;
  unwritten.shape = {2};
  unwritten.memory = GP_EMPTY;
  unwritten.pinned = true;
  const auto poisoned = script_.read(script_.tensor(unwritten));
  unwritten.memory = GP_ZEROS;
  const auto zeros = script_.read(script_.tensor(unwritten));
  run();
  for (const auto step : steps) EXPECT_EQ(values(step), (std::vector<double>{1, 0}));
  EXPECT_EQ(seen_.at(steps.back())->dtype, GP_BOOL);
  EXPECT_EQ(shape(empty), (std::vector<Index>{0, 3}));
  EXPECT_EQ(seen_.at(empty)->storage, 0U);
  EXPECT_EQ(values(scalar), std::vector<double>{7});
  for (const std::uint8_t byte : seen_.bytes_of(*seen_.at(poisoned))) EXPECT_EQ(byte, fill);
  EXPECT_EQ(values(zeros), (std::vector<double>{0, 0}));
}

TEST_P(LibTorch, VersionsAndSharedMemory) {
  const ValueId x = tensor({2, 2}, {1, 2, 3, 4});
  const auto before = script_.read(x);
  const ValueId view = call("t", "", {script_.arg(x)});
  call("add_", "Scalar", {script_.arg(view), script_.arg_int(1)});
  const auto after = script_.read(x);
  const auto other = script_.read(call("clone", "", {script_.arg(x)}));
  const auto seen_view = script_.read(view);
  run();
  EXPECT_EQ(values(after), (std::vector<double>{2, 3, 4, 5}));
  EXPECT_EQ(values(seen_view), (std::vector<double>{2, 4, 3, 5}));
  EXPECT_GT(seen_.at(after)->version, seen_.at(before)->version);
  EXPECT_EQ(seen_.at(after)->storage, seen_.at(seen_view)->storage);
  EXPECT_NE(seen_.at(after)->storage, seen_.at(other)->storage);
}

TEST_P(LibTorch, RandomOperatorsDrawTheSameInEveryRun) {
  const ValueId x = tensor({64}, std::vector<double>(64, 1));
  const auto dropped =
      script_.read(call("dropout", "", {script_.arg(x), script_.arg_real(0.5), script_.arg_bool(true)}));
  run();
  const auto drawn = values(dropped);
  EXPECT_NE(std::count(drawn.begin(), drawn.end(), 0.0), 0);
  EXPECT_NE(std::count(drawn.begin(), drawn.end(), 2.0), 0);
}

}  // namespace
}  // namespace gradproof
