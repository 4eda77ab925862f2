#include "fixtures/mutants/mutants.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "campaign/campaign.h"
#include "campaign/usage_error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/values.h"
#include "report/progress.h"
#include "report/report.h"

namespace gradproof {
namespace {

constexpr std::uint64_t default_cases = 40;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "–" : text;
}

// Property ids, in the order of all_properties(), that found something wrong with it.
struct Trial {
  std::vector<std::string> flagged{};
  std::uint64_t cases = 0;
  std::uint64_t internal_errors = 0;
};

Trial tried(const MutantInfo& mutant, const Options& options, const CampaignOptions& campaign) {
  const EngineSource source = find_engine("mutant:" + mutant.name, EnginePlaces{});
  Selection selection{mutant.operators, options.properties, dtypes_from(options.dtypes), mutant.device};
  if (!options.operators.empty()) selection.operators = options.operators;
  const Plan plan =
      make_plan(Registry::standard(), source.name, facts_of(source, campaign.isolate), selection, all_properties());
  Waivers none("");
  Results results(plan, none);
  run_cases(plan, source, campaign, results);
  std::map<std::string, Counts> by_property;
  for (const Row& row : results.rows()) by_property[row.property] += row.counts;
  Trial trial;
  for (const Property* property : all_properties()) {
    const Counts& counts = by_property[std::string(property->id())];
    trial.cases += counts.cases();
    trial.internal_errors += counts.internal_error;
    if (counts.fail() + counts.crash + counts.timeout > 0) trial.flagged.emplace_back(property->id());
  }
  return trial;
}

bool contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// What the mutant's own description asks and the trial did not show; "" where all is as it should be.
std::string complaint(const MutantInfo& mutant, const Trial& trial, const std::vector<const Property*>& selected) {
  std::vector<std::string> blamed;
  for (const Property* property : selected) {
    const std::string id(property->id());
    const bool flagged = contains(trial.flagged, id);
    if (mutant.equivalent ? flagged : contains(mutant.caught_by, id) && !flagged) blamed.push_back(id);
  }
  if (blamed.empty()) return "";
  return (mutant.equivalent ? "wrongly flagged by " : "not caught by ") + joined(blamed);
}

}  // namespace

int run_mutants(const Options& options) {
  if (options.derived || !options.rules.empty() || options.sample > 0 || options.list)
    return run_derived_mutants(options);
  if (!options.json.empty()) throw UsageError("--json goes with --derived or --rules");
  CampaignOptions campaign;
  campaign.seed = options.seed.empty() ? 1 : seed_from(options.seed);
  campaign.cases = options.cases.value_or(default_cases);
  if (!options.time.empty()) campaign.time = duration_from(options.time);
  campaign.case_limit = duration_from(options.timeout);
  campaign.jobs = options.jobs;
  campaign.isolate = isolation_from(options.isolate, options.memory);
  campaign.interrupted = interrupted;
  const auto selected = select_properties(all_properties(), options.properties);
  if (!options.operators.empty()) select_operators(Registry::standard(), options.operators);
  const TextStyle style = TextStyle::of(stdout);
  std::size_t widest = 6;
  for (const MutantInfo& mutant : all_mutants()) widest = std::max(widest, mutant.name.size());
  std::fputs(("seed " + seed_text(campaign.seed) + "\n\n").c_str(), stdout);
  std::uint64_t complaints = 0;
  std::uint64_t internal_errors = 0;
  std::uint64_t tried_count = 0;
  for (const MutantInfo& mutant : all_mutants()) {
    if (interrupted()) break;
    const Trial trial = tried(mutant, options, campaign);
    ++tried_count;
    internal_errors += trial.internal_errors;
    const std::string wrong = complaint(mutant, trial, selected);
    complaints += wrong.empty() ? 0 : 1;
    std::string text = painted(wrong.empty() ? "✓ " : "✗ ", wrong.empty() ? Paint::good : Paint::bad, style) +
                       padded(mutant.name, widest) + (mutant.equivalent ? "  equivalent: " : "  caught by: ") +
                       joined(trial.flagged);
    if (!wrong.empty()) text += "; " + wrong;
    std::fputs((text + "\n").c_str(), stdout);
    std::fflush(stdout);
  }
  std::fputs(("\n" + plural(tried_count, "mutant") + " · " + grouped(complaints) + " not as expected\n").c_str(),
             stdout);
  if (interrupted()) return exit_interrupted;
  if (internal_errors > 0) return exit_internal;
  return complaints > 0 ? exit_failure : exit_pass;
}

}  // namespace gradproof
