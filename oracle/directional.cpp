#include "oracle/directional.h"

#include <fmt/format.h>

#include <optional>

#include "oracle/describe.h"
#include "oracle/directional_judge.h"

namespace gradproof {

namespace {

constexpr double by_far_radii = 8;

// Σ w·(ball) of the entries a direction combines; infinite where one of them is.
struct Range {
  long double low = 0, high = 0;
};

Range enclosed(Judge& judge, const Directional& oracle, const Finding& finding) {
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

// Beyond 2^52 a step of one unit is lost in rounding: floor is the identity there, and sin is noise.
bool steps_are_seen(const Script& script) {
  for (const gp_tensor& tensor : script.tensors) {
    if (tensor.memory != GP_GIVEN || !is_floating(static_cast<gp_dtype>(tensor.dtype))) continue;
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) {
      if (std::fabs(script.element(tensor, i)) >= 0x1p52) return false;
    }
  }
  return true;
}

// The first combination of which the two have nothing in common, as an internal error; nothing where they agree.
std::optional<Verdict> disagreement(Judge& judge, Engine& engine, const Script& script, const Observations& seen,
                                    const Verdict& of_enclosure) {
  if (!of_enclosure.decided() || !steps_are_seen(script)) return std::nullopt;
  Directional oracle(engine, script, seen);
  const Verdict of_differences = oracle.judge();
  // A failing engine may compute another function; then the two oracles need not agree. Where its
  // derivative is that of its values, they must.
  if (of_enclosure.outcome == Outcome::fail && of_differences.outcome != Outcome::pass) return std::nullopt;
  for (const Finding& finding : oracle.findings()) {
    // A quotient that overflowed is no opinion.
    if (!finding.judged || !std::isfinite(finding.low) || !std::isfinite(finding.high)) continue;
    const Range range = enclosed(judge, oracle, finding);
    const double middle = (finding.low + finding.high) / 2, reach = by_far_radii * finding.radius();
    const double low = middle - reach, high = middle + reach;
    if (range.low <= static_cast<long double>(high) && range.high >= static_cast<long double>(low)) continue;
    Verdict verdict = of_enclosure;
    verdict.outcome = Outcome::internal_error;
    verdict.severity = Severity::none;
    verdict.reason =
        fmt::format("the enclosure and differences disagree: [{:.9g}, {:.9g}] and {:.9g} ± {:.1e}",
                    static_cast<double>(range.low), static_cast<double>(range.high), middle, finding.radius());
    const auto [step, element] = oracle.place_of(finding.single.value_or(0));
    verdict.evidence.step = step;
    verdict.evidence.what = finding.single ? describe_entry(script, seen, step, element) : describe_step(script, step);
    verdict.evidence.expected =
        fmt::format("{:.9g} by the enclosure", static_cast<double>((range.low + range.high) / 2));
    verdict.evidence.got =
        fmt::format("{:.9g} ± {:.1e} by differences ({})", middle, finding.radius(), name_of(finding.along.status));
    return verdict;
  }
  return std::nullopt;
}

// Every content a little off, by another factor each: no tie and no kink stays hit.
Script beside(const Script& script) {
  Script moved = script;
  double factor = 1;
  for (const gp_tensor& tensor : script.tensors) {
    if (tensor.memory != GP_GIVEN || !is_floating(static_cast<gp_dtype>(tensor.dtype))) continue;
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) {
      factor = factor > 1.01 ? factor - 0.0093 : factor + 0.0017;
      const double value = script.element(tensor, i);
      moved.set_element(tensor, i, value == 0 ? factor / 64 : value * factor);
    }
  }
  return moved;
}

}  // namespace

Verdict judge_by_differences(Engine& engine, const Script& script, const Observations& seen) {
  return Directional(engine, script, seen).judge();
}

// At a degenerate point (both bounds of a clamp, hit) a convention is no slope, and neither oracle is wrong: an error
// of ours shows beside it as well.
Verdict audit(Judge& judge, Engine& engine, const Script& script, const Observations& seen,
              const Verdict& of_enclosure) {
  const std::optional<Verdict> here = disagreement(judge, engine, script, seen, of_enclosure);
  if (!here) return of_enclosure;
  const Script moved = beside(script);
  const gp_program program = moved.view();
  Observations seen_beside;
  engine.prepare(program)->run(moved.data.data(), seen_beside);
  const Verdict of_beside = judge.judge(moved, seen_beside);
  return disagreement(judge, engine, moved, seen_beside, of_beside) ? *here : of_enclosure;
}

}  // namespace gradproof
