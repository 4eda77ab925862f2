// The reference tape as an engine: what scripts see of sweeps, graphs, versions and tangents.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/interpreter.h"
#include "engine/reference.h"
#include "script/parse.h"

namespace gradproof {
namespace {

// A script run on the reference; reads are numbered in their order.
class ScriptRun {
 public:
  explicit ScriptRun(std::string_view text, const EngineInfo& info = reference_info())
      : script_(parse(text, schemas(), "test")), program_(script_.view()) {
    const auto engine = make_reference(Registry::standard(), info);
    engine->prepare(program_)->run(program_.data, seen_);
  }
  std::vector<double> numbers(std::size_t read) const {
    const gp_observation& item = seen_.items.at(read);
    std::vector<double> all;
    for (std::uint64_t i = 0; i < item.elements; ++i) all.push_back(seen_.element(item, i));
    return all;
  }
  gp_status status(std::size_t read) const { return static_cast<gp_status>(seen_.items.at(read).status); }
  gp_error_kind error(std::size_t read) const { return static_cast<gp_error_kind>(seen_.items.at(read).error); }
  const gp_observation& item(std::size_t read) const { return seen_.items.at(read); }
  std::size_t count() const { return seen_.items.size(); }

 private:
  // Of composite operators an engine may have forms that work in place, too.
  static const Schemas& schemas() {
    static const Schemas all = [] {
      Schemas made = Registry::standard().schemas();
      made.add(parse_schema("absolute_(Tensor(a!) self) -> Tensor(a!)"));
      return made;
    }();
    return all;
  }

