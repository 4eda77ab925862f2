#include "oracle/definedness.h"

#include <gtest/gtest.h>

#include "engine/reference.h"
#include "oracle/fills.h"
#include "script/parse.h"

namespace gradproof {
namespace {

Script script_of(const std::string& text) {
  Schemas schemas = Registry::standard().schemas();
  schemas.add(parse_schema("nobody::knows(Tensor self) -> Tensor"));
  return parse(text, schemas);
}

std::vector<std::uint32_t> reads_of(const Script& script) {
  std::vector<std::uint32_t> reads;
  for (std::uint32_t i = 0; i < script.steps.size(); ++i) {
    if (script.steps[i].kind == GP_READ) reads.push_back(i);
  }
  return reads;
}

// What the last read shows: '.' defined, '?' unwritten, '!' not known.
std::string states_of(const std::string& text) {
  const Script script = script_of(text);
  Definedness definedness(Registry::standard(), reference_info());
  definedness.run(script);
  const auto engine = make_reference(Registry::standard());
  Observations seen;
  const gp_program program = script.view();
  engine->prepare(program)->run(program.data, seen);
  const std::uint32_t last = reads_of(script).back();
  const gp_observation* item = seen.at(last);
  if (item == nullptr || item->status != GP_VALUE) return "nothing seen";
  std::string states;
  for (std::uint64_t e = 0; e < item->elements; ++e) {
    const Definedness::State state = definedness.at(last, e);
    states += state == Definedness::State::defined ? '.' : state == Definedness::State::unwritten ? '?' : '!';
  }
  return states;
}

struct Row {
  const char* what;
  const char* script;
  const char* states;
};

const char* const half = R"(
e = tensor f32[4] empty
part = narrow(e, 0, 0, 2)
copy_(part, f32[2] 1 2)
)";

TEST(Definedness, IsExact) {
  const Row rows[] = {
      {"given", "x = tensor f32[2] 1 2\nread x", ".."},
      {"empty", "x = tensor f32[2] empty\nread x", "??"},
      {"zeros", "x = tensor f32[2] zeros\nread x", ".."},
      {"sums of parts", "e = tensor f32[2] empty\ny = add(f32[1] 1, e)\nread y", "??"},
      {"0 x", "e = tensor f32[1] empty\ny = mul(e, 0)\nread y", "?"},
      {"x - x", "e = tensor f32[1] empty\ny = sub(e, e)\nread y", "?"},
      {"clone", "e = tensor f32[1] empty\ny = clone(e)\nread y", "?"},
      {"where",
       "e = tensor f32[2] empty\nm = tensor bool[2] true false\nx = tensor f32[2] 1 2\ny = where(m, e, x)\nread y",
       "?."},
      {"where, the mask unwritten",
       "e = tensor f32[2] empty\nm = lt(e, 0)\nx = tensor f32[2] 1 2\ny = where(m, x, x)\nread y", "??"},
      {"a mask", "e = tensor f32[2] empty\nm = lt(e, 0)\nread m", "??"},
      {"an empty mask", "m = tensor bool[2] empty\nread m", "??"},
      {"the gradient of where",
       "x = leaf f32[2] 1 2\nm = tensor bool[2] true false\ny = where(m, x, f32[2] 1 2)\nu = tensor f32[2] "
       "empty\nbackward y seed u\nread x.grad",
       "?."},
      {"maximum", "e = tensor f32[2] empty\ny = maximum(e, f32[2] 1 2)\nread y", "??"},
      {"amax", R"(
e = tensor f32[2, 2] empty
row = select(e, 0, 0)
copy_(row, f32[2] 1 2)
y = amax(e, [1])
read y)",
       ".?"},
      {"index_select",
       "e = tensor f32[4] empty\npart = narrow(e, 0, 0, 2)\nzero_(part)\ny = index_select(e, 0, i64[3] 1 3 "
       "0)\nread y",
       ".?."},
      {"gather",
       "e = tensor f32[4] empty\npart = narrow(e, 0, 0, 2)\nzero_(part)\ny = gather(e, 0, i64[3] 3 1 2)\nread y",
       "?.?"},
      {"the gradient of index_select",
       "x = leaf f32[3] 1 2 3\ny = index_select(x, 0, i64[2] 0 2)\nu = tensor f32[2] empty\npart = narrow(u, 0, "
       "0, 1)\nzero_(part)\nbackward y seed u\nread x.grad",
       "..?"},
      {"cat", "e = tensor f32[1] empty\ny = cat([f32[1] 1, e])\nread y", ".?"},
      {"fill_", "e = tensor f32[2] empty\nfill_(e, 3)\nread e", ".."},
      {"zero_", "e = tensor f32[2] empty\nzero_(e)\nread e", ".."},
      {"copy_ of something empty",
       "x = tensor f32[2] 1 2\ne = tensor f32[1] empty\npart = narrow(x, 0, 1, 1)\ncopy_(part, e)\nread x", ".?"},
      {"mul_ by 0", "e = tensor f32[2] empty\nmul_(e, 0)\nread e", "??"},
      {"a sum of both", "e = tensor f32[2] empty\npart = narrow(e, 0, 0, 1)\nzero_(part)\ny = sum(e)\nread y", "?"},
      {"strides into a gap", "x = tensor f32[2] strides [2] empty\nread x", "??"},
      {"a gradient that rests on no value", "x = leaf f32[1] empty\ny = mul(x, 3)\nbackward y\nread x.grad", "."},
      {"a gradient that does", "x = leaf f32[1] empty\ny = mul(x, x)\nbackward y\nread x.grad", "?"},
      {"a gradient added to one unwritten",
       "x = leaf f32[1] 1\nx.grad = f32[1] empty\ny = mul(x, 3)\nbackward y\nread x.grad", "?"},
      {"a gradient zeroed first",
       "x = leaf f32[1] 1\nx.grad = f32[1] empty\nzero x.grad\ny = mul(x, 3)\nbackward y\nread x.grad", "."},
      {"a tangent", "x = tensor f32[2] 1 2\nv = tensor f32[2] empty\nd = dual x v\ny = mul(d, d)\nJv = jvp y\nread Jv",
       "??"},
      {"the value beside it", "x = tensor f32[2] 1 2\nv = tensor f32[2] empty\nd = dual x v\ny = mul(d, d)\nread y",
       ".."},
  };
  for (const Row& row : rows) EXPECT_EQ(states_of(row.script), row.states) << row.what;
  const std::string partly = half;
  EXPECT_EQ(states_of(partly + "read e"), "..??");
  EXPECT_EQ(states_of(partly + "y = narrow(e, 0, 1, 2)\nread y"), ".?");
  EXPECT_EQ(states_of(partly + "y = flip(e, [0])\nread y"), "??..");
  EXPECT_EQ(states_of(partly + "require_grad e\ny = mul(e, e)\nbackward y seed f32[4] 1 1 1 1\nread e.grad"), "..??");
}

