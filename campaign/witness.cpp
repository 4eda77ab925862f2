// Failures made small, each in a child of its own engine.
#include <algorithm>
#include <limits>
#include <memory>
#include <set>

#include "campaign/campaign.h"
#include "campaign/shrink_failure.h"
#include "campaign/verdict_codec.h"
#include "script/print.h"

namespace gradproof {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr ShrinkLimits limits_in_process{1500, milliseconds(5000)};
// Each candidate costs a fork.
constexpr ShrinkLimits limits_of_deaths{100, milliseconds(5000)};
constexpr milliseconds most_for_all{60'000};
constexpr milliseconds least_for_all{5000};
constexpr milliseconds grace{20'000};
// Enough to tell a hang from an answer while candidates are tried; the smallest is then given the full limit.
constexpr milliseconds most_for_hang{1000};

class WitnessMaker {
 public:
  WitnessMaker(const Plan& plan, const EngineSource& source, const CampaignOptions& options)
      : plan_(plan), source_(source), options_(options) {
    if (plan.device != GP_CUDA) engine();
  }

  // The script, and the verdict on it, as bytes.
  std::string make(const Failure& failure, bool shrunk) {
    const Pair& pair = plan_.pairs[failure.which.pair];
    Script script;
    generate_case(plan_.name(failure.which, options_.seed, failure.operator_id), *pair.property,
                  plan_.subject(failure.which), script);
    Verdict verdict = failure.verdict;
    if (shrunk && failure.verdict.outcome != Outcome::internal_error) {
      const bool died = failure.verdict.outcome == Outcome::crash || failure.verdict.outcome == Outcome::timeout;
      script = died ? small_death(failure, pair, script) : small_failure(pair, script, verdict);
    }
    head(script, failure);
    std::string bytes;
    append_text(bytes, print(script, &plan_.registry->schemas()));
    append_verdict(bytes, verdict);
    return bytes;
  }

 private:
  void head(Script& script, const Failure& failure) const {
    const CaseName name = plan_.name(failure.which, options_.seed, failure.operator_id);
    std::erase_if(script.comments, [](const std::string& comment) { return comment.starts_with("property:"); });
    script.comments.insert(script.comments.begin(),
                           {"property: " + failure.property, "engine: " + plan_.engine,
                            "case: seed " + std::to_string(name.seed) + ", operator " + failure.operator_id +
                                ", dtype " + name_of(name.dtype) + ", index " + std::to_string(name.index)});
  }

  // On CUDA opened when first needed, for there what forks must not have used it.
  Engine& engine() {
    if (!engine_) engine_ = source_.open();
    return *engine_;
  }

  Script small_failure(const Pair& pair, const Script& script, Verdict& verdict) {
    Session session(*plan_.registry, engine());
    return shrink_failure(*plan_.registry, *pair.property, *pair.entry, session, script, verdict, limits_in_process);
  }

  // The engine is loaded here and computes in a child's child, so that each candidate costs two forks and no more.
  Script small_death(const Failure& failure, const Pair& pair, const Script& script) {
    const Verdict& wanted = failure.verdict;
    const bool hangs = wanted.outcome == Outcome::timeout;
    const milliseconds limit = hangs ? std::min(options_.case_limit, most_for_hang) : options_.case_limit;
    const auto same = [&](const Script& candidate) {
      return calls(candidate, *pair.entry) && dies_of(wanted, *pair.property, candidate, limit);
    };
    if (!calls(script, *pair.entry) || wanted.reason.ends_with(not_alone)) return script;
    Script small = shrink(script, plan_.registry->schemas(), {same}, limits_of_deaths);
    const bool proved = limit == options_.case_limit || dies_of(wanted, *pair.property, small, options_.case_limit);
    return proved ? small : script;
  }

  bool dies_of(const Verdict& wanted, const Property& property, const Script& candidate, milliseconds limit) {
    std::optional<Verdict> death;
    const OpenJob open = [&] {
      Engine& opened = engine();
      return Job([&](std::uint64_t, std::string& record) {
        Session session(*plan_.registry, opened);
        append_verdict(record, judge_guarded(property, session, candidate));
      });
    };
    IsolateOptions isolate = isolation_of(plan_, options_);
    isolate.job_limit = limit;
    run_isolated(
        1, open,
        {[](std::uint64_t, std::string_view) {}, [&](std::uint64_t, const Death& died) { death = verdict_of(died); }},
        isolate);
    if (!death || death->outcome != wanted.outcome) return false;
    return wanted.outcome == Outcome::timeout || death->reason == wanted.reason;
  }

  const Plan& plan_;
  const EngineSource& source_;
  const CampaignOptions& options_;
  std::unique_ptr<Engine> engine_{};
};

void take(Failure& failure, std::string_view record, bool shrunk, Journal* journal) {
  ByteReader reader(record);
  std::string script = reader.text();
  failure.verdict = read_verdict(reader);
  failure.script = std::move(script);
  failure.shrunk = shrunk;
  if (journal != nullptr && shrunk) journal->add_witness(failure.number, failure.script, failure.verdict);
}

// What an earlier run made. The rest is left.
std::vector<Failure*> recall(const Journal* journal, const std::vector<Failure*>& failures) {
  std::vector<Failure*> left;
  for (Failure* failure : failures) {
    const RecordedWitness* witness = journal == nullptr ? nullptr : journal->witness(failure->number);
    if (witness == nullptr) {
      left.push_back(failure);
      continue;
    }
    failure->script = witness->script;
    failure->verdict = witness->verdict;
    failure->shrunk = true;
  }
  return left;
}

// Those that died, or came too late, in the order of the list.
std::vector<Failure*> make_all(const Plan& plan, const EngineSource& source, const CampaignOptions& options,
                               const std::vector<Failure*>& failures, bool shrunk, const IsolateOptions& isolate) {
  const OpenJob open = [&] {
    auto maker = std::make_shared<WitnessMaker>(plan, source, options);
    return Job([&failures, maker, shrunk](std::uint64_t number, std::string& record) {
      record = maker->make(*failures[static_cast<std::size_t>(number)], shrunk);
    });
  };
  run_isolated(failures.size(), open,
               {[&](std::uint64_t number, std::string_view record) {
                  take(*failures[static_cast<std::size_t>(number)], record, shrunk, options.journal);
                },
                [](std::uint64_t, const Death&) {}},
               isolate);
  std::vector<Failure*> left;
  for (Failure* failure : failures) {
    if (failure->script.empty()) left.push_back(failure);
  }
  return left;
}

// The first of each operator and kind come first: where the time does not reach for all, it reaches for these.
std::vector<Failure*> in_order_of_need(std::vector<Failure*> failures) {
  std::set<std::string> seen;
  std::stable_partition(failures.begin(), failures.end(), [&](const Failure* failure) {
    return seen.insert(failure->operator_id + '\n' + kind_of(failure->verdict)).second;
  });
  return failures;
}

// A quarter of a limited run may go to its failures.
milliseconds time_for(const CampaignOptions& options) {
  if (!options.time) return most_for_all;
  return std::clamp(*options.time / 4, least_for_all, most_for_all);
}

}  // namespace

void make_witnesses(const Plan& plan, const EngineSource& source, const CampaignOptions& options, Results& results,
                    const OnProgress& on_progress) {
  const std::vector<Failure*> failures = in_order_of_need(recall(options.journal, results.failures()));
  if (failures.empty()) return;
  const auto began = Clock::now();
  CampaignProgress progress;
  progress.phase = CampaignProgress::Phase::shrinking;
  progress.total = failures.size();
  IsolateOptions isolate = isolation_of(plan, options);
  isolate.job_limit = limits_in_process.time + 2 * options.case_limit + grace;
  isolate.children = options.jobs;
  isolate.batch = 1;  // a worker that computed should not fork
  isolate.waiting = [&] {
    progress.elapsed = std::chrono::duration_cast<milliseconds>(Clock::now() - began);
    progress.done = 0;
    for (const Failure* failure : failures) progress.done += failure->script.empty() ? 0 : 1;
    if (on_progress) on_progress(progress);
    if (options.journal != nullptr) options.journal->flush();
  };
  const bool interrupted = options.interrupted && options.interrupted();
  std::vector<Failure*> left = failures;
  if (!interrupted) {
    isolate.deadline = began + time_for(options);
    isolate.stop = options.interrupted;
    left = make_all(plan, source, options, failures, true, isolate);
  }
  // What could not be shrunk is shown as it was found.
  isolate.deadline = Clock::now() + grace;
  isolate.stop = {};
  if (!left.empty()) make_all(plan, source, options, left, false, isolate);
}

}  // namespace gradproof
