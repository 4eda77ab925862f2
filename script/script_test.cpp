#include "script/script.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "script/half.h"

namespace gradproof {
namespace {

TEST(Half, EveryValueRoundTrips) {
  for (std::uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const double f16 = from_f16(bits);
    const double bf16 = from_bf16(bits);
    if (std::isnan(f16)) {
      EXPECT_TRUE(std::isnan(from_f16(to_f16(f16))));
    } else {
      EXPECT_EQ(to_f16(f16), bits);
    }
    if (std::isnan(bf16)) {
      EXPECT_TRUE(std::isnan(from_bf16(to_bf16(bf16))));
    } else {
      EXPECT_EQ(to_bf16(bf16), bits);
      EXPECT_EQ(bf16, static_cast<double>(std::bit_cast<float>(i << 16)));
    }
  }
}

// Between neighbours: below the middle down, above it up, at it to the even one.
template <class Narrow, class Widen>
void check_rounding(Narrow narrow, Widen widen, std::uint16_t infinity) {
  for (std::uint16_t bits = 0; bits + 1 < infinity; ++bits) {
    const double low = widen(bits);
    const double high = widen(static_cast<std::uint16_t>(bits + 1));
    const double middle = low + (high - low) / 2;
    const auto even = static_cast<std::uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    ASSERT_EQ(narrow(middle), even) << bits;
    ASSERT_EQ(narrow(std::nextafter(middle, low)), bits);
    ASSERT_EQ(narrow(std::nextafter(middle, high)), bits + 1);
    ASSERT_EQ(narrow(-middle), even | 0x8000);
  }
  // Half a unit beyond the largest rounds to infinity, anything less does not.
  const double largest = widen(static_cast<std::uint16_t>(infinity - 1));
  const double unit = largest - widen(static_cast<std::uint16_t>(infinity - 2));
  EXPECT_EQ(narrow(largest + unit / 2), infinity);
  EXPECT_EQ(narrow(std::nextafter(largest + unit / 2, 0)), infinity - 1);
  EXPECT_EQ(narrow(std::numeric_limits<double>::max()), infinity);
  EXPECT_EQ(narrow(std::numeric_limits<double>::denorm_min()), 0);
  EXPECT_EQ(narrow(-std::numeric_limits<double>::min()), 0x8000);
}

TEST(Half, RoundsToNearestEven) {
  check_rounding(to_f16, from_f16, 0x7c00);
  check_rounding(to_bf16, from_bf16, 0x7f80);
}

TEST(Script, NamesOfDtypesAndErrorsGoBothWays) {
  for (int i = GP_F16; i <= GP_BOOL; ++i)
    EXPECT_EQ(dtype_named(name_of(static_cast<gp_dtype>(i))), static_cast<gp_dtype>(i));
  for (int i = GP_OK; i <= GP_OTHER; ++i)
    EXPECT_EQ(error_kind_named(name_of(static_cast<gp_error_kind>(i))), static_cast<gp_error_kind>(i));
  EXPECT_STREQ(name_of(GP_NO_SEED_FOR_NON_SCALAR), "no_seed_for_non_scalar");
  EXPECT_STREQ(name_of(GP_OUT_OF_MEMORY), "out_of_memory");
  EXPECT_STREQ(name_of(GP_SAVED_MODIFIED), "saved_modified");
  EXPECT_FALSE(dtype_named("f8"));
}

TEST(Script, BuildsASoundProgram) {
  Script s;
  const ValueId a = s.tensor({.dtype = GP_F32, .shape = {2}, .requires_grad = true}, "a");
  s.elements<float>(s.tensor_of(a))[1] = 2.5F;
  const std::array<gp_arg, 2> args{s.arg(a), s.arg_int(3)};
  const ValueId y = s.call(s.op("mul", "Scalar"), args, 1, "y");
  EXPECT_EQ(s.op("mul", "Scalar"), 0u);
  EXPECT_EQ(s.op("mul", "Tensor"), 1u);
  s.backward(std::array{y}, {});
  const ValueId g = s.grad_of(a);
  const std::uint32_t step = s.read(g);
  EXPECT_EQ(step, 4u);
  EXPECT_EQ(s.value_count, 3u);
  EXPECT_EQ(s.step_of(a), 0u);
  EXPECT_EQ(s.step_of(y), 1u);
  EXPECT_EQ(s.step_of(g), 3u);
  EXPECT_EQ(s.name(y), "y");
  EXPECT_EQ(s.name(g), "%2");
  EXPECT_EQ(s.element(s.tensor_of(a), 1), 2.5);
  EXPECT_EQ(s.ids.back(), GP_NO_VALUE);
  EXPECT_EQ(fault_in(s.view()), std::nullopt);
  const Script copy = s;
  EXPECT_TRUE(copy == s);
  s.elements<float>(s.tensor_of(a))[1] = 2.25F;
  EXPECT_FALSE(copy == s);
  s.clear();
  EXPECT_EQ(s.view().step_count, 0u);
}

TEST(Script, RefusesWhatNoProgramCanHold) {
  Script s;
  EXPECT_THROW(s.tensor({.shape = std::vector<Index>(9, 1)}), std::invalid_argument);
  EXPECT_THROW(s.tensor({.shape = {-1}}), std::invalid_argument);
  EXPECT_THROW(s.tensor({.shape = {Index{1} << 40, Index{1} << 40}}), std::invalid_argument);
  EXPECT_THROW(s.tensor({.shape = {2}, .strides = {1, 1}}), std::invalid_argument);
  EXPECT_THROW(s.tensor({.shape = {2}, .strides = {3}, .buffer_elements = 3}), std::invalid_argument);
  const ValueId a = s.tensor({.shape = {2}});
  EXPECT_THROW(s.backward(std::array{a}, std::array{a, a}), std::invalid_argument);
  EXPECT_THROW(s.step_of(1), std::out_of_range);
  s.detach(a);
  EXPECT_THROW(s.tensor_of(1), std::invalid_argument);
}

TEST(Script, EqualityTellsBitsApartButNoNaNs) {
  const auto with = [](double x, const char* name = "x") {
    Script s;
    const ValueId id = s.tensor({.dtype = GP_F64, .shape = {1}}, name);
    s.set_element(s.tensor_of(id), 0, x);
    return s;
  };
  EXPECT_TRUE(with(std::nan("1")) == with(-std::nan("2")));
  EXPECT_FALSE(with(0.0) == with(-0.0));
  EXPECT_FALSE(with(1) == with(1, "y"));
  Script a = with(1);
  Script b = with(1);
  a.expectations.push_back({.kind = Expectation::Kind::error, .error = GP_SHAPE});
  EXPECT_FALSE(a == b);
  b.expectations.push_back({.kind = Expectation::Kind::error, .error = GP_DTYPE});
  EXPECT_FALSE(a == b);
}

TEST(Fault, NamesTheFirstFault) {
  const auto fault = [](auto damage) {
    Script s;
    const ValueId a = s.tensor({.dtype = GP_F32, .shape = {2, 3}, .requires_grad = true}, "a");
    const std::array<gp_arg, 2> args{s.arg(a), s.arg_values(std::array{a})};
    s.call(s.op("cat", ""), args);
    s.backward(std::array<ValueId, 1>{1}, {});
    s.read(0);
    damage(s);
    return fault_in(s.view()).value_or("none");
  };
  EXPECT_EQ(fault([](Script&) {}), "none");
  EXPECT_EQ(fault([](Script& s) { s.value_count = 9; }), "value_count is 9, but the steps make 2");
  EXPECT_EQ(fault([](Script& s) { s.steps[3].kind = 99; }), "step 3: unknown kind 99");
  EXPECT_EQ(fault([](Script& s) { s.args[0].u.index = 1; }), "step 1: value 1 is used before it is made");
  EXPECT_EQ(fault([](Script& s) { s.ids[0] = 7; }), "step 1: value 7 is used before it is made");
  EXPECT_EQ(fault([](Script& s) { s.ints[0] = -2; }),
            "tensor 0: shape, strides or offset are negative or beyond 16777216 elements");
  EXPECT_EQ(fault([](Script& s) { s.ints[0] = 3; }), "tensor 0: the view reaches beyond its buffer");
  EXPECT_EQ(fault([](Script& s) { s.tensors[0].data = ~std::uint64_t{7}; }),
            "tensor 0: the contents lie outside the data");
  EXPECT_EQ(fault([](Script& s) { s.tensors[0].data = 2; }), "tensor 0: the contents are not aligned");
  EXPECT_EQ(fault([](Script& s) { s.tensors[0].dtype = GP_I64; }), "tensor 0: i64 has no gradient");
  EXPECT_EQ(fault([](Script& s) { s.steps[1].first_result = 0; }), "step 1: its first result is 0, not 1");
  EXPECT_EQ(fault([](Script& s) { s.steps[1].arg_count = 4000000000; }), "step 1: arguments outside the arguments");
  EXPECT_EQ(fault([](Script& s) { s.text.back() = 'x'; }), "operator 0's overload has no end within 256 bytes");
  EXPECT_EQ(fault([](Script& s) { s.steps[2].flags = GP_ALLOW_UNUSED; }), "step 2: has flags it cannot have");
  EXPECT_EQ(fault([](Script& s) { s.args[2].count = 0; }), "step 2: has no root");
}

TEST(Fault, HandlesAndLanesHaveAScope) {
  const auto fault = [](auto add) {
    Script s;
    const ValueId a = s.tensor({.dtype = GP_F32, .shape = {2}, .requires_grad = true}, "a");
    add(s, a);
    return fault_in(s.view()).value_or("none");
  };
  const auto lanes = [](Script& s, gp_parallel last) {
    s.parallel(GP_PARALLEL_BEGIN);
    const ValueId b = s.detach(0);
    s.parallel(last);
    s.detach(b);
  };
  EXPECT_EQ(fault([](Script& s, ValueId a) { s.drop(std::array{a}); }), "none");
  EXPECT_EQ(fault([](Script& s, ValueId a) {
              s.drop(std::array{a});
              s.read(a);
            }),
            "step 2: value 0 is used after it was dropped");
  EXPECT_EQ(fault([](Script& s, ValueId) { s.drop({}); }), "step 1: has no value");
  EXPECT_EQ(fault([&](Script& s, ValueId) { lanes(s, GP_PARALLEL_END); }), "none");
  EXPECT_EQ(fault([&](Script& s, ValueId) { lanes(s, GP_PARALLEL_NEXT); }), "step 4: value 1 is made in a sister lane");
  EXPECT_EQ(fault([](Script& s, ValueId a) {
              s.parallel(GP_PARALLEL_BEGIN);
              s.read(a);
            }),
            "step 2: a reading within a lane");
  EXPECT_EQ(fault([](Script& s, ValueId) { s.parallel(GP_PARALLEL_BEGIN); }), "a parallel block has no end");
  EXPECT_EQ(fault([](Script& s, ValueId) { s.parallel(GP_PARALLEL_NEXT); }), "step 1: no parallel block is open");
  EXPECT_EQ(fault([](Script& s, ValueId) { s.stream(32); }), "step 1: a stream has a number from 0 to 31");
  EXPECT_EQ(fault([](Script& s, ValueId a) {
              s.hook(a, 2);
              s.args.back().kind = GP_ARG_INT;
            }),
            "step 1: argument 1 must be a number");
}

// A short program that would make an engine, or the check itself, work for hours.
TEST(Fault, RefusesAmplification) {
  Script s;
  s.tensor({.dtype = GP_F32, .shape = {1024, 1024}, .memory = GP_EMPTY});
  for (int i = 0; i < 20; ++i) {
    s.steps.push_back(s.steps[0]);
    s.steps.back().first_result = s.value_count++;
  }
  EXPECT_EQ(fault_in(s.view()), "step 16: more than 16777216 elements in all");
  Script list;
  list.tensor({.dtype = GP_F32});
  const std::vector<ValueId> many(1000000, 0);
  const std::array<gp_arg, 1> args{list.arg_values(many)};
  list.call(list.op("cat", ""), args);
  for (int i = 0; i < 1000; ++i) {
    list.steps.push_back(list.steps[1]);
    list.steps.back().first_result = list.value_count++;
  }
  EXPECT_EQ(fault_in(list.view()), "step 17: more than 16777216 arguments and list entries in all");
}

}  // namespace
}  // namespace gradproof
