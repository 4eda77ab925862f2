// Affine forms as a tier of the judge: what balls are too wide for.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "engine/interpreter.h"
#include "engine/reference.h"
#include "engine/scalars/affine.h"
#include "oracle/judge.h"
#include "script/script.h"

namespace gradproof {
namespace {

// h ← tanh(W h + x), so many times, and the gradients of what h ends as.
Script recurrent(gp_dtype dtype, int steps, std::uint64_t seed) {
  constexpr Index size = 8;
  std::mt19937_64 random(seed);
  Script script;
  const auto leaf = [&](std::vector<Index> shape, double scale, std::string_view name) {
    const ValueId made = script.tensor({.dtype = dtype, .shape = std::move(shape), .requires_grad = true}, name);
    const gp_tensor tensor = script.tensors.back();
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) {
      script.set_element(tensor, i, scale * std::normal_distribution<double>()(random));
    }
    return made;
  };
  const ValueId w = leaf({size, size}, 0.4, "W");
  const ValueId x = leaf({size}, 0.5, "x");
  ValueId h = leaf({size}, 1, "h0");
  for (int i = 0; i < steps; ++i) {
    const ValueId product = script.call(script.op("mv", ""), std::array{script.arg(w), script.arg(h)});
    const ValueId sum =
        script.call(script.op("add", "Tensor"), std::array{script.arg(product), script.arg(x), script.arg_default()});
    h = script.call(script.op("tanh", ""), std::array{script.arg(sum)});
  }
  const ValueId loss = script.call(script.op("sum", ""), std::array{script.arg(h), script.arg_default()});
  script.backward({&loss, 1}, {});
  for (const ValueId value : {w, x}) script.read(script.grad_of(value));
  return script;
}

// Median radius of what is read, over u times the largest number read.
long double width_u(const Script& script, const NumberFormat& format, bool with_forms) {
  using Arb = ArbBall<UnderTest>;
  const FormatUnderTest under_test(format);
  std::optional<AffineForms> forms;
  if (with_forms) forms.emplace();
  Interpreter<Arb> runner(Registry::standard(), Registry::standard().catalogue<Arb>(), reference_info());
  const gp_program program = script.view();
  runner.prepare(program);
  std::vector<long double> radii;
  long double scale = 0;
  for (const Seen<Arb>& seen : runner.run(program.data)) {
    for (Index i = 0; i < seen.value.numel; ++i) {
      const auto [mid, rad] = seen.value.real()[i].enclosure();
      radii.push_back(rad);
      scale = std::max(scale, std::fabs(mid));
    }
  }
  std::sort(radii.begin(), radii.end());
  return radii[radii.size() / 2] / (static_cast<long double>(format.u) * scale);
}

TEST(Forms, ADeepRecurrenceStaysNarrow) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Script script = recurrent(GP_F64, 20, seed);
    const long double balls = width_u(script, formats::f64, false);
    const long double forms = width_u(script, formats::f64, true);
    EXPECT_LT(forms, 2500) << "seed " << seed;
    EXPECT_GT(balls, 10000 * forms) << "seed " << seed;
  }
}

TEST(Forms, DecideWhatBallsLeaveOpen) {
  const std::unique_ptr<Engine> engine = make_reference(Registry::standard());
  Judge judge(Registry::standard(), engine->info());
  for (const gp_dtype dtype : {GP_F32, GP_F64}) {
    const Script script = recurrent(dtype, dtype == GP_F32 ? 12 : 30, 3);
    Observations seen;
    const gp_program program = script.view();
    engine->prepare(program)->run(program.data, seen);
    judge.use_forms(false);
    const Verdict by_balls = judge.judge(script, seen);
    EXPECT_EQ(by_balls.outcome, Outcome::inconclusive);
    EXPECT_EQ(by_balls.reason, "too wide");
    judge.use_forms(true);
    const Verdict by_forms = judge.judge(script, seen);
    EXPECT_EQ(by_forms.outcome, Outcome::pass) << by_forms.reason;
    EXPECT_EQ(by_forms.planted, by_forms.planted_caught);
    // A gradient that is a thousandth off is inside the ball, and outside the form.
    const gp_observation& item = seen.items.front();
    const double right = seen.element(item, 0);
    if (dtype == GP_F32) {
      const auto wrong = static_cast<float>(right * 1.001);
      std::memcpy(seen.data.data() + item.data, &wrong, sizeof wrong);
    } else {
      const double wrong = right * 1.001;
      std::memcpy(seen.data.data() + item.data, &wrong, sizeof wrong);
    }
    const Verdict refused = judge.judge(script, seen);
    EXPECT_EQ(refused.outcome, Outcome::fail);
    EXPECT_EQ(refused.severity, Severity::wrong);
    judge.use_forms(false);
    EXPECT_EQ(judge.judge(script, seen).outcome, Outcome::inconclusive);
  }
}

}  // namespace
}  // namespace gradproof
