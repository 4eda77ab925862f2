#include "campaign/kill_matrix.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace gradproof {
namespace {

using Fate = MutantTrial::Fate;

const Registry& registry() { return Registry::standard(); }

std::map<std::string, MutantTrial> trials_of(const std::vector<DerivedMutant>& mutants, const KillOptions& options) {
  std::map<std::string, MutantTrial> found;
  EXPECT_TRUE(run_kill_matrix(registry(), mutants, options, [&](std::size_t number, const MutantTrial& trial) {
    EXPECT_TRUE(found.emplace(mutants[number].name, trial).second) << mutants[number].name << " twice";
  }));
  return found;
}

KillOptions options_of(std::uint64_t cases, const std::vector<std::string>& properties = {}) {
  KillOptions options;
  options.cases = cases;
  options.table_cases = std::min<std::uint64_t>(options.table_cases, cases);
  options.properties = select_properties(all_properties(), properties);
  return options;
}

MutantTrial trial_of(const std::string& name, const KillOptions& options) {
  const auto mutant = find_derived(name, registry());
  if (!mutant) throw std::logic_error(name);
  return trials_of({*mutant}, options).at(name);
}

TEST(KillMatrix, TellsWhichPropertiesCatchAFault) {
  const MutantTrial trial = trial_of("vjp-sign/tanh", options_of(20, {"value", "vjp", "jvp"}));
  EXPECT_EQ(trial.fate(), Fate::killed);
  ASSERT_EQ(trial.properties.size(), 3U);
  EXPECT_EQ(trial.properties[0].shown, 0U) << "values are not the vjp's business";
  EXPECT_EQ(trial.properties[0].cases, 10U) << "a dead mutant's table is made of fewer cases";
  EXPECT_TRUE(trial.properties[1].killed);
  EXPECT_EQ(trial.properties[1].severity, Severity::wrong);
  EXPECT_LE(trial.cases_to_kill, 3 * trial.properties[1].cases);
  EXPECT_FALSE(trial.properties[2].killed);
}

TEST(KillMatrix, TellsWhatNoCaseShows) {
  // sign's gradient is zero: so is twice that.
  const MutantTrial trial = trial_of("vjp-factor/sign", options_of(20, {"value", "vjp"}));
  EXPECT_EQ(trial.fate(), Fate::equivalent);
  EXPECT_EQ(trial.cases(), 40U);
}

TEST(KillMatrix, TellsWhatShowsAndIsNotCaught) {
  // Where memory nobody wrote is the question, what numbers are there is not.
  const MutantTrial trial = trial_of("value-16u/exp", options_of(10, {"definedness"}));
  EXPECT_EQ(trial.fate(), Fate::survived);
  EXPECT_GT(trial.properties[0].shown, 0U);
  EXPECT_NE(trial.example.find("exp"), std::string::npos);
  EXPECT_NE(trial.difference.find(", not "), std::string::npos) << trial.difference;
}

TEST(KillMatrix, IsTheSameForAnyNumberOfWorkers) {
  std::vector<DerivedMutant> mutants = sample_of(derived_mutants(registry()), 12);
  KillOptions options = options_of(5, {"vjp", "jvp", "value"});
  const auto one = trials_of(mutants, options);
  options.jobs = 3;
  const auto three = trials_of(mutants, options);
  ASSERT_EQ(one.size(), three.size());
  for (const auto& [name, trial] : one) {
    EXPECT_EQ(trial.cases_to_kill, three.at(name).cases_to_kill) << name;
    EXPECT_EQ(trial.fate(), three.at(name).fate()) << name;
  }
}

TEST(KillMatrix, SamplesAreSpread) {
  const std::vector<DerivedMutant> all = derived_mutants(registry());
  const std::vector<DerivedMutant> sample = sample_of(all, 3 * mutation_rules().size());
  std::map<std::size_t, int> of_rule;
  std::set<std::string> names;
  std::set<std::size_t> operators;
  for (const DerivedMutant& mutant : sample) {
    ++of_rule[mutant.rule];
    names.insert(mutant.name);
    operators.insert(mutant.entry);
  }
  EXPECT_EQ(names.size(), sample.size());
  EXPECT_EQ(of_rule.size(), mutation_rules().size());
  EXPECT_GT(operators.size(), sample.size() / 2);
  EXPECT_EQ(sample_of({all.begin(), all.begin() + 5}, 100).size(), 5U);
}

// A sample of the whole matrix (docs/kill-matrix.md), by the ordinary campaign's cases.
TEST(KillMatrix, NothingOfASampleSurvives) {
  const std::vector<DerivedMutant> sample = sample_of(derived_mutants(registry()), 60);
  ASSERT_GE(sample.size(), mutation_rules().size()) << "one of each rule";
  std::size_t killed = 0;
  for (const auto& [name, trial] : trials_of(sample, options_of(100))) {
    EXPECT_NE(trial.fate(), Fate::survived) << name << "\n" << trial.example;
    EXPECT_EQ(trial.internal_error, "") << name;
    if (trial.fate() == Fate::killed) ++killed;
  }
  EXPECT_GE(killed, sample.size() * 2 / 3) << "most rules say by themselves where they are a fault";
}

}  // namespace
}  // namespace gradproof
