#include "oracle/directional.h"

#include <fmt/format.h>

#include "oracle/describe.h"
#include "oracle/directional_judge.h"

namespace gradproof {

namespace {

// Σ w·(ball) of the entries a direction combines; infinite where one of them is.
struct Range {
  long double low = 0, high = 0;
};

Range enclosed(const Judge& judge, const Directional& oracle, const Finding& finding) {
  Range range;
  for (std::size_t i = 0; i < finding.w.size(); ++i) {
    if (finding.w[i] == 0) continue;
    const auto [step, element] = oracle.place_of(i);
    const Judge::Ball64 ball = judge.enclosure(step, element);
    if (!std::isfinite(ball.mid) || !std::isfinite(ball.rad)) return {-HUGE_VALL, HUGE_VALL};
    const long double middle = static_cast<long double>(finding.w[i]) * ball.mid;
    const long double radius = std::fabs(static_cast<long double>(finding.w[i])) * ball.rad;
    range.low += middle - radius;
    range.high += middle + radius;
  }
  return range;
}

}  // namespace

Verdict judge_by_differences(Engine& engine, const Script& script, const Observations& seen) {
  return Directional(engine, script, seen).judge();
}

Verdict audit(const Judge& judge, Engine& engine, const Script& script, const Observations& seen,
              const Verdict& of_enclosure) {
  if (!of_enclosure.decided()) return of_enclosure;
  Directional oracle(engine, script, seen);
  const Verdict of_differences = oracle.judge();
  // A failing engine may compute another function; then the two oracles need not agree. Where its
  // derivative is that of its values, they must.
  if (of_enclosure.outcome == Outcome::fail && of_differences.outcome != Outcome::pass) return of_enclosure;
  for (const Finding& finding : oracle.findings()) {
    if (!finding.judged) continue;
    const Range range = enclosed(judge, oracle, finding);
    const double low = finding.low - finding.slack, high = finding.high + finding.slack;
    if (range.low <= static_cast<long double>(high) && range.high >= static_cast<long double>(low)) continue;
    Verdict verdict = of_enclosure;
    verdict.outcome = Outcome::internal_error;
    verdict.severity = Severity::none;
    verdict.reason = fmt::format("the enclosure and differences disagree: [{:.9g}, {:.9g}] and [{:.9g}, {:.9g}]",
                                 static_cast<double>(range.low), static_cast<double>(range.high), low, high);
    const std::size_t entry = finding.single.value_or(0);
    const auto [step, element] = oracle.place_of(entry);
    verdict.evidence.step = step;
    verdict.evidence.what = describe_entry(script, seen, step, element);
    verdict.evidence.expected = fmt::format("{} by {}", describe_ball(judge.enclosure(step, element)), "the enclosure");
    verdict.evidence.got = fmt::format("{:.9g} ± {:.1e} by differences ({})", (low + high) / 2, (high - low) / 2,
                                       name_of(finding.along.status));
    return verdict;
  }
  return of_enclosure;
}

}  // namespace gradproof
