// gradproof mutants --derived: the kill matrix of what rules derive from the records.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "build_info.h"
#include "campaign/glob.h"
#include "campaign/kill_matrix.h"
#include "campaign/usage_error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/values.h"
#include "report/atomic_file.h"
#include "report/progress.h"
#include "report/report.h"
#include "script/near.h"

namespace gradproof {
namespace {

using Json = nlohmann::ordered_json;
using Fate = MutantTrial::Fate;

constexpr std::uint64_t default_cases = 100;  // the ordinary campaign's

// --- what was asked for ---

std::set<std::size_t> selected_rules(const std::vector<std::string>& given) {
  std::set<std::size_t> chosen;
  const auto& rules = mutation_rules();
  for (const std::string& glob : split_globs(given)) {
    bool any = false;
    for (std::size_t r = 0; r < rules.size(); ++r) {
      if (!glob_matches(glob, rules[r].name)) continue;
      chosen.insert(r);
      any = true;
    }
    if (any) continue;
    NearWords near(glob);
    for (const RuleInfo& rule : rules) near.offer(std::string(rule.name));
    throw UsageError("no rule matches '" + glob + "'" + near_text(near.best()) +
                     "; gradproof mutants --list names them");
  }
  return chosen;
}

std::vector<DerivedMutant> selected_mutants(const Options& options) {
  const Registry& registry = Registry::standard();
  const std::set<std::size_t> rules = selected_rules(options.rules);
  const auto entries = select_operators(registry, options.operators);
  const std::set<const Entry*> wanted(entries.begin(), entries.end());
  std::vector<DerivedMutant> mutants = derived_mutants(registry);
  std::erase_if(mutants, [&](const DerivedMutant& mutant) {
    return !wanted.contains(&registry.entries()[mutant.entry]) ||
           (!options.rules.empty() && !rules.contains(mutant.rule));
  });
  if (options.sample > 0) mutants = sample_of(mutants, options.sample);
  if (mutants.empty()) throw UsageError("none of these rules applies to any of these operators");
  return mutants;
}

KillOptions kill_options(const Options& options) {
  KillOptions kill;
  kill.seed = options.seed.empty() ? 1 : seed_from(options.seed);
  kill.cases = options.cases.value_or(default_cases);
  kill.table_cases = std::min(kill.table_cases, kill.cases);
  kill.dtypes = dtypes_from(options.dtypes);
  kill.limit = std::max(kill.limit, duration_from(options.timeout));
  kill.properties = select_properties(all_properties(), options.properties);
  kill.jobs = options.jobs;
  kill.isolate = isolation_from(options.isolate, options.memory);
  kill.interrupted = interrupted;
  if (!options.time.empty()) kill.deadline = std::chrono::steady_clock::now() + duration_from(options.time);
  return kill;
}

// --- what was found ---

struct RuleSummary {
  std::uint64_t mutants = 0;
  std::uint64_t killed = 0;
  std::uint64_t only_inaccurate = 0;  // of the killed ones: no property found them worse
  std::map<const Property*, std::uint64_t> shown_to{};
  std::map<const Property*, std::uint64_t> killed_by{};
  std::vector<std::uint64_t> cases_to_kill{};
  std::uint64_t equivalent_cases = 0;  // of all equivalent ones together
  std::vector<std::string> equivalent{};
  std::vector<const MutantTrial*> survived{};
  std::vector<std::string> survivors{};
  // Of a mutant, what happened.
  std::vector<std::pair<std::string, std::string>> deaths{};
  std::vector<std::pair<std::string, std::string>> internal_errors{};

