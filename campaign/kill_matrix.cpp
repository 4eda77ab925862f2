#include "campaign/kill_matrix.h"

#include <algorithm>
#include <map>

#include "campaign/engines.h"
#include "campaign/first_difference.h"
#include "campaign/verdict_codec.h"
#include "engine/reference.h"
#include "script/print.h"

namespace gradproof {

MutantTrial::Fate MutantTrial::fate() const {
  bool shown = false;
  for (const PropertyTrial& trial : properties) {
    if (trial.killed) return Fate::killed;
    shown = shown || trial.shown > 0;
  }
  if (!death.empty()) return Fate::killed;
  return shown ? Fate::survived : Fate::equivalent;
}

std::uint64_t MutantTrial::cases() const {
  std::uint64_t sum = 0;
  for (const PropertyTrial& trial : properties) sum += trial.cases;
  return sum;
}

namespace {

// Tries mutants one after the other; what does not depend on the mutant is made once.
class Trier {
 public:
  Trier(const Registry& registry, const KillOptions& options)
      : registry_(registry), options_(options), facts_(facts_of_reference(registry)) {}

  MutantTrial tried(const DerivedMutant& mutant) {
    const EngineSource source = find_engine("mutant:" + mutant.name, EnginePlaces{});
    const std::unique_ptr<Engine> engine = source.open();
    const std::unique_ptr<Engine> sound = make_reference(registry_, engine->info());
    Session session(registry_, *engine);
    const Plan& plan = plan_of(mutant.entry, engine->info());
    MutantTrial trial;
    for (const Pair& pair : plan.pairs) trial.properties.push_back({pair.property});
    bool killed = false;
    for (std::uint64_t index = 0; index < options_.cases && !(killed && index >= options_.table_cases); ++index) {
      for (std::size_t p = 0; p < plan.pairs.size(); ++p) {
        if (trial.properties[p].killed) continue;
        try_case(plan, {p, plan.pairs[p].dtypes[index % plan.pairs[p].dtypes.size()], index}, *sound, session, trial);
        if (!killed) ++trial.cases_to_kill;
        killed = killed || trial.properties[p].killed;
      }
    }
    return trial;
  }

 private:
  static EngineFacts facts_of_reference(const Registry& registry) {
    EngineFacts facts{reference_info(), {}};
    for (const Entry& entry : registry.entries()) facts.schemas.push_back(entry.schema.text);
    return facts;
  }

  // Mutants of one operator follow each other.
  const Plan& plan_of(std::size_t entry, const EngineInfo& info) {
    if (!planned_ || *planned_ != entry) {
      facts_.info = info;
      const Selection selection{{registry_.entries()[entry].id()}, {}, options_.dtypes, GP_CPU};
      plan_ = make_plan(registry_, info.name, facts_, selection, options_.properties);
      std::erase_if(plan_.pairs, [&](const Pair& pair) { return pair.entry != &registry_.entries()[entry]; });
      planned_ = entry;
    }
    plan_.engine = info.name;
    plan_.info = info;
    return plan_;
  }

  void try_case(const Plan& plan, const Case& which, Engine& sound, Session& session, MutantTrial& trial) {
    const Property& property = *plan.pairs[which.pair].property;
    PropertyTrial& found = trial.properties[which.pair];
    ++found.cases;
    generate_case(plan.name(which, options_.seed, plan.pairs[which.pair].entry->id()), property, plan.subject(which),
                  script_);
    if (!differs(sound, session)) return;
    if (difference_) ++found.shown;
    const Verdict verdict = judge_guarded(property, session, script_);
    found.killed = verdict.outcome == Outcome::fail;
    if (found.killed) found.severity = verdict.severity;
    if (verdict.outcome == Outcome::internal_error) trial.internal_error = verdict.reason;
    if (!difference_ || found.killed) return;
    if (verdict.outcome == Outcome::inconclusive || verdict.outcome == Outcome::unsupported) {
      ++found.undecided;
      if (trial.undecided.empty()) trial.undecided = std::string(property.id()) + ": " + verdict.reason;
    }
    if (verdict.outcome == Outcome::pass)
      trial.deviation_u = std::max(trial.deviation_u, largest_deviation_u(expected_, observed_));
    if (trial.example.empty()) {
      trial.example = print(script_);
      trial.difference = "step " + std::to_string(difference_->step) + ": " + difference_->what;
    }
  }

