// Which properties catch which derived mutant (fixtures/mutants/derived/rules.h), and which faults no case shows.
//
// Each mutant is tried on its own operator, by cases that `gradproof check mutant:NAME` would draw, property by
// property in turn. Cases run on the reference, too: where both show the same there is nothing to judge, for the
// reference's own verdict is no news. A mutant whose numbers are the reference's in every case is equivalent, as far as
// the cases go.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "campaign/campaign.h"
#include "fixtures/mutants/derived/rules.h"

namespace gradproof {

struct PropertyTrial {
  const Property* property = nullptr;
  std::uint64_t cases = 0;
  std::uint64_t shown = 0;      // cases in which the mutant's numbers differ from the reference's (Sameness::numbers)
  std::uint64_t undecided = 0;  // of these: inconclusive or unsupported
  bool killed = false;          // by the last of the cases
  Severity severity = Severity::none;
};

struct MutantTrial {
  enum class Fate { killed, survived, equivalent };

  std::vector<PropertyTrial> properties{};
  std::uint64_t cases_to_kill = 0;  // over all properties in turn, up to the one that killed it first
  std::string death{};              // of a mutant that crashed or did not answer
  std::string example{};            // of a survivor: a script in which the fault shows,
  std::string difference{};         // and where
  double deviation_u = 0;           // the largest that was judged right (largest_deviation_u)
  std::string undecided{};          // why, of the first such case
  std::string internal_error{};     // what went wrong with us

  Fate fate() const;
  std::uint64_t cases() const;
};

struct KillOptions {
  std::uint64_t seed = 1;
  std::uint64_t cases = 100;       // for each property, until it kills
  std::uint64_t table_cases = 10;  // for each property of a mutant that is dead already
  std::vector<const Property*> properties{};
  std::vector<gp_dtype> dtypes{};           // empty: those that are checked unasked
  std::chrono::milliseconds limit{60'000};  // for each mutant
  unsigned jobs = 1;
  IsolateOptions isolate{};
  std::function<bool()> interrupted{};
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

// f(number of the mutant, what was found) in the order in which they are done, which --jobs may change.
using OnTrial = std::function<void(std::size_t, const MutantTrial&)>;

// False where it was stopped before all were tried.
bool run_kill_matrix(const Registry& registry, std::span<const DerivedMutant> mutants, const KillOptions& options,
                     const OnTrial& on_trial);

// As many as `most`, of every rule in turn; which of a rule's mutants is decided by a hash of their names, so that a
// new operator changes little.
std::vector<DerivedMutant> sample_of(const std::vector<DerivedMutant>& mutants, std::size_t most);

}  // namespace gradproof