  std::uint64_t median_cases() {
    if (cases_to_kill.empty()) return 0;
    const auto middle = cases_to_kill.begin() + std::ssize(cases_to_kill) / 2;
    std::nth_element(cases_to_kill.begin(), middle, cases_to_kill.end());
    return *middle;
  }
};

void add(RuleSummary& rule, const DerivedMutant& mutant, const MutantTrial& trial) {
  ++rule.mutants;
  if (!trial.internal_error.empty()) rule.internal_errors.emplace_back(mutant.name, trial.internal_error);
  Severity worst = Severity::none;
  for (const PropertyTrial& one : trial.properties) {
    if (one.shown > 0) ++rule.shown_to[one.property];
    if (!one.killed) continue;
    ++rule.killed_by[one.property];
    worst = std::max(worst, one.severity);
  }
  switch (trial.fate()) {
    case Fate::killed:
      ++rule.killed;
      if (trial.death.empty()) rule.cases_to_kill.push_back(trial.cases_to_kill);
      if (!trial.death.empty()) rule.deaths.emplace_back(mutant.name, trial.death);
      if (worst == Severity::inaccurate) ++rule.only_inaccurate;
      break;
    case Fate::equivalent:
      rule.equivalent.push_back(mutant.name);
      rule.equivalent_cases += trial.cases();
      break;
    case Fate::survived:
      rule.survivors.push_back(mutant.name);
      rule.survived.push_back(&trial);
      break;
  }
}

std::vector<RuleSummary> summed(const std::vector<DerivedMutant>& mutants,
                                const std::vector<std::optional<MutantTrial>>& trials) {
  std::vector<RuleSummary> rules(mutation_rules().size());
  for (std::size_t i = 0; i < mutants.size(); ++i) {
    if (trials[i]) add(rules[mutants[i].rule], mutants[i], *trials[i]);
  }
  return rules;
}

Json counts_of(const std::map<const Property*, std::uint64_t>& counts) {
  Json json = Json::object();
  for (const Property* property : all_properties()) {
    if (const auto found = counts.find(property); found != counts.end())
      json[std::string(property->id())] = found->second;
  }
  return json;
}

Json survivor_json(const std::string& name, const MutantTrial& trial) {
  Json json{{"mutant", name}, {"cases", trial.cases()}};
  std::uint64_t shown = 0;
  std::uint64_t undecided = 0;
  for (const PropertyTrial& one : trial.properties) {
    shown += one.shown;
    undecided += one.undecided;
  }
  json["shown"] = shown;
  json["undecided"] = undecided;
  json["deviation_u"] = std::isfinite(trial.deviation_u) ? Json(trial.deviation_u) : Json("inf");
  json["why_undecided"] = trial.undecided;
  json["difference"] = trial.difference;
  json["example"] = trial.example;
  return json;
}

Json rule_json(const RuleInfo& info, RuleSummary& rule) {
  Json json{{"rule", info.name},
            {"kind", info.kind},
            {"what", info.what},
            {"mutants", rule.mutants},
            {"killed", rule.killed},
            {"only_inaccurate", rule.only_inaccurate},
            {"died", rule.deaths.size()},
            {"median_cases_to_kill", rule.median_cases()},
            {"shown_to", counts_of(rule.shown_to)},
            {"killed_by", counts_of(rule.killed_by)},
            {"equivalent", rule.equivalent},
            {"equivalent_cases", rule.equivalent_cases}};
  json["survived"] = Json::array();
  for (std::size_t i = 0; i < rule.survivors.size(); ++i)
    json["survived"].push_back(survivor_json(rule.survivors[i], *rule.survived[i]));
  return json;
}

void write_json(const std::string& file, std::vector<RuleSummary>& rules, const KillOptions& kill,
                std::chrono::seconds took) {
  Json json;
  json["gradproof"] = {{"version", build_info::version}, {"commit", build_info::commit}};
  json["seed"] = kill.seed;
  json["cases"] = kill.cases;
  json["table_cases"] = kill.table_cases;
  json["jobs"] = kill.jobs;
  json["seconds"] = took.count();
  json["properties"] = Json::array();
  for (const Property* property : kill.properties) json["properties"].push_back(property->id());
  json["deaths"] = Json::array();
  json["internal_errors"] = Json::array();
  for (const RuleSummary& rule : rules) {
    for (const auto& [mutant, what] : rule.deaths) json["deaths"].push_back({{"mutant", mutant}, {"what", what}});
    for (const auto& [mutant, what] : rule.internal_errors)
      json["internal_errors"].push_back({{"mutant", mutant}, {"what", what}});
  }
  json["rules"] = Json::array();
  for (std::size_t r = 0; r < rules.size(); ++r) {
    if (rules[r].mutants > 0) json["rules"].push_back(rule_json(mutation_rules()[r], rules[r]));
  }
  write_atomically(file, json.dump(1) + "\n");
}

void print_table(std::vector<RuleSummary>& rules, const TextStyle& style) {
  std::size_t widest = 4;
  for (const RuleInfo& rule : mutation_rules()) widest = std::max(widest, rule.name.size());
  std::string text =
      "\n" + painted(padded("rule", widest) + "  mutants  killed  equivalent  survived", Paint::bold, style) + "\n";
  for (std::size_t r = 0; r < rules.size(); ++r) {
    const RuleSummary& rule = rules[r];
    if (rule.mutants == 0) continue;
    const auto column = [](std::uint64_t number, std::size_t width) {
      const std::string digits = grouped(number);
      return std::string(width - std::min(width, digits.size()), ' ') + digits;
    };
    text += padded(mutation_rules()[r].name, widest) + column(rule.mutants, 9) + column(rule.killed, 8) +
            column(rule.equivalent.size(), 12) + column(rule.survivors.size(), 10) + "\n";
  }
  std::fputs(text.c_str(), stdout);
}

struct Totals {
  std::uint64_t tried = 0;
  std::uint64_t killed = 0;
  std::uint64_t equivalent = 0;
  std::uint64_t survived = 0;
  std::uint64_t internal_errors = 0;