TEST(Definedness, WithoutTheOperatorFollowsValues) {
  EXPECT_EQ(states_of("x = tensor f32[1] 1\ny = exp(x)\nread y"), ".");
  const auto state = [](const std::string& text) {
    const Script script = script_of(text);
    Definedness definedness(Registry::standard(), reference_info());
    definedness.run(script);
    return definedness.at(reads_of(script).back(), 0);
  };
  using State = Definedness::State;
  EXPECT_EQ(state("x = tensor f32[1] 1\ny = nobody::knows(x)\nread y"), State::defined);
  EXPECT_EQ(state("e = tensor f32[1] empty\ny = nobody::knows(e)\nread y"), State::unwritten);
  EXPECT_EQ(state("e = tensor f32[1] empty\nx = tensor f32[1] 1\ny = nobody::knows(x)\nread y"), State::defined);
  EXPECT_EQ(state("x = leaf f32[1] 1\ny = nobody::knows(x)\nbackward y seed f32[1] empty\nread x.grad"),
            State::unwritten);
  EXPECT_EQ(state("x = tensor f32[1] 1\ne = tensor f32[1] empty\nadd_(x, e)\ny = nobody::knows(x)\nread y"),
            State::unwritten);
}

TEST(Definedness, NamesTheSourcesAndTheirLines) {
  const Script script = script_of(R"(# the head
a = leaf f32[1] empty
b = leaf f32[1] empty
c = leaf f32[1] empty
y = add(add(mul(a, 3), mul(mul(b, b), 2)), log(c))
read y
backward y
read a.grad
read b.grad
read c.grad)");
  Definedness definedness(Registry::standard(), reference_info());
  definedness.run(script);
  std::vector<std::string> told;
  for (const std::uint32_t read : reads_of(script)) {
    told.push_back(describe_sources(script, definedness.sources_of(read)));
  }
  EXPECT_EQ(told, (std::vector<std::string>{"a (line 2), b (line 3), c (line 4)", "", "b (line 3)", "c (line 4)"}));
}

TEST(Fills, TellWhatRestsOnThem) {
  const auto engine = make_reference(Registry::standard());
  Definedness definedness(Registry::standard(), engine->info());
  const Script script = script_of("e = tensor f32[2] empty\npart = narrow(e, 0, 0, 1)\nzero_(part)\nread e");
  const FillReport report = run_under_fills(*engine, script, definedness);
  EXPECT_TRUE(report.supported);
  EXPECT_FALSE(report.fault.has_value());
  EXPECT_EQ(report.same, 1U);
  EXPECT_EQ(report.unwritten_other, 1U);
  ASSERT_EQ(report.hazards.size(), 1U);
  EXPECT_TRUE(report.hazards[0].differs);
  EXPECT_EQ(describe_hazard(script, report.hazards[0], definedness), "e rests on memory nobody wrote: e (line 1)");

  Observations seen;
  engine->prepare(script.view())->run(script.data.data(), seen);
  EXPECT_EQ(seen.element(seen.items[0], 1), 0) << "a fill outlives its runs";
}

}  // namespace
}  // namespace gradproof
