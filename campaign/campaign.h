// Runs a plan: every case generated, run and judged in workers, the failures made small.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "campaign/engines.h"
#include "campaign/isolate.h"
#include "campaign/journal.h"
#include "campaign/plan.h"
#include "campaign/results.h"

namespace gradproof {

struct CampaignOptions {
  std::uint64_t seed = 0;
  std::optional<std::uint64_t> cases{};             // for each operator and property; empty: until the time is up
  std::optional<std::chrono::milliseconds> time{};  // for all cases together
  std::chrono::milliseconds case_limit{10'000};
  unsigned jobs = 1;
  std::function<bool()> interrupted{};
  IsolateOptions isolate{};    // its mode and its limits of memory and output; what is told above is not read there
  Journal* journal = nullptr;  // what it knows is not run again, what is new is added to it
};

struct CampaignProgress {
  enum class Phase { checking, shrinking };
  Phase phase = Phase::checking;
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0: not known
  std::chrono::milliseconds elapsed{};
  std::optional<std::chrono::milliseconds> time{};  // of the whole, where it is limited
  std::uint64_t failures = 0;
};
using OnProgress = std::function<void(const CampaignProgress&)>;

// For workers that run cases of this plan.
IsolateOptions isolation_of(const Plan& plan, const CampaignOptions& options);

// Adds every finished case to the results, those of the journal first. False where it was interrupted. Throws
// StartError where the engine does not start.
bool run_cases(const Plan& plan, const EngineSource& source, const CampaignOptions& options, Results& results,
               const OnProgress& on_progress = {});

// Gives each failure its script, shrunk while the budget lasts; bounded by counts before time, so that equal
// runs end alike.
void make_witnesses(const Plan& plan, const EngineSource& source, const CampaignOptions& options, Results& results,
                    const OnProgress& on_progress = {});

// The property's verdict on a script; what the engine or we threw becomes a verdict too.
Verdict judge_guarded(const Property& property, Session& session, const Script& script);
Verdict verdict_of(const Death& death);

}  // namespace gradproof
