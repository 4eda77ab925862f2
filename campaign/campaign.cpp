#include "campaign/campaign.h"

#include <limits>
#include <memory>

#include "campaign/verdict_codec.h"

namespace gradproof {
namespace {

using Clock = std::chrono::steady_clock;

// Everything a worker needs, made in the worker.
struct Worker {
  Worker(const Plan& given, const EngineSource& source, std::uint64_t run_seed)
      : plan(given), seed(run_seed), engine(source.open()), session(*plan.registry, *engine) {
    for (const Pair& pair : plan.pairs) operator_ids.push_back(pair.entry->id());
  }

  Verdict check(std::uint64_t number) {
    const Case which = plan.at(number);
    const Property& property = *plan.pairs[which.pair].property;
    try {
      generate_case(plan.name(which, seed, operator_ids[which.pair]), property, plan.subject(which), script);
    } catch (const std::exception& error) {
      Verdict verdict;
      verdict.outcome = Outcome::internal_error;
      verdict.reason = std::string("no case could be made: ") + error.what();
      return verdict;
    }
    return judge_guarded(property, session, script);
  }

  const Plan& plan;
  std::uint64_t seed;
  std::unique_ptr<Engine> engine;
  Session session;
  std::vector<std::string> operator_ids;
  Script script;
};

}  // namespace

Verdict judge_guarded(const Property& property, Session& session, const Script& script) {
  try {
    return property.judge(session, script);
  } catch (const EngineBroken& error) {
    Verdict verdict;
    verdict.outcome = Outcome::fail;
    verdict.severity = Severity::misbehaving;
    verdict.reason = "the engine's answer is broken";
    verdict.evidence.what = "the engine's answer";
    verdict.evidence.expected = "observations of the script";
    verdict.evidence.got = error.what();
    return verdict;
  } catch (const std::exception& error) {
    Verdict verdict;
    verdict.outcome = Outcome::internal_error;
    verdict.reason = error.what();
    return verdict;
  }
}

Verdict verdict_of(const Death& death) {
  Verdict verdict;
  verdict.outcome = death.timeout ? Outcome::timeout : Outcome::crash;
  verdict.reason = death.how;
  verdict.evidence.what = "the engine's process";
  verdict.evidence.expected = "an answer";
  verdict.evidence.got = death.how;
  return verdict;
}

bool run_cases(const Plan& plan, const EngineSource& source, const CampaignOptions& options, Results& results,
               const OnProgress& on_progress) {
  if (plan.pairs.empty()) return true;
  std::uint64_t count = std::numeric_limits<std::uint64_t>::max() / 2;
  if (options.cases && *options.cases < count / plan.pairs.size()) count = *options.cases * plan.pairs.size();
  const auto began = Clock::now();
  CampaignProgress progress;
  progress.total = options.cases ? count : 0;
  progress.time = options.time;
  IsolateOptions isolate;
  isolate.job_limit = options.case_limit;
  isolate.children = options.jobs;
  if (options.time) isolate.deadline = began + *options.time;
  isolate.stop = options.interrupted;
  isolate.waiting = [&] {
    progress.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    if (on_progress) on_progress(progress);
  };
  const OpenJob open = [&] {
    auto worker = std::make_shared<Worker>(plan, source, options.seed);
    return Job([worker](std::uint64_t number, std::string& record) { append_verdict(record, worker->check(number)); });
  };
  const auto finished = [&](std::uint64_t number, const Verdict& verdict, const std::string& last_words) {
    ++progress.done;
    if (verdict.outcome != Outcome::pass && verdict.outcome != Outcome::inconclusive &&
        verdict.outcome != Outcome::unsupported) {
      ++progress.failures;
    }
    results.add(number, verdict, last_words);
  };
  run_isolated(
      count, open,
      {[&](std::uint64_t number, std::string_view record) {
         ByteReader reader(record);
         finished(number, read_verdict(reader), {});
       },
       [&](std::uint64_t number, const Death& death) { finished(number, verdict_of(death), death.last_words); }},
      isolate);
  return !(options.interrupted && options.interrupted());
}

}  // namespace gradproof
