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

  Verdict check(std::uint64_t number, Met& met) {
    const Case which = plan.at(number);
    const Property& property = *plan.pairs[which.pair].property;
    try {
      met = generate_case(plan.name(which, seed, operator_ids[which.pair]), property, plan.subject(which), script);
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

IsolateOptions isolation_of(const Plan& plan, const CampaignOptions& options) {
  IsolateOptions isolate = options.isolate;
  isolate.job_limit = options.case_limit;
  if (plan.device == GP_CUDA) isolate.open_before_fork = false;  // CUDA does not survive a fork
  return isolate;
}

namespace {

class CaseRun {
 public:
  CaseRun(const Plan& plan, const EngineSource& source, const CampaignOptions& options, Results& results,
          const OnProgress& on_progress)
      : plan_(plan), source_(source), options_(options), results_(results), on_progress_(on_progress) {
    if (options.cases && *options.cases < count_ / plan.pairs.size()) count_ = *options.cases * plan.pairs.size();
    progress_.total = options.cases ? count_ : 0;
    progress_.time = options.time;
  }

  void run() {
    if (options_.journal != nullptr) recall(*options_.journal);
    const OpenJob open = [this] {
      auto worker = std::make_shared<Worker>(plan_, source_, options_.seed);
      return Job([worker](std::uint64_t number, std::string& record) {
        Met met;
        append_verdict(record, worker->check(number, met));
        append_met(record, met);
      });
    };
    const JobListener listener{[this](std::uint64_t number, std::string_view record) {
                                 ByteReader reader(record);
                                 const Verdict verdict = read_verdict(reader);
                                 results_.add_met(number, read_met(reader));
                                 finished(number, verdict, {});
                               },
                               [this](std::uint64_t number, const Death& death) {
                                 results_.add_met(number, met_of(number));
                                 finished(number, verdict_of(death), death.last_words);
                               }};
    run_isolated(count_, open, listener, isolation());
    wait();
    note_time();
  }

 private:
  void recall(const Journal& journal) {
    before_ = journal.elapsed();
    journal.replay([this](std::uint64_t number, const Verdict& verdict, const std::string& last_words) {
      if (number >= count_) return;
      results_.add_met(number, met_of(number));
      count(number, verdict, last_words);
    });
  }

  // Of a case that no worker tells of.
  Met met_of(std::uint64_t number) const {
    const Case which = plan_.at(number);
    const Pair& pair = plan_.pairs[which.pair];
    Script script;
    try {
      return generate_case(plan_.name(which, options_.seed, pair.entry->id()), *pair.property, plan_.subject(which),
                           script);
    } catch (const std::exception&) {
      return {};  // no case could be made, and its verdict says so
    }
  }

  IsolateOptions isolation() {
    IsolateOptions isolate = isolation_of(plan_, options_);
    isolate.children = options_.jobs;
    if (options_.time) isolate.deadline = began_ + *options_.time - before_;
    isolate.stop = options_.interrupted;
    isolate.waiting = [this] { wait(); };
    if (options_.journal != nullptr) {
      isolate.skip = [journal = options_.journal](std::uint64_t number) { return journal->decided(number); };
    }
    return isolate;
  }

  void count(std::uint64_t number, const Verdict& verdict, const std::string& last_words) {
    ++progress_.done;
    if (verdict.outcome != Outcome::pass && verdict.outcome != Outcome::inconclusive &&
        verdict.outcome != Outcome::unsupported) {
      ++progress_.failures;
    }
    results_.add(number, verdict, last_words);
  }

  void finished(std::uint64_t number, const Verdict& verdict, const std::string& last_words) {
    count(number, verdict, last_words);
    if (options_.journal != nullptr) options_.journal->add_verdict(number, verdict, last_words);
  }

  void wait() {
    progress_.elapsed = before_ + std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_);
    if (on_progress_) on_progress_(progress_);
    if (options_.journal == nullptr) return;
    if (progress_.elapsed - noted_ > std::chrono::seconds(1)) note_time();
    options_.journal->flush();
  }

  void note_time() {
    if (options_.journal == nullptr) return;
    noted_ = progress_.elapsed;
    options_.journal->add_elapsed(noted_);
    options_.journal->flush();
  }

  const Plan& plan_;
  const EngineSource& source_;
  const CampaignOptions& options_;
  Results& results_;
  const OnProgress& on_progress_;
  std::uint64_t count_ = std::numeric_limits<std::uint64_t>::max() / 2;
  Clock::time_point began_ = Clock::now();
  std::chrono::milliseconds before_{};  // spent by the runs that the journal tells of
  std::chrono::milliseconds noted_{};
  CampaignProgress progress_;
};

}  // namespace

bool run_cases(const Plan& plan, const EngineSource& source, const CampaignOptions& options, Results& results,
               const OnProgress& on_progress) {
  if (plan.pairs.empty()) return true;
  CaseRun(plan, source, options, results, on_progress).run();
  return !(options.interrupted && options.interrupted());
}

}  // namespace gradproof