  explicit Totals(const std::vector<RuleSummary>& rules) {
    for (const RuleSummary& rule : rules) {
      tried += rule.mutants;
      killed += rule.killed;
      equivalent += rule.equivalent.size();
      survived += rule.survivors.size();
      internal_errors += rule.internal_errors.size();
    }
  }
};

void say(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

int list_mutants(const std::vector<DerivedMutant>& mutants) {
  std::string text;
  for (const DerivedMutant& mutant : mutants) text += mutant.name + "\n";
  say(text + plural(mutants.size(), "mutant") + "\n");
  return exit_pass;
}

}  // namespace

int run_derived_mutants(const Options& options) {
  const std::vector<DerivedMutant> mutants = selected_mutants(options);
  if (options.list) return list_mutants(mutants);
  const KillOptions kill = kill_options(options);
  const TextStyle style = TextStyle::of(stdout);
  say("seed " + seed_text(kill.seed) + " · " + plural(mutants.size(), "mutant") + " · up to " +
      plural(kill.cases, "case") + " of each property\n");
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::optional<MutantTrial>> trials(mutants.size());
  run_kill_matrix(Registry::standard(), mutants, kill, [&](std::size_t number, const MutantTrial& trial) {
    trials[number] = trial;
    if (!trial.internal_error.empty())
      std::fputs((mutants[number].name + ": " + trial.internal_error + "\n").c_str(), stderr);
    if (trial.fate() == Fate::survived) say(painted("survived ", Paint::bad, style) + mutants[number].name + "\n");
  });
  const auto took = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began);
  std::vector<RuleSummary> rules = summed(mutants, trials);
  print_table(rules, style);
  const Totals totals(rules);
  const std::string of_all = totals.tried < mutants.size() ? " of " + grouped(mutants.size()) : "";
  say("\n" + plural(totals.tried, "mutant") + of_all + " · " + grouped(totals.killed) + " killed · " +
      grouped(totals.equivalent) + " equivalent on every case · " + grouped(totals.survived) + " survived · " +
      std::to_string(took.count()) + " s\n");
  if (!options.json.empty()) write_json(options.json, rules, kill, took);
  if (interrupted()) return exit_interrupted;
  if (totals.internal_errors > 0) return exit_internal;
  if (totals.tried == 0) return exit_undecided;
  return totals.survived > 0 ? exit_failure : exit_pass;
}

}  // namespace gradproof
