#include "campaign/shrink.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "campaign/script_edit.h"
#include "script/parse.h"
#include "script/print.h"

namespace gradproof {
namespace {

Schemas test_schemas() {
  Schemas schemas;
  for (const char* line :
       {"add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", "exp(Tensor self) -> Tensor",
        "sin(Tensor self) -> Tensor", "tanh(Tensor self) -> Tensor", "mul.Tensor(Tensor self, Tensor other) -> Tensor",
        "sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False) -> Tensor"}) {
    schemas.add(parse_schema(line));
  }
  return schemas;
}

bool calls(const Script& script, std::string_view name) {
  for (const gp_step& step : script.steps) {
    if (step.kind == GP_CALL && script.op_name(script.ops[step.op]) == name) return true;
  }
  return false;
}

bool sweeps(const Script& script) {
  for (const gp_step& step : script.steps) {
    if (step.kind == GP_BACKWARD) return true;
  }
  return false;
}

Script parsed(const std::string& text) {
  const Schemas schemas = test_schemas();
  return parse(text, schemas);
}

TEST(Shrink, APlantedFailureComesDownToItsCause) {
  const Schemas schemas = test_schemas();
  const Script script = parsed(R"(
a = leaf f32[2,3] [0.7 1.9 -2.3 4.1 0.3 0.9]
b = leaf f32[3] [0.25 0.5 0.75]
t = add(exp(a), b, alpha=2.5)
u = tanh(sin(t))
w = mul(exp(u), a)
s = leaf f32[2,3] [1.5 2.5 3.5 4.5 5.5 6.5]
backward w seed s retain_graph
read a.grad
read w
)");
  // As if tanh's gradient were wrong.
  const Script small =
      shrink(script, schemas, [](const Script& candidate) { return calls(candidate, "tanh") && sweeps(candidate); });
  const ScriptSize size = size_of(small);
  EXPECT_LE(size.steps, 3U) << print(small, &schemas);
  EXPECT_LE(size.elements, 4U) << print(small, &schemas);
  EXPECT_EQ(fault_in(small.view()), std::nullopt);
  EXPECT_EQ(parse(print(small, &schemas), schemas), small);
}

// The value decides: what is left must be simple, but still beyond the threshold.
TEST(Shrink, ValuesStayWhatTheyMustAndBecomeSimple) {
  const Schemas schemas = test_schemas();
  const Script script = parsed("a = leaf f64[4] [0.7 17.316 -2.3 4.1]\ny = tanh(a)\nread y\n");
  const auto fails = [](const Script& candidate) {
    if (!calls(candidate, "tanh")) return false;
    const gp_tensor& tensor = candidate.tensors[candidate.steps[0].op];
    for (const std::size_t at : positions_of(candidate, tensor)) {
      if (candidate.element(tensor, at) > 9.5) return true;
    }
    return false;
  };
  ASSERT_TRUE(fails(script));
  const Script small = shrink(script, schemas, fails);
  EXPECT_TRUE(fails(small));
  const gp_tensor& tensor = small.tensors[small.steps[0].op];
  for (const std::size_t at : positions_of(small, tensor)) {
    const double value = small.element(tensor, at);
    EXPECT_EQ(value, std::round(value)) << print(small, &schemas);
  }
}

TEST(Shrink, WhatThrowsIsNotTakenAndTheLimitHolds) {
  const Schemas schemas = test_schemas();
  const Script script = parsed("a = leaf f32[2] [3 4]\ny = tanh(exp(a))\nread y\n");
  std::size_t asked = 0;
  const Script same = shrink(script, schemas,
                             [&](const Script&) -> bool {
                               ++asked;
                               throw std::runtime_error("cannot run");
                             },
                             {7, std::chrono::milliseconds(5000)});
  EXPECT_EQ(same, script);
  EXPECT_EQ(asked, 7U);
}

TEST(Shrink, EveryCandidateIsInOrder) {
  const Schemas schemas = test_schemas();
  const Script script = parsed(R"(
a = leaf f32[2,3] [0.7 1.9 -2.3 4.1 0.3 0.9]
g = leaf f32[2,1] [1 2]
t = sum(mul(a, exp(a)), [1], keepdim=true)
backward t seed g
read a.grad
)");
  std::size_t seen = 0;
  shrink(script, schemas, [&](const Script& candidate) {
    ++seen;
    EXPECT_EQ(fault_in(candidate.view()), std::nullopt);
    EXPECT_LT(size_of(candidate), size_of(script));
    return seen % 3 == 0;
  });
  EXPECT_GT(seen, 10U);
}

TEST(ScriptEdit, ADroppedStepTakesWhatNeedsItAlong) {
  const Script script = parsed("a = leaf f32[] 1\nb = leaf f32[] 2\ny = exp(a)\nz = mul(y, b)\nread b\nread z\n");
  const auto without = without_step(script, 2);
  ASSERT_TRUE(without);
  EXPECT_EQ(*without, parsed("a = leaf f32[] 1\nb = leaf f32[] 2\nread b\n"));
}

TEST(ScriptEdit, ABypassedCallHandsItsArgumentOn) {
  const Script script = parsed("a = leaf f32[] 1\ny = exp(a)\nz = tanh(y)\nread z\n");
  const auto bypass = bypassed(script, 1, 0);
  ASSERT_TRUE(bypass);
  EXPECT_EQ(*bypass, parsed("a = leaf f32[] 1\nz = tanh(a)\nread z\n"));
}

TEST(ScriptEdit, SizesAreCutInAllTensorsAndKeepTheFirstEntries) {
  const Script script = parsed("a = leaf f32[2,3] [1 2 3 4 5 6]\nb = leaf f32[3] [7 8 9]\ny = mul(a, b)\nread y\n");
  const auto cut = with_size(script, 3, 1);
  ASSERT_TRUE(cut);
  EXPECT_EQ(*cut, parsed("a = leaf f32[2,1] [1 4]\nb = leaf f32[1] [7]\ny = mul(a, b)\nread y\n"));
}

}  // namespace
}  // namespace gradproof
