#include "campaign/campaign.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "engine/reference.h"

namespace gradproof {
namespace {

// The reference, but for what it does with programs that call the operators of these names.
class FakeEngine final : public Engine {
 public:
  FakeEngine() : inner_(make_reference(Registry::standard())) {}
  const EngineInfo& info() const override { return inner_->info(); }
  const Schemas& schemas() const override { return inner_->schemas(); }
  std::unique_ptr<PreparedProgram> prepare(const gp_program& program) override {
    for (std::uint64_t i = 0; i < program.step_count; ++i) {
      if (program.steps[i].kind == GP_CALL) misbehave(program.text + program.ops[program.steps[i].op].name);
    }
    return inner_->prepare(program);
  }

 private:
  static void misbehave(std::string_view name) {
    if (name == "sin") {
      signal(SIGSEGV, SIG_DFL);
      raise(SIGSEGV);
    }
    if (name == "cos") _exit(3);
    if (name == "tan") std::this_thread::sleep_for(std::chrono::hours(1));
    if (name == "exp") throw EngineBroken("its observations are broken: nonsense");
  }
  std::unique_ptr<Engine> inner_;
};

EngineSource fake() {
  return {"fake", "fake", "", false, [] { return std::make_unique<FakeEngine>(); }};
}

class CampaignTest : public testing::Test {
 protected:
  void check(const EngineSource& source, const std::vector<std::string>& operators,
             const std::vector<std::string>& properties) {
    plan = make_plan(Registry::standard(), source.name, facts_of(source), {operators, properties, {}, GP_CPU},
                     all_properties());
    results = std::make_unique<Results>(plan, waivers);
    run_cases(plan, source, options, *results);
    make_witnesses(plan, source, options, *results);
  }
  Counts counts_of(std::string_view operator_id) const {
    Counts counts;
    for (const Row& row : results->rows()) {
      if (row.operator_id == operator_id) counts += row.counts;
    }
    return counts;
  }

