#include "oracle/directional.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "engine/reference.h"
#include "engine/registry.h"
#include "oracle/directional_claim.h"
#include "oracle/twin.h"
#include "script/parse.h"

namespace gradproof {
namespace {

Script parsed(const std::string& text) { return parse(text, Registry::standard().schemas(), "t"); }

Engine& reference() {
  static const std::unique_ptr<Engine> engine = make_reference(Registry::standard());
  return *engine;
}

Observations observed(Engine& engine, const Script& script) {
  Observations seen;
  engine.prepare(script.view())->run(script.data.data(), seen);
  return seen;
}

std::string in_dtype(std::string text, const std::string& dtype) {
  for (std::size_t at = 0; (at = text.find("DT", at)) != std::string::npos;) text.replace(at, 2, dtype);
  return text;
}

// The reference's observations with the element of a read step changed.
void change(Observations& seen, std::uint32_t step, std::uint64_t element, const std::function<double(double)>& how) {
  const gp_observation* item = seen.at(step);
  ASSERT_NE(item, nullptr);
  ASSERT_LT(element, item->elements);
  const double value = how(seen.element(*item, element));
  std::uint8_t* to = seen.data.data() + item->data + element * size_of(static_cast<gp_dtype>(item->dtype));
  if (item->dtype == GP_F32) {
    const auto narrow = static_cast<float>(value);
    std::memcpy(to, &narrow, sizeof narrow);
  } else {
    std::memcpy(to, &value, sizeof value);
  }
}

const char* const scripts[] = {
    "x = leaf DT[4] 0.3 -1.25 2 0.7\ny = exp(x)\nu = tensor DT[4] 1 0.5 -2 0.1\nbackward y seed u\nread y\nread "
    "x.grad\n",
    "x = leaf DT[2, 3] 1 2 3 4 5 6\nx2 = leaf DT[3] 0.5 -1 2\ny = mul(x, x2)\nu = tensor DT[2, 3] 1 -1 2 0.3 0.2 1\n"
    "backward y seed u\nread x.grad\nread x2.grad\n",
    "x = leaf DT[] 0.1\nx2 = leaf DT[] 1\nx3 = leaf DT[] 0.1\n"
    "y = add(add(mul(x, 3), mul(mul(x2, x2), 2)), log(x3))\nbackward y\nread x.grad\nread x2.grad\nread x3.grad\n",
    "x = leaf DT[12] 1 2 3 -4 5 -6 7 8 9 -1 0.5 0.25\ny = sum(tanh(mul(x, 0.3)))\nbackward y\nread x.grad\n",
    "x = leaf DT[3] 1 2 3\nx2 = leaf DT[3] 3 1 2\ny = div(x, x2)\nu = tensor DT[3] 1 1 1\nbackward y seed u\n"
    "read x.grad\nread x2.grad\n",
};

const char* const forward_script =
    "x = leaf DT[4] 0.3 -1.25 2 0.7\nv = tensor DT[4] 1 0.25 -3 0\nd = dual x v\ny = sin(d)\nJv = jvp y\nread Jv\n";

std::vector<std::uint32_t> readings(const Script& script) {
  std::vector<std::uint32_t> steps;
  for (const Claim::Reading& reading : claim_of(script).readings) steps.push_back(reading.step);
  return steps;
}

void accepts_and_refuses(const std::string& text) {
  const Script script = parsed(text);
  const Observations seen = observed(reference(), script);
  const Verdict right = judge_by_differences(reference(), script, seen);
  EXPECT_EQ(right.outcome, Outcome::pass) << text << right.reason << right.evidence.what << right.evidence.expected;
  EXPECT_EQ(right.planted, right.planted_caught);
  EXPECT_GT(right.planted, 0U);
  for (const std::uint32_t step : readings(script)) {
    const std::function<double(double)> faults[] = {[](double g) { return g * 1.01; }, [](double g) { return -g; },
                                                    [](double g) { return 2 * g; }, [](double) { return 0; },
                                                    [](double) { return std::nan(""); }};
    for (const auto& fault : faults) {
      for (std::uint64_t element = 0; element < seen.at(step)->elements; element += 3) {
        if (seen.element(*seen.at(step), element) == 0) continue;
        Observations wrong = seen;
        change(wrong, step, element, fault);
        const Verdict verdict = judge_by_differences(reference(), script, wrong);
        EXPECT_EQ(verdict.outcome, Outcome::fail) << text << "step " << step << " element " << element;
        EXPECT_EQ(verdict.severity, Severity::wrong);
        EXPECT_FALSE(verdict.evidence.what.empty());
      }
    }
  }
}

TEST(Directional, GradientsAreAcceptedAndWrongOnesRefused) {
  for (const char* script : scripts) {
    accepts_and_refuses(in_dtype(script, "f32"));
    accepts_and_refuses(in_dtype(script, "f64"));
  }
}

TEST(Directional, TangentsAreAcceptedAndWrongOnesRefused) {
  accepts_and_refuses(in_dtype(forward_script, "f32"));
  accepts_and_refuses(in_dtype(forward_script, "f64"));
}

// An engine without f64 is judged by its own values, more coarsely.
TEST(Directional, AnEngineThatKnowsOnlyF32) {
  EngineInfo info = reference_info();
  info.dtypes = {GP_F32};
  const std::unique_ptr<Engine> engine = make_reference(Registry::standard(), info);
  const Script script = parsed(in_dtype(scripts[0], "f32"));
  Observations seen = observed(*engine, script);
  EXPECT_EQ(judge_by_differences(*engine, script, seen).outcome, Outcome::pass);
  change(seen, readings(script)[0], 1, [](double g) { return 1.01 * g; });
  EXPECT_EQ(judge_by_differences(*engine, script, seen).outcome, Outcome::fail);
}

TEST(Directional, AKinkAcceptsWhatLiesBetween) {
  const Script script = parsed("x = leaf f64[1] 0\ny = relu(x)\nu = tensor f64[1] 2\nbackward y seed u\nread x.grad\n");
  for (const auto& [slope, outcome] : {std::pair{0.0, Outcome::pass},
                                       {1.0, Outcome::pass},
                                       {2.0, Outcome::pass},
                                       {2.5, Outcome::fail},
                                       {-0.5, Outcome::fail}}) {
    Observations seen = observed(reference(), script);
    change(seen, readings(script)[0], 0, [slope = slope](double) { return slope; });
    EXPECT_EQ(judge_by_differences(reference(), script, seen).outcome, outcome) << slope;
  }
}

// Each slope of a tie alone may be anything in [0, 1]; both together must add up to 1.
TEST(Directional, TiedSlopesMustAddUp) {
  const Script script = parsed(
      "x = leaf f64[1] 1.5\nx2 = leaf f64[1] 1.5\ny = maximum(x, x2)\nu = tensor f64[1] 1\nbackward y seed u\n"
      "read x.grad\nread x2.grad\n");
  const std::vector<std::uint32_t> steps = readings(script);
  for (const auto& [a, b, outcome] : {std::tuple{0.5, 0.5, Outcome::pass},
                                      {1.0, 0.0, Outcome::pass},
                                      {0.0, 0.0, Outcome::fail},
                                      {1.0, 1.0, Outcome::fail}}) {
    Observations seen = observed(reference(), script);
    change(seen, steps[0], 0, [a = a](double) { return a; });
    change(seen, steps[1], 0, [b = b](double) { return b; });
    EXPECT_EQ(judge_by_differences(reference(), script, seen).outcome, outcome) << a << " " << b;
  }
}

TEST(Directional, AJumpIsInconclusive) {
  const Script script = parsed("x = leaf f64[1] 0\ny = sign(x)\nu = tensor f64[1] 1\nbackward y seed u\nread x.grad\n");
  const Verdict verdict = judge_by_differences(reference(), script, observed(reference(), script));
  EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict.reason, "the values jump");
}

// 0 · ∞ is NaN, and no slope says otherwise.
TEST(Directional, AZeroSeedAtASingularityIsNoFailure) {
  const Script script =
      parsed("x = leaf f64[2] 0 4\ny = sqrt(x)\nu = tensor f64[2] 0 1\nbackward y seed u\nread x.grad\n");
  Observations seen = observed(reference(), script);
  change(seen, readings(script)[0], 0, [](double) { return std::nan(""); });
  EXPECT_NE(judge_by_differences(reference(), script, seen).outcome, Outcome::fail);
  change(seen, readings(script)[0], 1, [](double) { return std::nan(""); });
  EXPECT_EQ(judge_by_differences(reference(), script, seen).outcome, Outcome::fail);
}

TEST(Directional, WhatDifferencesCannotJudgeIsUnsupported) {
  for (const char* text : {"x = leaf f64[1] 1\ny = exp(x)\nread y\n",
                           "x = leaf f64[1] 1\ny = exp(x)\nbackward y retain_graph\nbackward y\nread x.grad\n",
                           "x = leaf f64[1] 1\nd = detach x\ny = mul(x, d)\nbackward y\nread x.grad\n"}) {
    const Script script = parsed(text);
    const Verdict verdict = judge_by_differences(reference(), script, observed(reference(), script));
    EXPECT_EQ(verdict.outcome, Outcome::unsupported) << text;
    EXPECT_NE(verdict.reason, "") << text;
  }
}

TEST(Directional, AuditLeavesSoundVerdictsAlone) {
  Judge judge(Registry::standard(), reference().info());
  for (const char* text : scripts) {
    for (const char* dtype : {"f32", "f64"}) {
      const Script script = parsed(in_dtype(text, dtype));
      Observations seen = observed(reference(), script);
      const Verdict passed = judge.judge(script, seen);
      ASSERT_EQ(passed.outcome, Outcome::pass) << text << passed.reason;
      EXPECT_EQ(audit(judge, reference(), script, seen, passed).outcome, Outcome::pass) << text;
      change(seen, readings(script)[0], 0, [](double g) { return 1.5 * g; });
      const Verdict failed = judge.judge(script, seen);
      EXPECT_EQ(audit(judge, reference(), script, seen, failed).outcome, Outcome::fail) << text;
    }
  }
}

// An engine of another function than the record's: its derivatives are those of its values, and the enclosure
// excludes them. Which of the two oracles is wrong, the audit cannot know.
class Doubling final : public Engine {
 public:
  Doubling() : engine_(make_reference(Registry::standard())) {}
  const EngineInfo& info() const override { return engine_->info(); }
  const Schemas& schemas() const override { return engine_->schemas(); }
  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
    return std::make_unique<Prepared>(engine_->prepare(program));
  }

