#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>

#include "engine/reference.h"
#include "properties/all.h"
#include "properties/lifecycle/judge.h"
#include "properties/lifecycle/model.h"
#include "script/parse.h"
#include "script/print.h"

namespace gradproof {
namespace {

const Registry& registry() { return Registry::standard(); }

const Schemas& schemas() {
  static const Schemas all = [] {
    Schemas made = registry().schemas();
    for (const char* text : {"mul_.Scalar(Tensor(a!) self, Scalar other) -> Tensor(a!)",
                             "mul_.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)",
                             "add_.Tensor(Tensor(a!) self, Tensor other, *, Scalar alpha=1) -> Tensor(a!)"}) {
      const Schema schema = parse_schema(text);
      if (made.find(schema.name, schema.overload) == nullptr) made.add(schema);
    }
    return made;
  }();
  return all;
}

EngineInfo with_policy(SecondSweep policy) {
  EngineInfo info = reference_info();
  info.second_sweep = policy;
  return info;
}

struct Policy {
  const char* name;
  EngineInfo info;
};
std::vector<Policy> policies() {
  std::vector<Policy> all{{"accumulate", reference_info()},
                          {"overwrite", with_policy(SecondSweep::overwrite)},
                          {"refuse", with_policy(SecondSweep::refuse)},
                          {"needs_zero", with_policy(SecondSweep::needs_zero)}};
  EngineInfo keeps = reference_info();
  keeps.frees_graph = false;
  all.push_back({"never_frees", keeps});
  EngineInfo exact = reference_info();
  exact.expands_seeds = false;
  all.push_back({"exact_seeds", exact});
  EngineInfo plain = reference_info();
  plain.hooks = false;
  plain.forward_mode = false;
  plain.create_graph = false;
  all.push_back({"plain", plain});
  return all;
}

// How many sequences of each policy: a few thousand, or as many as GRADPROOF_SEQUENCES says.
std::uint64_t sequences() {
  const char* given = std::getenv("GRADPROOF_SEQUENCES");
  return given == nullptr ? 3000 : std::strtoull(given, nullptr, 10);
}

const Entry& entry_of(std::uint64_t number, const Property& property, const EngineInfo& info) {
  const auto& entries = registry().entries();
  for (;; ++number) {
    const Entry& entry = entries[number % entries.size()];
    if (property.not_applicable({&registry(), &entry, GP_F32, GP_CPU, &info}).empty()) return entry;
  }
}

class Policies : public testing::TestWithParam<Policy> {};

TEST_P(Policies, AreKeptByACorrectEngine) {
  const std::unique_ptr<Engine> engine = make_reference(registry(), GetParam().info);
  Session session(registry(), *engine);
  std::vector<const Property*> properties{&lifecycle_property()};
  properties.insert(properties.end(), lifecycle_rules().begin(), lifecycle_rules().end());
  std::map<Outcome, std::uint64_t> outcomes;
  Script script;
  for (std::uint64_t i = 0; i < sequences(); ++i) {
    // Two in three are random; the rules take turns.
    const Property* property = i % 3 != 0 ? properties[0] : properties[i / 3 % properties.size()];
    const gp_dtype dtype = i % 2 == 0 ? GP_F32 : GP_F64;
    const EngineInfo& info = engine->info();
    if (property->id() == "lifecycle-hooks" && !info.hooks) property = properties[0];
    if (property->id() == "lifecycle-create-graph" && !info.create_graph) property = properties[0];
    const Entry& entry = entry_of(i, *property, info);
    generate_case({11, GetParam().name, entry.id(), property->id(), dtype, i}, *property,
                  {&registry(), &entry, dtype, GP_CPU, &info}, script);
    const Verdict verdict = property->judge(session, script);
    ++outcomes[verdict.outcome];
    const bool sound = verdict.outcome == Outcome::pass || verdict.outcome == Outcome::inconclusive;
    ASSERT_TRUE(sound) << name_of(verdict.outcome) << ": " << verdict.reason << "; " << verdict.evidence.what
                       << "\nexpected " << verdict.evidence.expected << "\ngot      " << verdict.evidence.got << "\n"
                       << print(script, &schemas());
  }
  EXPECT_GE(outcomes[Outcome::pass] * 100, sequences() * 97);
}

INSTANTIATE_TEST_SUITE_P(Lifecycle, Policies, testing::ValuesIn(policies()),
                         [](const testing::TestParamInfo<Policy>& info) { return std::string(info.param.name); });

// A policy that an engine does not keep is noticed.
TEST(LifecyclePolicies, ThatAreNotKeptAreFailures) {
  for (const SecondSweep declared : {SecondSweep::accumulate, SecondSweep::overwrite, SecondSweep::refuse}) {
    for (const SecondSweep done : {SecondSweep::accumulate, SecondSweep::overwrite, SecondSweep::refuse}) {
      if (declared == done) continue;
      class Pretending final : public Engine {
       public:
        Pretending(SecondSweep does, SecondSweep says)
            : engine_(make_reference(registry(), with_policy(does))), info_(with_policy(says)) {}
        const EngineInfo& info() const override { return info_; }
        const Schemas& schemas() const override { return engine_->schemas(); }
        std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
          return engine_->prepare(program);
        }

       private:
        std::unique_ptr<Engine> engine_;
        EngineInfo info_;
      };
      Pretending engine(done, declared);
      Session session(registry(), engine);
      bool caught = false;
      Script script;
      for (std::uint64_t i = 0; i < 100 && !caught; ++i) {
        const Entry& entry = entry_of(i, lifecycle_property(), engine.info());
        generate_case({5, "pretending", entry.id(), "lifecycle", GP_F64, i + 5}, lifecycle_property(),
                      {&registry(), &entry, GP_F64, GP_CPU, &engine.info()}, script);
        caught = lifecycle_property().judge(session, script).outcome == Outcome::fail;
      }
      EXPECT_TRUE(caught) << static_cast<int>(declared) << " told, " << static_cast<int>(done) << " done";
    }
  }
}

// --- what the model tells of single scripts ---

Verdict verdict_on(const std::string& text, const EngineInfo& info = reference_info(), bool strict = false) {
  const std::unique_ptr<Engine> engine = make_reference(registry(), info);
  Session session(registry(), *engine);
  return lifecycle::judge_sequence(session, parse(text, schemas()), {.strict = strict});
}

// The forecasts of all steps, where what is forecast happens.
std::vector<lifecycle::Forecast> forecasts(const std::string& text, const EngineInfo& info = reference_info()) {
  const Script script = parse(text, schemas());
  lifecycle::Model model(info);
  model.start(script, true);
  std::vector<lifecycle::Forecast> all;
  for (std::uint32_t i = 0; i < script.steps.size(); ++i) all.push_back(model.step(i));
  EXPECT_FALSE(fault_in(model.pure().script().view())) << print(model.pure().script(), &schemas());
  return all;
}
lifecycle::Kinds refused_last(const std::string& text, const EngineInfo& info = reference_info()) {
  return forecasts(text, info).back().must;
}

TEST(LifecycleModel, TellsWhatMustBeRefused) {
  using lifecycle::kind_bit;
  EXPECT_EQ(refused_last("a = leaf f32[] 1\ny = sin(a)\nbackward y\nbackward y\n"), kind_bit(GP_GRAPH_FREED));
  EXPECT_EQ(refused_last("a = leaf f32[] 1\ny = mul(a, 3)\nbackward y\nbackward y\n"), 0U);
  EXPECT_EQ(refused_last("a = leaf f32[] 1\ny = sin(a)\nbackward y retain_graph\nbackward y\n"), 0U);
  EXPECT_EQ(refused_last("a = leaf f32[2] 1 2\ny = sin(a)\nbackward y\n"), kind_bit(GP_NO_SEED_FOR_NON_SCALAR));
  EXPECT_EQ(refused_last("a = leaf f32[] 1\nd = detach a\nbackward d\n"), kind_bit(GP_NO_GRAD_REQUIRED));
  EXPECT_EQ(refused_last("a = leaf f32[] 1\nmul_(a, 2)\n"), kind_bit(GP_LEAF_MODIFIED));
  EXPECT_EQ(refused_last("a = leaf f32[2] 1 2\nv = select(a, 0, 1)\nmul_(v, 2)\n"), kind_bit(GP_LEAF_MODIFIED));
  EXPECT_EQ(refused_last("a = leaf f32[] 1\nb = leaf f32[] 1\ny = sin(a)\ng = grad y wrt [b]\n"),
            kind_bit(GP_UNUSED_INPUT));
  EXPECT_EQ(refused_last("a = leaf f32[] 1\ng = a.grad\ny = mul(g, a)\n"), kind_bit(GP_UNDEFINED));
  EXPECT_EQ(refused_last("a = leaf f32[] 1\ny = sin(a)\nrequire_grad y false\n"), lifecycle::bad_argument);
  EXPECT_EQ(refused_last("c = tensor f32[] 1\nretain_grad c\n"), kind_bit(GP_NO_GRAD_REQUIRED));
  EXPECT_NE(refused_last("a = leaf f32[] 1\nbackward a\nbackward a\n", with_policy(SecondSweep::refuse)), 0U);
  const std::string seed = "a = leaf f32[1] 1\ny = sin(a)\nu = tensor f32[3] 1 2 3\nbackward y seed u\n";
  EXPECT_EQ(refused_last(seed), 0U);
  EngineInfo exact = reference_info();
  exact.expands_seeds = false;
  EXPECT_EQ(refused_last(seed, exact), kind_bit(GP_SEED_SHAPE));
}

TEST(LifecycleModel, AdmitsARefusalWhereSomethingWasWrittenTo) {
  const auto all = forecasts("a = leaf f32[] 1\nt = mul(a, 2)\ny = sin(t)\nmul_(t, 3)\nbackward y\n");
  EXPECT_FALSE(all.back().refused());
  EXPECT_TRUE(all.back().admits(GP_SAVED_MODIFIED));
  EXPECT_FALSE(all.back().admits(GP_GRAPH_FREED));
}

TEST(LifecycleJudge, AgreesWithTheReferenceOnWhatIsTricky) {
  for (const char* text : {
           "x = leaf f64[3] 1 2 3\nb = mul(x, 2)\nv = select(b, 0, 1)\nw = slice(b, 0, 1, 3, 1)\nmul_(v, v)\nread b\n"
           "read w\nu = tensor f64[2] 1 10\nbackward w seed u\nread x.grad\n",
           "a = leaf f64[] 3\nc = tensor f64[2] 1 2\nv = select(c, 0, 0)\nadd_(v, a)\ny = mul(c, c)\n"
           "u = tensor f64[2] 1 1\nbackward y seed u\nread a.grad\nread c\n",
           "a = leaf f64[] 3\nb = detach a\nrequire_grad b\ny = mul(a, b)\nbackward y\nread a.grad\nread b.grad\n"
           "no_grad\nmul_(b, 2)\nend no_grad\nread a\nz = mul(a, b)\nbackward z\nread a.grad\nread b.grad\n",
           "a = leaf f64[] 3\ny = mul(a, a)\nbackward y create_graph\ng = a.grad\nz = mul(g, a)\na.grad = none\n"
           "backward z\nread a.grad\n",
           "a = leaf f64[] 3\nt = sin(a)\nhook t 2\ny = mul(t, a)\nhook a -1\nbackward y\nread a.grad\n",
           "a = leaf f64[] 3\ny = mul(a, 2)\nrequire_grad a false\nbackward y\nread a.grad\n",
           "a = leaf f64[] 1\nb = leaf f64[] 5\nt = mul(a, b)\nrequire_grad b false\nbackward t create_graph\n"
           "require_grad b\ng = a.grad\nz = mul(g, a)\nh = grad z wrt [b] allow_unused\nread h\n",
       }) {
    const Verdict verdict = verdict_on(text);
    EXPECT_EQ(verdict.outcome, Outcome::pass) << verdict.reason << ": " << verdict.evidence.what << ", expected "
                                              << verdict.evidence.expected << ", got " << verdict.evidence.got << "\n"
                                              << text;
  }
}

TEST(LifecycleJudge, SaysWhereALifeCycleWentWrong) {
  // Declared to overwrite, it accumulates.
  class Accumulating final : public Engine {
   public:
    const EngineInfo& info() const override { return info_; }
    const Schemas& schemas() const override { return engine_->schemas(); }
    std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override { return engine_->prepare(program); }

   private:
    std::unique_ptr<Engine> engine_ = make_reference(registry());
    EngineInfo info_ = with_policy(SecondSweep::overwrite);
  };
  Accumulating engine;
  Session session(registry(), engine);
  const Script script = parse("a = leaf f64[] 3\ny = mul(a, 2)\nbackward y\nbackward y\nread a.grad\n", schemas());
  const Verdict verdict = lifecycle::judge_sequence(session, script);
  EXPECT_EQ(verdict.outcome, Outcome::fail);
  EXPECT_EQ(verdict.severity, Severity::wrong);
  EXPECT_EQ(verdict.evidence.what, "a.grad");
  EXPECT_EQ(verdict.evidence.step, 5U);
}

// The model runs on any script: sequences with steps left out are judged like others.
TEST(LifecycleModel, RunsOnSequencesWithStepsLeftOut) {
  const std::unique_ptr<Engine> engine = make_reference(registry());
  Session session(registry(), *engine);
  Script script;
  int judged = 0;
  for (std::uint64_t i = 0; i < 150; ++i) {
    const Entry& entry = entry_of(i * 7, lifecycle_property(), engine->info());
    generate_case({21, "left out", entry.id(), "lifecycle", GP_F64, i}, lifecycle_property(),
                  {&registry(), &entry, GP_F64, GP_CPU, &engine->info()}, script);
    for (std::uint32_t step = static_cast<std::uint32_t>(i % 5); step < script.steps.size(); step += 5) {
      const int kind = script.steps[step].kind;
      if (script.steps[step].result_count > 0 || kind == GP_READ || kind == GP_NO_GRAD) continue;
      // The step does nothing: recording is switched on where it is on.
      Script without = script;
      bool recording = true;
      for (std::uint32_t before = 0; before < step; ++before) {
        if (script.steps[before].kind == GP_NO_GRAD) recording = script.args_of(script.steps[before])[0].u.integer == 0;
      }
      gp_step& gone = without.steps[step];
      gone.kind = GP_NO_GRAD;
      gone.flags = 0;
      gone.first_arg = static_cast<std::uint32_t>(without.args.size());
      gone.arg_count = 1;
      without.args.push_back(without.arg_bool(!recording));
      const Verdict verdict = lifecycle::judge_sequence(session, without);
      ++judged;
      ASSERT_TRUE(verdict.outcome == Outcome::pass || verdict.outcome == Outcome::inconclusive)
          << name_of(verdict.outcome) << ": " << verdict.reason << "; " << verdict.evidence.what << "\nexpected "
          << verdict.evidence.expected << "\ngot      " << verdict.evidence.got << "\nwithout step " << step << "\n"
          << print(script, &schemas());
    }
  }
  EXPECT_GE(judged, 200);
}

}  // namespace
}  // namespace gradproof
