#include "campaign/shrink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "campaign/script_edit.h"
#include "campaign/shrink_failure.h"
#include "engine/reference.h"
#include "oracle/twin.h"
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
      shrink(script, schemas, {[](const Script& candidate) { return calls(candidate, "tanh") && sweeps(candidate); }});
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
    for (const std::size_t at : elements_of_view(candidate, tensor)) {
      if (candidate.element(tensor, at) > 9.5) return true;
    }
    return false;
  };
  ASSERT_TRUE(fails(script));
  const Script small = shrink(script, schemas, {fails});
  EXPECT_TRUE(fails(small));
  const gp_tensor& tensor = small.tensors[small.steps[0].op];
  for (const std::size_t at : elements_of_view(small, tensor)) {
    const double value = small.element(tensor, at);
    EXPECT_EQ(value, std::round(value)) << print(small, &schemas);
  }
}

TEST(Shrink, WhatThrowsIsNotTakenAndTheLimitHolds) {
  const Schemas schemas = test_schemas();
  const Script script = parsed("a = leaf f32[2] [3 4]\ny = tanh(exp(a))\nread y\n");
  std::size_t asked = 0;
  const Script same = shrink(script, schemas, {[&](const Script&) -> bool {
                               ++asked;
                               throw std::runtime_error("cannot run");
                             }},
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
  shrink(script, schemas, {[&](const Script& candidate) {
           ++seen;
           EXPECT_EQ(fault_in(candidate.view()), std::nullopt);
           EXPECT_LT(size_of(candidate), size_of(script));
           return seen % 3 == 0;
         }});
  EXPECT_GT(seen, 10U);
}

// Forty steps, one of which is at fault: what it needs is a number that only the steps before it make.
Script long_program() {
  std::string text =
      "a = leaf f64[2,3] [0.7 1.9 -2.3 4.1 0.3 0.9]\nb = leaf f64[2,3] [1.5 2.5 3.5 -0.5 0.25 7]\nt0 = mul(a, b)\n";
  for (int i = 1; i <= 34; ++i) {
    const std::string before = "t" + std::to_string(i - 1);
    const std::string now = "t" + std::to_string(i) + " = ";
    if (i == 20) {
      text += now + "tanh(" + before + ")\n";
    } else {
      text += now +
              (i % 3 == 0   ? "sin(" + before + ")"
               : i % 3 == 1 ? "add(" + before + ", b)"
                            : "mul(" + before + ", a)") +
              "\n";
    }
  }
  return parsed(text + "s = sum(t34, [0, 1])\nbackward s\nread a.grad\n");
}

// What each call makes.
StepValues values_of(const Script& script) { return values_of_calls(script, Registry::standard(), reference_info()); }

// As if tanh were wrong of numbers from 0.5 to 3: its argument must be made.
bool tanh_is_at_fault(const Script& script) {
  const StepValues values = values_of(script);
  for (std::uint32_t i = 0; i < script.steps.size(); ++i) {
    const gp_step& step = script.steps[i];
    if (step.kind != GP_CALL || script.op_name(script.ops[step.op]) != "tanh" || !values[i]) continue;
    std::vector<double> made(values[i]->bytes.size() / sizeof(double));
    std::memcpy(made.data(), values[i]->bytes.data(), values[i]->bytes.size());
    const bool beyond = std::any_of(made.begin(), made.end(), [](double y) { return y > 0.46 && y < 0.996; });
    if (beyond) return sweeps(script);
  }
  return false;
}

TEST(Shrink, FortyStepsComeDownToTheOneAtFault) {
  const Schemas& schemas = Registry::standard().schemas();
  const Script script = long_program();
  ASSERT_GE(script.steps.size(), 40U);
  ASSERT_TRUE(tanh_is_at_fault(script));
  const Script small = shrink(script, schemas, {tanh_is_at_fault, values_of}, {1500, std::chrono::minutes(5)});
  EXPECT_TRUE(tanh_is_at_fault(small));
  const ScriptSize size = size_of(small);
  EXPECT_LE(size.steps, 3U) << print(small, &schemas);
  EXPECT_EQ(size.elements, 1U) << print(small, &schemas);
}

TEST(Shrink, AnyEntryMayBeTheOneAtFault) {
  const Schemas schemas = test_schemas();
  const Script script = parsed("a = leaf f64[2,3] [1 2 3 4 5 17]\ny = tanh(a)\nread y\n");
  const auto fails = [](const Script& candidate) {
    if (!calls(candidate, "tanh")) return false;
    const gp_tensor& tensor = candidate.tensors[candidate.steps[0].op];
    const auto at = elements_of_view(candidate, tensor);
    return std::any_of(at.begin(), at.end(), [&](std::size_t i) { return candidate.element(tensor, i) > 10; });
  };
  const Script small = shrink(script, schemas, {fails});
  EXPECT_EQ(print(small, &schemas), "a = tensor f64[] 16\ny = tanh(a)\n");
}

TEST(Shrink, ListsStridesAndIntegersOfCallsBecomePlain) {
  const Schemas schemas = test_schemas();
  const Script script = parsed(
      "a = leaf f64[4,6] strides [1,4] buffer [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24]\n"
      "t = sum(a, [0, 1], keepdim=true)\nbackward t\n");
  // As if sums over strided tensors were wrong.
  const Script small = shrink(script, schemas, {[](const Script& candidate) {
                                const gp_tensor& tensor = candidate.tensors[candidate.steps[0].op];
                                return calls(candidate, "sum") && tensor.strides != GP_CONTIGUOUS && tensor.ndim == 2;
                              }});
  const Script want = parsed("a = tensor f64[1,1] strides [1,4] 0\nt = sum(a, [])\n");
  EXPECT_EQ(print(small, &schemas), print(want, &schemas));
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

TEST(ScriptEdit, ALeafTakesThePlaceOfWhatMadeItAndOfTheLeafItCameOf) {
  const Script script =
      parsed("a = leaf f64[] 1\nb = leaf f64[] 2\nt = add(a, b)\nu = exp(t)\ny = tanh(u)\nbackward y\nread a.grad\n");
  TensorValue value{GP_F64, {}, std::vector<std::uint8_t>(8)};
  const double three = 3;
  std::memcpy(value.bytes.data(), &three, sizeof three);
  const auto leaf = with_leaf(script, 2, value, 0);
  ASSERT_TRUE(leaf);
  EXPECT_EQ(*leaf, parsed("t = leaf f64[] 3\nu = exp(t)\ny = tanh(u)\nbackward y\nread t.grad\n"));
}

TEST(ScriptEdit, SeedsFitWhatTheyAreSeedsOf) {
  const Script script =
      parsed("a = leaf f64[1,2] 1 2\ny = exp(a)\ns = tensor f64[2,3] 1 2 3 4 5 6\nbackward y seed s\n");
  StepValues values(script.steps.size());
  values[1] = TensorValue{GP_F64, {1, 2}, std::vector<std::uint8_t>(16)};
  const auto fitted = with_seeds_fitted(script, values);
  ASSERT_TRUE(fitted);
  EXPECT_EQ(*fitted, parsed("a = leaf f64[1,2] 1 2\ny = exp(a)\ns = tensor f64[1,2] 1 2\nbackward y seed s\n"));
  EXPECT_FALSE(with_seeds_fitted(*fitted, values));
}

TEST(ScriptEdit, AnEntryOfAListGoesWithItsSeed) {
  const Script script =
      parsed("a = leaf f64[] 1\ny = exp(a)\nz = tanh(a)\ns = tensor f64[] 5\nbackward [y, z] seed [none, s]\n");
  const auto without = without_entry(script, 4, 0, 0);
  ASSERT_TRUE(without);
  EXPECT_EQ(*without, parsed("a = leaf f64[] 1\ny = exp(a)\nz = tanh(a)\ns = tensor f64[] 5\nbackward z seed s\n"));
  EXPECT_FALSE(without_entry(*without, 4, 0, 0)) << "a sweep needs a root";
}

TEST(ScriptEdit, SizesAreCutInAllTensorsAndKeepTheFirstEntries) {
  const Script script = parsed("a = leaf f32[2,3] [1 2 3 4 5 6]\nb = leaf f32[3] [7 8 9]\ny = mul(a, b)\nread y\n");
  const auto cut = with_size(script, {3, 1});
  ASSERT_TRUE(cut);
  EXPECT_EQ(*cut, parsed("a = leaf f32[2,1] [1 4]\nb = leaf f32[1] [7]\ny = mul(a, b)\nread y\n"));
}

}  // namespace
}  // namespace gradproof
