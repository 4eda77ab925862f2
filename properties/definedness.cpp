#include "properties/definedness.h"

#include <cmath>

#include "properties/all.h"
#include "properties/definedness_case.h"

namespace gradproof {

namespace {

class DefinednessProperty final : public Property {
 public:
  std::string_view id() const override { return "definedness"; }
  std::string_view statement() const override {
    return "what does not rest on memory nobody wrote has the same bits whatever lies there, and nothing is written "
           "outside its memory";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    return unmet(subject, {.derivatives = false});
  }
  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    DefinednessCase(subject, draw, script).generate();
  }

  // That something rests on unwritten memory is the script's doing and no fault of the engine's: told, not claimed.
  Verdict judge(Session& session, const Script& script) const override {
    Verdict verdict;
    const FillReport report = judge_under_fills(session, script);
    if (!report.supported) {
      verdict.outcome = Outcome::unsupported;
      verdict.reason = "the engine cannot be told how to fill memory nobody wrote";
      return verdict;
    }
    if (report.fault) verdict = *report.fault;
    verdict.entries = report.same + report.unwritten_same + report.unwritten_other;
    verdict.entries_undecided = report.unwritten_same;
    if (verdict.outcome == Outcome::pass && !report.hazards.empty()) {
      verdict.reason = describe_hazard(script, report.hazards.front(), session.definedness());
    }
    return verdict;
  }
};

bool inside(const Judge::Ball64& ball, double number) {
  return std::isfinite(ball.mid) && std::isfinite(ball.rad) &&
         std::fabs(static_cast<long double>(number) - ball.mid) <= ball.rad;
}

}  // namespace

FillReport judge_under_fills(Session& session, const Script& script) {
  FillReport report = run_under_fills(session.engine(), script, session.definedness());
  if (!report.difference) return report;
  const FillDifference& difference = *report.difference;
  session.judge().judge(script, session.observe(script));
  const Judge::Ball64 ball = session.judge().enclosure(difference.step, difference.element);
  if (inside(ball, difference.one) && inside(ball, difference.other)) {
    report.fault->severity = Severity::inaccurate;
    report.fault->reason = "a result's last bits rest on memory nobody wrote";
  }
  return report;
}

const Property& definedness_property() {
  static const DefinednessProperty property;
  return property;
}

}  // namespace gradproof
