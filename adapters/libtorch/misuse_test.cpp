// What goes wrong in a script is told by kind, at its step, and harms nothing after it.
#include <gtest/gtest.h>

#include "adapters/libtorch/libtorch_fixture.h"

namespace gradproof {
namespace {

class LibTorchMisuse : public LibTorch {};
INSTANTIATE_TEST_SUITE_P(Versions, LibTorchMisuse, testing::ValuesIn(versions()), name_of_version);

TEST_P(LibTorchMisuse, SweepsThatCannotBe) {
  const ValueId x = leaf({3}, {1, 2, 3});
  const ValueId plain = tensor({3}, {1, 2, 3});
  const auto no_grad = backward({sum(plain)});
  script_.retain_grad(plain);
  const auto retained = last_step();
  const ValueId unused = leaf({1}, {1});
  script_.grad(std::vector{sum(scaled(x, 2))}, {}, std::vector{unused});
  const auto unused_input = last_step();
  const ValueId allowed = script_.grad(std::vector{sum(scaled(x, 2))}, {}, std::vector{unused}, GP_ALLOW_UNUSED);
  const auto undefined = script_.read(allowed);
  unary("sin", allowed);
  const auto undefined_used = last_step();
  backward({sum(binary("mul", x, x))});
  const auto still_works = read_grad(x);
  run();
  EXPECT_EQ(error(no_grad), "no_grad_required");
  EXPECT_EQ(error(retained), "no_grad_required");
  EXPECT_EQ(error(unused_input), "unused_input");
  EXPECT_EQ(status(undefined), GP_UNDEFINED_VALUE);
  EXPECT_EQ(error(undefined_used), "undefined");
  EXPECT_EQ(values(still_works), (std::vector<double>{2, 4, 6}));
}

TEST_P(LibTorchMisuse, WritesInPlaceThatBreakASweep) {
  const ValueId x = leaf({3}, {1, 2, 3});
  call("add_", "Scalar", {script_.arg(x), script_.arg_int(1)});
  const auto leaf_modified = last_step();
  call("add_", "Scalar", {script_.arg(call("view", "", {script_.arg(x), script_.arg_int(3)})), script_.arg_int(1)});
  const auto view_modified = last_step();
  const ValueId square = binary("mul", x, x);
  const ValueId product = binary("mul", square, square);
  call("add_", "Scalar", {script_.arg(square), script_.arg_int(1)});
  const auto saved_modified = backward({sum(product)});
  const auto no_gradient = read_grad(x);
  const auto unharmed = script_.read(x);
  run();
  EXPECT_EQ(error(leaf_modified), "leaf_modified");
  EXPECT_EQ(error(view_modified), "leaf_modified");
  EXPECT_EQ(error(saved_modified), "saved_modified");
  EXPECT_EQ(status(no_gradient), GP_UNDEFINED_VALUE);
  EXPECT_EQ(values(unharmed), (std::vector<double>{1, 2, 3}));
}

TEST_P(LibTorchMisuse, OperandsThatDoNotFit) {
  const ValueId x = leaf({3}, {1, 2, 3});
  const ValueId square = tensor({2, 2}, {1, 1, 1, 1});
  const auto failing = [&](const char* name, const char* overload, const std::vector<gp_arg>& args) {
    call(name, overload, args);
    return last_step();
  };
  const auto shapes = failing("add", "Tensor", {script_.arg(x), script_.arg(tensor({4}, {1, 2, 3, 4}))});
  const auto index = failing("sum", "dim_IntList", {script_.arg(x), script_.arg_int(5)});
  const auto domain = failing("inverse", "", {script_.arg(square)});
  const auto dtypes = failing("mm", "", {script_.arg(square), script_.arg(tensor({2, 2}, {1, 1, 1, 1}, GP_F32))});
  const auto no_bounds = failing("clamp", "", {script_.arg(x), script_.arg_none(), script_.arg_none()});
  const auto unsupported = failing("bitwise_and", "Tensor", {script_.arg(x), script_.arg(x)});
  script_.dual(x, tensor({4}, {1, 2, 3, 4}));
  const auto tangent = last_step();
  const ValueId one = tensor({1}, {1});
  const auto huge = script_.read(call("expand", "", {script_.arg(one), script_.arg_int(Index{1} << 40)}));
  run();
  EXPECT_EQ(error(shapes), "shape");
  EXPECT_EQ(error(index), "index");
  EXPECT_EQ(error(domain), "domain");
  EXPECT_EQ(error(dtypes), "dtype");
  EXPECT_EQ(error(no_bounds), "argument");
  EXPECT_EQ(error(unsupported), "unsupported");
  EXPECT_EQ(error(tangent), "shape");
  EXPECT_EQ(error(huge), "out_of_memory");
}

TEST_P(LibTorchMisuse, CallsThatMatchNoSchema) {
  const ValueId x = leaf({3}, {1, 2, 3});
  const ValueId nothing = unary("no_such_operator", x);
  const auto unknown = last_step();
  const auto skipped = script_.read(sum(nothing));
  call("add", "Tensor", {script_.arg(x)});
  const auto missing = last_step();
  call("sum", "dim_IntList", {script_.arg(x), script_.arg_string("all")});
  const auto mistyped = last_step();
  call("sin", "", {script_.arg(x), script_.arg_int(1)});
  const auto too_many = last_step();
  call("sin", "", {script_.arg(x)}, 2);
  const auto results = last_step();
  run();
  EXPECT_EQ(error(unknown), "unknown_operator");
  EXPECT_NE(error_text(unknown).find("no_such_operator"), std::string::npos);
  EXPECT_EQ(status(skipped), GP_SKIPPED);
  EXPECT_EQ(error(missing), "argument");
  EXPECT_NE(error_text(missing).find("'other'"), std::string::npos);
  EXPECT_EQ(error(mistyped), "argument");
  EXPECT_NE(error_text(mistyped).find("'dim' must be a list of integers"), std::string::npos);
  EXPECT_EQ(error(too_many), "unsupported");  // another version's schema may have more arguments
  EXPECT_EQ(error(results), "argument");
}

TEST_P(LibTorchMisuse, RecordingIsSwitchedForOneRunOnly) {
  const ValueId x = leaf({}, {2});
  const ValueId y = scaled(x, 3);
  script_.no_grad(true);
  const auto failing = backward({scaled(x, 3)});
  const ValueId detached = script_.detach(x);
  script_.require_grad(detached, true);
  run();
  EXPECT_EQ(error(failing), "no_grad_required");
  // run() ran the program twice: the first product was recorded in the second run too.
  script_.no_grad(false);
  backward({y});
  const auto grad = read_grad(x);
  run();
  EXPECT_EQ(values(grad), std::vector<double>{3});
}

}  // namespace
}  // namespace gradproof