  Script script_;
  gp_program program_;
  Observations seen_;
};

using Numbers = std::vector<double>;

TEST(Tape, SeedsWeightAndGradientsAccumulate) {
  const ScriptRun run(
      "a = leaf f64[3] 1 2 3\ny = mul(a, 3)\nbackward y seed f64[3] 0.5 1 2\nread a.grad\n"
      "backward y seed f64[3] 0.5 1 2\nread a.grad\n");
  EXPECT_EQ(run.numbers(0), (Numbers{1.5, 3, 6}));
  // Nothing was saved, so the second sweep is right without retain_graph.
  EXPECT_EQ(run.numbers(1), (Numbers{3, 6, 12}));
}

TEST(Tape, AFreedGraphIsRefusedAndChangesNothing) {
  const ScriptRun run(
      "a = leaf f64[] 1\nb = leaf f64[] 5\ny = add(a, mul(b, b))\nbackward y\nbackward y\nread a.grad\nread b.grad\n");
  ASSERT_EQ(run.count(), 3U);
  EXPECT_EQ(run.error(0), GP_GRAPH_FREED);
  EXPECT_EQ(run.numbers(1), Numbers{1});
  EXPECT_EQ(run.numbers(2), Numbers{10});
}

TEST(Tape, MisuseIsToldByKind) {
  const std::string x = "x = leaf f64[2] 1 2\n";
  EXPECT_EQ(ScriptRun(x + "y = exp(x)\nbackward y\n").error(0), GP_NO_SEED_FOR_NON_SCALAR);
  EXPECT_EQ(ScriptRun(x + "y = exp(x)\nbackward y seed f64[3] 1 1 1\n").error(0), GP_SEED_SHAPE);
  EXPECT_EQ(ScriptRun("x = tensor f64[1] 1\ny = exp(x)\nbackward y\n").error(0), GP_NO_GRAD_REQUIRED);
  EXPECT_EQ(ScriptRun(x + "y = exp(x)\nmul_(y, 2)\nbackward y seed f64[2] 1 1\n").error(0), GP_SAVED_MODIFIED);
  EXPECT_EQ(ScriptRun(x + "mul_(x, 2)\n").error(0), GP_LEAF_MODIFIED);
  EXPECT_EQ(ScriptRun(x + "z = leaf f64[] 1\ny = sum(x)\ng = grad y wrt [z]\n").error(0), GP_UNUSED_INPUT);
  EXPECT_EQ(ScriptRun(x + "z = tensor f64[3] 1 2 3\ny = add(x, z)\n").error(0), GP_SHAPE);
  EXPECT_EQ(ScriptRun(x + "g = x.grad\ny = exp(g)\n").error(0), GP_UNDEFINED);
}

TEST(Tape, ASeedThatExpandsIsSummedWhereTheEngineDoesSo) {
  const std::string text = "x = leaf f64[1] 1\ny = mul(x, 3)\nbackward y seed f64[3] 0.5 1 2\nread x.grad\n";
  EXPECT_EQ(ScriptRun(text).numbers(0), Numbers{10.5});
  EngineInfo strict = reference_info();
  strict.expands_seeds = false;
  EXPECT_EQ(ScriptRun(text, strict).error(0), GP_SEED_SHAPE);
}

TEST(Tape, SharedLeavesAndSeveralRootsSum) {
  const ScriptRun run("x = leaf f64[2] 3 5\np = mul(x, x)\nq = mul(x, 7)\nbackward [p, q] seed [none, none]\n");
  EXPECT_EQ(run.error(0), GP_NO_SEED_FOR_NON_SCALAR);
  const ScriptRun both("x = leaf f64[2] 3 5\np = sum(mul(x, x))\nq = sum(mul(x, 7))\nbackward [p, q]\nread x.grad\n");
  EXPECT_EQ(both.numbers(0), (Numbers{13, 17}));
}

TEST(Tape, InputsReceiveAndNothingElse) {
  const ScriptRun run(
      "x = leaf f64[] 3\nz = leaf f64[] 5\ny = mul(x, z)\nbackward y inputs [x]\nread x.grad\nread z.grad\n");
  EXPECT_EQ(run.numbers(0), Numbers{5});
  EXPECT_EQ(run.status(1), GP_UNDEFINED_VALUE);
}

TEST(Tape, NonLeavesKeepTheirGradientOnDemand) {
  const ScriptRun run(
      "x = leaf f64[] 3\nh = mul(x, x)\nretain_grad h\ny = mul(h, h)\nbackward y\nread h.grad\nread x.grad\n");
  EXPECT_EQ(run.numbers(0), Numbers{18});
  EXPECT_EQ(run.numbers(1), Numbers{108});
}

TEST(Tape, DerivativesOfAnyOrderNest) {
  // x⁴: 4x³, 12x², 24x
  const ScriptRun run(
      "x = leaf f64[] 2\nh = mul(x, x)\ny = mul(h, h)\ng1 = grad y wrt [x] create_graph\n"
      "g2 = grad g1 wrt [x] create_graph\ng3 = grad g2 wrt [x]\nread g1\nread g2\nread g3\n");
  EXPECT_EQ(run.numbers(0), Numbers{32});
  EXPECT_EQ(run.numbers(1), Numbers{48});
  EXPECT_EQ(run.numbers(2), Numbers{48});
}

TEST(Tape, ForwardAndReverseNestInEveryOrder) {
  const std::string leaf = "x = leaf f64[] 2\nt = tensor f64[] 1\n";
  const ScriptRun over_forward(leaf +
                               "d = dual x t\ny = mul(mul(d, d), d)\ndy = jvp y\nread dy\nbackward dy\nread x.grad\n");
  EXPECT_EQ(over_forward.numbers(0), Numbers{12});
  EXPECT_EQ(over_forward.numbers(1), Numbers{12});
  const ScriptRun over_reverse(leaf + "d = dual x t\ny = mul(mul(d, d), d)\ng = grad y wrt [d]\nh = jvp g\nread h\n");
  EXPECT_EQ(over_reverse.numbers(0), Numbers{12});
  const ScriptRun forward_twice(leaf + "d = dual x t\ne = dual d t\ny = mul(mul(e, e), e)\ndy = jvp y\nread dy\n");
  EXPECT_EQ(forward_twice.numbers(0), Numbers{12});
}

TEST(Tape, ViewsShareMemoryAndDetachCuts) {
  const ScriptRun run(
      "x = leaf f64[2, 3] 1 2 3 4 5 6\nv = transpose(x, 0, 1)\nd = detach v\nread x\nread v\nread d\n"
      "y = sum(mul(v, d))\nbackward y\nread x.grad\n");
  EXPECT_EQ(run.item(0).storage, run.item(1).storage);
  EXPECT_EQ(run.item(1).storage, run.item(2).storage);
  EXPECT_EQ(run.numbers(1), (Numbers{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(run.numbers(3), (Numbers{1, 2, 3, 4, 5, 6}));
}

TEST(Tape, InPlaceStepsAreDifferentiated) {
  const ScriptRun run("x = leaf f64[] 3\nh = mul(x, 1)\nmul_(h, x)\nread h\nbackward h\nread x.grad\n");
  EXPECT_EQ(run.numbers(0), Numbers{9});
  EXPECT_EQ(run.item(0).version, 1U);
  EXPECT_EQ(run.numbers(1), Numbers{6});
}

TEST(Tape, CompositeOperatorsInPlaceAreDifferentiated) {
  const ScriptRun run("x = leaf f64[] -3\nh = mul(x, 1)\nabsolute_(h)\nread h\nbackward h\nread x.grad\n");
  EXPECT_EQ(run.numbers(0), Numbers{3});
  EXPECT_EQ(run.item(0).version, 1U);
  EXPECT_EQ(run.numbers(1), Numbers{-1});
}

TEST(Tape, ADualKeepsTheSignOfZero) {
  const ScriptRun run("x = leaf f64[] -0\nt = tensor f64[] 1\nd = dual x t\nread d\n");
  EXPECT_TRUE(std::signbit(run.numbers(0).at(0)));
}

TEST(Tape, NothingIsRecordedWhileRecordingIsOff) {
  const ScriptRun run(
      "x = leaf f64[] 3\nno_grad\nh = mul(x, x)\nmul_(x, 2)\nend no_grad\nbackward h\ny = mul(x, x)\nbackward y\nread "
      "x.grad\n");
  EXPECT_EQ(run.error(0), GP_NO_GRAD_REQUIRED);
  EXPECT_EQ(run.numbers(1), Numbers{12});
}

TEST(Tape, EmptyTensorsHaveEmptyGradients) {
  const ScriptRun run("x = leaf f64[0, 3]\ny = sum(exp(x))\nbackward y\nread y\nread x.grad\n");
  EXPECT_EQ(run.numbers(0), Numbers{0});
  EXPECT_EQ(run.item(1).elements, 0U);
  EXPECT_EQ(run.item(1).ndim, 2U);
}

TEST(Tape, LeavesWithStridesAndOffsetsHaveGradientsOfTheirShape) {
  const ScriptRun run(
      "x = leaf f64[2, 2] strides [1, 2] offset 1 buffer [9 1 2 3 4]\ny = sum(mul(x, x))\nbackward y\nread x\nread "
      "x.grad\n");
  EXPECT_EQ(run.numbers(0), (Numbers{1, 3, 2, 4}));
  EXPECT_EQ(run.numbers(1), (Numbers{2, 6, 4, 8}));
}

TEST(Tape, AFailedStepIsToldOnceAndWhatNeedsItIsSkipped) {
  const ScriptRun run("x = leaf f64[2] 1 2\nz = tensor f64[3] 1 2 3\ny = add(x, z)\nw = exp(y)\nread w\nread x\n");
  ASSERT_EQ(run.count(), 3U);
  EXPECT_EQ(run.error(0), GP_SHAPE);
  EXPECT_EQ(run.status(1), GP_SKIPPED);
  EXPECT_EQ(run.numbers(2), (Numbers{1, 2}));
}

// A million nodes: nothing may recurse over the graph.
TEST(Tape, DeepChainsDoNotOverflowTheStack) {
  Script script;
  const ValueId x = script.tensor({.dtype = GP_F64, .shape = {}, .requires_grad = true}, "x");
  script.set_element(script.tensor_of(x), 0, 0.5);
  const std::uint32_t neg = script.op("neg", "");
  ValueId at = x;
  constexpr int depth = 1000000;
  for (int i = 0; i < depth; ++i) {
    const gp_arg arg = script.arg(at);
    at = script.call(neg, {&arg, 1});
  }
  script.backward({&at, 1}, {});
  script.read(script.grad_of(x));
  const gp_program program = script.view();
  Observations seen;
  make_reference(Registry::standard())->prepare(program)->run(program.data, seen);
  ASSERT_EQ(seen.items.size(), 1U);
  EXPECT_EQ(seen.element(seen.items[0], 0), 1);
}

TEST(Tape, OneLeafMayBeUsedAHundredThousandTimes) {
  Script script;
  const ValueId x = script.tensor({.dtype = GP_F64, .shape = {1}, .requires_grad = true}, "x");
  script.set_element(script.tensor_of(x), 0, 0.5);
  const std::uint32_t neg = script.op("neg", "");
  constexpr int width = 100000;
  std::vector<ValueId> all;
  all.reserve(width);
  const gp_arg arg = script.arg(x);
  for (int i = 0; i < width; ++i) all.push_back(script.call(neg, {&arg, 1}));
  const std::array joined{script.arg_values(all), script.arg_int(0)};
  const gp_arg cat = script.arg(script.call(script.op("cat", ""), joined));
  const ValueId y = script.call(script.op("sum", ""), {&cat, 1});
  script.backward({&y, 1}, {});
  script.read(script.grad_of(x));
  const gp_program program = script.view();
  Observations seen;
  make_reference(Registry::standard())->prepare(program)->run(program.data, seen);
  ASSERT_EQ(seen.items.size(), 1U);
  EXPECT_EQ(seen.element(seen.items[0], 0), -width);
}

// (1e8 - 1e8) + 1 is 1, and (1e8 + 1) - 1e8 is 0.
TEST(Tape, GradientsOfLanesArriveInAnyOrder) {
  const std::string head =
      "x = leaf f32[1] 1\ny = neg(x)\na = tensor f32[1] 1e8\nb = tensor f32[1] -1e8\n"
      "c = tensor f32[1] -1\n";
  const auto gradient = [&](const std::string& sweeps) {
    const Script script = parse(head + sweeps + "read x.grad\n", Registry::standard().schemas());
    const gp_program program = script.view();
    Interpreter<Ball<float>> interpreter(Registry::standard(), Registry::standard().catalogue<Ball<float>>(),
                                         reference_info());
    interpreter.prepare(program);
    return interpreter.run(program.data).at(0).value.real()[0];
  };
  const std::string retained = " retain_graph\n";
  const std::string next = retained + "and\n";
  const auto in_order =
      gradient("backward y seed a" + retained + "backward y seed b" + retained + "backward y seed c" + retained);
  EXPECT_TRUE(contains(in_order, 1));
  EXPECT_FALSE(contains(in_order, 0));
  const auto at_once = gradient("parallel\nbackward y seed a" + next + "backward y seed b" + next +
                                "backward y seed c" + retained + "end parallel\n");
  EXPECT_TRUE(contains(at_once, 1));
  EXPECT_TRUE(contains(at_once, 0));
}

TEST(Tape, DefinednessFollowsUnwrittenMemory) {
  const Script script =
      parse("a = leaf f32[1] empty\nb = leaf f32[1] 0\ny = mul(b, a)\nz = where(lt(b, 1), b, a)\nread y\nread z\n",
            Registry::standard().schemas());
  const gp_program program = script.view();
  Interpreter<Defined> interpreter(Registry::standard(), Registry::standard().catalogue<Defined>(), reference_info());
  interpreter.prepare(program);
  const auto& seen = interpreter.run(program.data);
  EXPECT_FALSE(seen.at(0).value.real()[0].written);  // 0 · x is not 0 for a NaN
  EXPECT_TRUE(seen.at(1).value.real()[0].written);   // the branch not taken does not matter
}

}  // namespace
}  // namespace gradproof