 private:
  // Twice every value read, as of a function twice as steep.
  class Prepared final : public PreparedProgram {
   public:
    explicit Prepared(std::unique_ptr<PreparedProgram> inner) : inner_(std::move(inner)) {}
    void run(const std::uint8_t* data, Observations& out) override {
      inner_->run(data, out);
      for (const gp_observation& item : out.items) {
        for (std::uint64_t i = 0; i < item.elements; ++i) change(out, item.step, i, [](double v) { return 2 * v; });
      }
    }

   private:
    std::unique_ptr<PreparedProgram> inner_;
  };

  std::unique_ptr<Engine> engine_;
};

TEST(Directional, AuditFindsTwoOraclesThatDisagree) {
  Judge judge(Registry::standard(), reference().info());
  Doubling doubled;
  for (const char* dtype : {"f32", "f64"}) {
    const Script script = parsed(in_dtype(scripts[2], dtype));
    const Observations seen = observed(doubled, script);
    const Verdict of_enclosure = judge.judge(script, seen);
    ASSERT_EQ(of_enclosure.outcome, Outcome::fail);
    const Verdict verdict = audit(judge, doubled, script, seen, of_enclosure);
    EXPECT_EQ(verdict.outcome, Outcome::internal_error) << verdict.reason;
    EXPECT_NE(verdict.reason.find("disagree"), std::string::npos);
    EXPECT_FALSE(verdict.evidence.expected.empty());
    EXPECT_FALSE(verdict.evidence.got.empty());
  }
}