  // Whether there is anything to judge; difference_ tells whether a number is another.
  bool differs(Engine& sound, Session& session) {
    const gp_program program = script_.view();
    sound.prepare(program)->run(program.data, expected_);
    difference_ = Difference{0, "a broken answer"};
    try {
      observed_ = session.observe(script_);
      if (!first_difference(expected_, observed_, Sameness::conduct)) return false;
      difference_ = first_difference(expected_, observed_, Sameness::numbers);
    } catch (const EngineBroken&) {
      return true;
    }
    return true;
  }

  const Registry& registry_;
  const KillOptions& options_;
  EngineFacts facts_;
  Plan plan_;
  std::optional<std::size_t> planned_;
  Script script_;
  Observations expected_;
  Observations observed_;
  std::optional<Difference> difference_;
};

void append_trial(std::string& to, const MutantTrial& trial) {
  append_number(to, trial.cases_to_kill);
  append_text(to, trial.fate() == MutantTrial::Fate::survived ? trial.example : "");
  append_text(to, trial.difference);
  append_real(to, trial.deviation_u);
  append_text(to, trial.undecided);
  append_text(to, trial.internal_error);
  append_number(to, trial.properties.size());
  for (const PropertyTrial& one : trial.properties) {
    append_text(to, one.property->id());
    for (const std::uint64_t number : {one.cases, one.shown, one.undecided}) append_number(to, number);
    append_number(to, one.killed ? 1 : 0);
    append_number(to, static_cast<std::uint64_t>(one.severity));
  }
}

MutantTrial read_trial(std::string_view record) {
  ByteReader from(record);
  MutantTrial trial;
  trial.cases_to_kill = from.number();
  trial.example = from.text();
  trial.difference = from.text();
  trial.deviation_u = from.real();
  trial.undecided = from.text();
  trial.internal_error = from.text();
  trial.properties.resize(from.number());
  for (PropertyTrial& one : trial.properties) {
    one.property = find_property(from.text());
    for (std::uint64_t* number : {&one.cases, &one.shown, &one.undecided}) *number = from.number();
    one.killed = from.number() == 1;
    one.severity = static_cast<Severity>(from.number());
  }
  return trial;
}

}  // namespace

bool run_kill_matrix(const Registry& registry, std::span<const DerivedMutant> mutants, const KillOptions& options,
                     const OnTrial& on_trial) {
  IsolateOptions isolate = options.isolate;
  isolate.job_limit = options.limit;
  isolate.children = options.jobs;
  isolate.stop = options.interrupted;
  isolate.deadline = options.deadline;
  isolate.batch = 1;  // a fault may write where it should not: nobody else's memory
  const OpenJob open = [&] {
    auto trier = std::make_shared<Trier>(registry, options);
    return Job([trier, mutants](std::uint64_t number, std::string& record) {
      append_trial(record, trier->tried(mutants[number]));
    });
  };
  const JobListener listener{
      [&](std::uint64_t number, std::string_view record) { on_trial(number, read_trial(record)); },
      [&](std::uint64_t number, const Death& death) {
        MutantTrial trial;
        trial.death = death.how;
        on_trial(number, trial);
      }};
  return run_isolated(mutants.size(), open, listener, isolate);
}

namespace {

// FNV-1a, 32 bits.
std::uint32_t hash_of(std::string_view name) {
  std::uint32_t hash = 0x811c9dc5U;
  for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x01000193U;
  return hash;
}

}  // namespace

std::vector<DerivedMutant> sample_of(const std::vector<DerivedMutant>& mutants, std::size_t most) {
  std::map<std::size_t, std::map<std::pair<std::uint32_t, std::string_view>, const DerivedMutant*>> by_rule;
  for (const DerivedMutant& mutant : mutants) by_rule[mutant.rule][{hash_of(mutant.name), mutant.name}] = &mutant;
  std::vector<DerivedMutant> sample;
  while (sample.size() < std::min(most, mutants.size())) {
    for (auto& [rule, left] : by_rule) {
      if (left.empty() || sample.size() == most) continue;
      sample.push_back(*left.begin()->second);
      left.erase(left.begin());
    }
  }
  return sample;
}

}  // namespace gradproof