  CampaignTest() {
    options.seed = 1;
    options.cases = 4;
    options.case_limit = std::chrono::milliseconds(400);
  }
  CampaignOptions options;
  Waivers waivers{"1.0"};
  Plan plan;
  std::unique_ptr<Results> results;
};

TEST_F(CampaignTest, CrashExitHangAndNonsenseAreEachAVerdictAndTheRestGoesOn) {
  options.cases = 2;
  check(fake(), {"sin", "cos", "tan", "exp", "log"}, {"value"});
  EXPECT_EQ(counts_of("sin").crash, 2U);
  EXPECT_EQ(counts_of("cos").crash, 2U);
  EXPECT_EQ(counts_of("tan").timeout, 2U);
  EXPECT_EQ(counts_of("exp").misbehaving, 2U);
  EXPECT_EQ(counts_of("log").cases(), 2U);
  EXPECT_EQ(counts_of("log").fail(), 0U);
  for (const Failure* failure : results->failures()) {
    EXPECT_NE(failure->script.find(failure->operator_id + "("), std::string::npos) << failure->script;
    if (failure->operator_id == "sin") {
      EXPECT_EQ(failure->verdict.reason, "SIGSEGV");
    }
    if (failure->operator_id == "cos") {
      EXPECT_EQ(failure->verdict.reason, "exit status 3");
    }
  }
}

TEST_F(CampaignTest, ACrashIsShrunkInFreshChildren) {
  options.cases = 1;
  check(fake(), {"sin"}, {"vjp"});
  ASSERT_EQ(results->failures().size(), 1U);
  const Failure& failure = *results->failures()[0];
  EXPECT_TRUE(failure.shrunk);
  std::size_t lines = 0;
  std::size_t at = 0;
  while ((at = failure.script.find('\n', at)) != std::string::npos) {
    const std::size_t next = at + 1;
    lines += next < failure.script.size() && failure.script[next] != '#' ? 1 : 0;
    at = next;
  }
  EXPECT_LE(lines, 3U) << failure.script;
  EXPECT_NE(failure.script.find("sin("), std::string::npos) << failure.script;
}

TEST_F(CampaignTest, AMutantFailsItsOperatorAloneAndItsWitnessIsSmall) {
  check(find_engine("mutant:tanh-factor", {}), {"tanh", "log1p"}, {"vjp", "value"});
  EXPECT_GT(counts_of("tanh").wrong, 0U);
  EXPECT_EQ(counts_of("log1p").fail(), 0U);
  ASSERT_FALSE(results->failures().empty());
  for (const Failure* failure : results->failures()) {
    EXPECT_EQ(failure->property, "vjp");
    EXPECT_TRUE(failure->shrunk);
    EXPECT_LE(std::count(failure->script.begin(), failure->script.end(), '\n'), 9) << failure->script;
  }
}

TEST_F(CampaignTest, EqualRunsFindTheSameWhateverTheWorkers) {
  const auto found = [&](unsigned jobs) {
    options.jobs = jobs;
    check(find_engine("mutant:tanh-factor", {}), {"tanh", "add", "softmax"}, {});
    std::string text;
    for (const Row& row : results->rows()) {
      text += row.operator_id + " " + row.property + " " + std::to_string(row.counts.pass) + " " +
              std::to_string(row.counts.entries) + " " + std::to_string(row.resolutions.median()) + "\n";
    }
    for (const auto& [id, coverage] : results->coverage()) {
      text +=
          id + " " + std::to_string(coverage.counts().classes) + " " + std::to_string(coverage.counts().pairs) + "\n";
    }
    for (const Failure* failure : results->failures()) text += failure->script + failure->verdict.evidence.got + "\n";
    return text;
  };
  const std::string first = found(1);
  EXPECT_EQ(first, found(1));
  EXPECT_EQ(first, found(3));
  options.seed = 2;
  EXPECT_NE(first, found(1));
}

TEST_F(CampaignTest, CasesThatDieCountForTheCoverageAsOthersDo) {
  options.cases = 8;
  const auto covered = [&](const EngineSource& source) {
    check(source, {"sin"}, {"value"});
    EXPECT_EQ(results->coverage().size(), 1U);
    const Coverage::Counts counts = results->coverage().at("sin").counts();
    EXPECT_EQ(results->coverage_total().pairs, counts.pairs);
    return counts.classes;
  };
  EXPECT_GT(covered(fake()), 8U);  // each of them crashes
}

TEST_F(CampaignTest, TheTimeLimitEndsARunWithoutAnEnd) {
  options.cases.reset();
  options.time = std::chrono::milliseconds(300);
  const auto began = std::chrono::steady_clock::now();
  check(find_engine("reference", {}), {"add", "mul"}, {"value", "vjp"});
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
  EXPECT_GT(results->total().pass, 4U);
}

TEST_F(CampaignTest, AWaivedFailureIsCountedApart) {
  Waiver waiver;
  waiver.operators = "ta*";
  waiver.properties = "vjp";
  waiver.severity = "wrong";
  Waiver other = waiver;
  other.versions = {"2.*"};
  waivers.add({other, waiver});
  check(find_engine("mutant:tanh-factor", {}), {"tanh"}, {"vjp"});
  EXPECT_EQ(results->total().wrong, 0U);
  EXPECT_GT(results->total().waived, 0U);
  EXPECT_EQ(waivers.all()[0].used, 0U);
  EXPECT_FALSE(waivers.concerns(waivers.all()[0]));
  EXPECT_EQ(waivers.all()[1].used, results->total().waived);
}

TEST_F(CampaignTest, AnEngineThatDoesNotStartSaysWhy) {
  const EngineSource broken{"broken", "broken", "", false,
                            []() -> std::unique_ptr<Engine> { throw std::runtime_error("no disk"); }};
  try {
    facts_of(broken);
    FAIL() << "it started";
  } catch (const StartError& error) {
    EXPECT_NE(std::string(error.what()).find("no disk"), std::string::npos);
  }
}

TEST(Plan, RoundRobinOverPairsThenIndicesAndDtypes) {
  const EngineSource source = find_engine("reference", {});
  const Plan plan = make_plan(Registry::standard(), "reference", facts_of(source),
                              {{"sin", "cos"}, {"value", "vjp"}, {}, GP_CPU}, all_properties());
  ASSERT_EQ(plan.pairs.size(), 4U);
  for (std::uint64_t n = 0; n < 4; ++n) {
    EXPECT_EQ(plan.at(n).pair, n);
    EXPECT_EQ(plan.at(n).index, 0U);
    EXPECT_EQ(plan.at(n).dtype, GP_F32);
    EXPECT_EQ(plan.at(n + 4).index, 1U);
    EXPECT_EQ(plan.at(n + 4).dtype, GP_F64);
  }
}

}  // namespace
}  // namespace gradproof