// A clamp of no width is constant, and engines give it the slope 1 where it is hit: a convention, no error of ours.
TEST(Directional, AuditPassesOverDegeneratePoints) {
  Judge judge(Registry::standard(), reference().info());
  const Script script =
      parsed("x = leaf f64[2] 0.5 2\ny = clamp(x, 0.5, 0.5)\nu = tensor f64[2] 1 1\nbackward y seed u\nread x.grad\n");
  Observations seen = observed(reference(), script);
  change(seen, readings(script)[0], 0, [](double) { return 1; });
  EXPECT_EQ(judge_by_differences(reference(), script, seen).outcome, Outcome::fail);
  Verdict of_enclosure = judge.judge(script, seen);
  EXPECT_NE(of_enclosure.outcome, Outcome::fail);
  of_enclosure.outcome = Outcome::pass;
  EXPECT_EQ(audit(judge, reference(), script, seen, of_enclosure).outcome, Outcome::pass);
}

TEST(Twin, SameNumbersInAWiderDtype) {
  const Script script = parsed(
      "x = leaf f32[2, 2] strides [1, 2] offset 1 buffer [9 1 2 3 4]\ni = tensor i64[1] 1\n"
      "y = index_select(x, dim=0, index=i)\nbackward y seed y\nread y\n");
  const Script twin = to_dtype(script, GP_F64);
  EXPECT_EQ(fault_in(twin.view()), std::nullopt);
  ASSERT_EQ(twin.tensors.size(), script.tensors.size());
  EXPECT_EQ(twin.tensors[0].dtype, GP_F64);
  EXPECT_EQ(twin.tensors[1].dtype, GP_I64);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(twin.element(twin.tensors[0], i), script.element(script.tensors[0], i));
  }
  EXPECT_EQ(twin.element(twin.tensors[1], 0), 1);
  EXPECT_EQ(elements_of_view(script, script.tensors[0]), (std::vector<std::uint64_t>{1, 3, 2, 4}));
  const Observations a = observed(reference(), script), b = observed(reference(), twin);
  ASSERT_EQ(a.items.size(), b.items.size());
  EXPECT_EQ(a.element(a.items[0], 1), b.element(b.items[0], 1));
}

}  // namespace
}  // namespace gradproof
