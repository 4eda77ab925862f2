#include "properties/second_opinion.h"

#include "oracle/directional.h"

namespace gradproof {

namespace {

// An audit runs a script several hundred times.
constexpr std::uint64_t audited_one_in = 50;

// A function of the numbers in the script, so that a case is audited in every run of it or in none.
bool is_audited(const Script& script) {
  std::uint64_t mixed = 0x9e3779b97f4a7c15U + script.steps.size();
  for (const auto byte : script.data) {
    mixed = (mixed ^ static_cast<std::uint64_t>(byte)) * 0xff51afd7ed558ccdU;
    mixed ^= mixed >> 33U;
  }
  return mixed % audited_one_in == 0;
}

}  // namespace

Verdict judge_first_derivative(Session& session, const Script& script) {
  const Observations& seen = session.observe(script);
  const Verdict verdict = session.judge().judge(script, seen);
  if (verdict.outcome == Outcome::unsupported && verdict.reason.starts_with("not in the reference")) {
    const Verdict by_differences = judge_by_differences(session.engine(), script, seen);
    return by_differences.outcome == Outcome::unsupported ? verdict : by_differences;
  }
  return is_audited(script) ? audit(session.judge(), session.engine(), script, seen, verdict) : verdict;
}

}  // namespace gradproof
