#include "oracle/enclosure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/scalars/affine.h"
#include "engine/scalars/environment.h"
#include "oracle/describe.h"
#include "oracle/reach.h"
#include "oracle/search.h"
#include "script/number.h"

namespace gradproof {

namespace {

constexpr double wrong_beyond_radii = 8;
// Of a program's tensors: beyond it, forms take longer than a case is worth.
constexpr std::uint64_t most_elements_in_forms = 4096;

// Puts the smaller half before it.
std::vector<long double>::iterator median_of(std::vector<long double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return middle;
}

}  // namespace

template <class B>
Enclosure<B>::Enclosure(const Registry& registry, const EngineInfo& modelled, const NumberFormat& format)
    : registry_(&registry),
      modelled_(modelled),
      format_(&format),
      balls_(registry, registry.catalogue<B>(), modelled),
      native_(registry, registry.catalogue<Native>(), modelled) {}

template <class B>
Evidence Enclosure<B>::evidence_of(const Script& script, const Observations& seen, const Comparison& run) const {
  Evidence evidence;
  evidence.step = run.step;
  if (run.structural != Severity::none) {
    evidence.what = describe_step(script, run.step);
    evidence.expected = run.expected;
    evidence.got = run.got;
    return evidence;
  }
  const Entry64& entry = run.entries[run.worst];
  evidence.step = entry.step;
  evidence.what = describe_entry(script, seen, entry.step, entry.element);
  evidence.expected = describe_ball(entry.ball);
  evidence.got = fmt::format("{:.9g}", entry.got);
  evidence.excess_radii = run.worst_radii;
  const long double scale = rounding_of(entry.ball);
  const long double beyond = std::fabs(static_cast<long double>(entry.got) - entry.ball.mid) - entry.ball.rad;
  evidence.excess_u = scale > 0 ? static_cast<double>(beyond / scale) : HUGE_VAL;
  return evidence;
}

// Points `worst` at the entry farthest outside a finite enclosure; false where none is outside by more than one more
// rounding. Where the derivative does not exist there is nothing to be near to.
template <class B>
bool Enclosure<B>::worst_beyond_rounding(Comparison& run) const {
  run.worst_radii = 0;
  for (std::size_t i = 0; i < run.entries.size(); ++i) {
    const Entry64& entry = run.entries[i];
    if (!std::isfinite(entry.ball.mid) || std::isinf(entry.ball.rad)) continue;
    const double radii = excess_radii(entry.ball, entry.got);
    const long double beyond = std::fabs(static_cast<long double>(entry.got) - entry.ball.mid) - entry.ball.rad;
    if (radii <= run.worst_radii || beyond < rounding_of(entry.ball)) continue;
    run.worst_radii = radii;
    run.worst = i;
  }
  return run.worst_radii > 0;
}

// What the true derivative allows is tried first: nearly every engine keeps to it, and nothing else needs to run then.
// The hull of all formulas in use decides the rest.
template <class B>
template <class I>
Verdict Enclosure<B>::judged_on(I& interpreter, const Script& script, const Observations& seen) {
  constexpr bool may_audit = is_fast && std::is_same_v<I, Interpreter<B>>;
  too_wide_ = 0;
  open_ = false;
  bool exhausted = true;
  Comparison tight = search(interpreter, false, seen, exhausted);
  if (tight.unsupported || tight.beyond_us) {
    Verdict verdict;
    verdict.outcome = Outcome::unsupported;
    verdict.reason = (tight.beyond_us ? "not in the reference: " : "") + tight.reason;
    return verdict;
  }
  if (tight.accepts()) return accepted(interpreter, tight, seen);
  const bool compared = exhausted && tight.structural == Severity::none;
  const Comparison run = search(interpreter, true, seen, exhausted);
  if (!run.accepts()) return refused(script, run, seen, exhausted, may_audit);
  Verdict verdict = accepted(interpreter, run, seen);
  if (verdict.outcome == Outcome::pass && compared) grade(script, run, tight, seen, verdict);
  return verdict;
}

template <class B>
Verdict Enclosure<B>::judge(const Script& script, const Observations& seen) {
  const FloatEnvironment environment;
  const FormatUnderTest under_test(*format_);
  program_ = script.view();
  balls_.prepare(program_);
  const Verdict verdict = judged_on(balls_, script, seen);
  return forms_may_help(verdict) ? by_forms(script, seen, verdict) : verdict;
}

template <class B>
bool Enclosure<B>::forms_may_help(const Verdict& verdict) const {
  // Kinks, and arguments at the end of a domain, are what they are.
  const bool width_alone = too_wide_ > 0 && too_wide_ == verdict.entries_undecided;
  if (!uses_forms_ || verdict.outcome != Outcome::inconclusive || !(width_alone || open_)) return false;
  std::uint64_t elements = 0;
  for (std::uint64_t i = 0; i < program_.tensor_count; ++i) elements += program_.tensors[i].buffer_elements;
  return elements <= most_elements_in_forms;
}

template <class B>
Verdict Enclosure<B>::by_forms(const Script& script, const Observations& seen, const Verdict& by_balls) {
  const AffineForms forms;
  const std::vector<std::uint8_t> plan = plan_;
  const bool admitted = admitted_;
  Interpreter<ArbBall<UnderTest>>& interpreter = auditor();
  interpreter.prepare(program_);
  Verdict verdict = judged_on(interpreter, script, seen);
  // What is asked of the enclosure later is asked of the balls' run.
  plan_ = plan;
  admitted_ = admitted;
  stale_ = true;
  return verdict.decided() || verdict.entries_undecided < by_balls.entries_undecided ? verdict : by_balls;
}

template <class B>
template <class I>
Verdict Enclosure<B>::accepted(I& interpreter, const Comparison& run, const Observations& seen) {
  Verdict verdict;
  verdict.entries = run.entries.size();
  stale_ = false;
  const bool paths_met = interpreter.tape().paths_met;
  alternatives_.clear();
  if (!interpreter.tape().choices.empty()) other_plans(interpreter, seen);
  too_wide_ = plant(run, paths_met, verdict);
  verdict.resolution_u = resolution(run);
  errors(run, verdict);
  if (verdict.outcome == Outcome::pass) self_test(interpreter, run, seen, verdict);
  return verdict;
}

// Before an engine is accused, Arb runs the same: two arithmetics that share no code must agree.
template <class B>
Verdict Enclosure<B>::refused(const Script& script, const Comparison& run, const Observations& seen, bool exhausted,
                              bool audit) {
  Verdict verdict;
  verdict.entries = run.entries.size();
  verdict.entries_outside = run.outside;
  if (!exhausted) {
    verdict.outcome = Outcome::inconclusive;
    verdict.reason = "too many branches left open";
    verdict.entries_undecided = verdict.entries;
    verdict.entries_outside = 0;
    open_ = true;
    return verdict;
  }
  verdict.outcome = Outcome::fail;
  verdict.evidence = evidence_of(script, seen, run);
  if (run.structural != Severity::none) {
    verdict.severity = run.structural;
    verdict.reason = run.reason;
    return verdict;
  }
  verdict.severity = run.worst_radii > wrong_beyond_radii ? Severity::wrong : Severity::inaccurate;
  verdict.reason = "outside its enclosure";
  const Comparison second = audit ? audited(seen) : Comparison{};
  if (!audit || !second.accepts()) {
    const Reach reach(script, *format_);
    if (std::all_of(run.entries.begin(), run.entries.end(), [&](const Entry64& e) { return reach.explains(e); })) {
      verdict.severity = Severity::inaccurate;
      verdict.reason = "outside its enclosure, where products of the numbers given may leave the range on the way";
    }
    return verdict;
  }
  const Entry64& worst = run.entries[run.worst];
  const bool open = std::any_of(second.entries.begin(), second.entries.end(), [&worst](const Entry64& entry) {
    return entry.step == worst.step && entry.element == worst.element && std::isinf(entry.ball.rad);
  });
  // Arb's radii are rounded more coarsely: what it still contains lies on the edge. Farther out, one of us is wrong.
  const bool edge = open || verdict.severity == Severity::inaccurate;
  verdict.outcome = edge ? Outcome::inconclusive : Outcome::internal_error;
  verdict.severity = Severity::none;
  verdict.reason = open   ? "outside its enclosure, and Arb knows nothing of it"
                   : edge ? "on the edge of its enclosure"
                          : "the fast enclosure and Arb disagree";
  verdict.entries_undecided = edge ? run.outside : 0;
  verdict.entries_outside = 0;
  return verdict;
}

template <class B>
Interpreter<ArbBall<UnderTest>>& Enclosure<B>::auditor() {
  if (!auditor_) {
    using Arb = ArbBall<UnderTest>;
    auditor_ = std::make_unique<Interpreter<Arb>>(*registry_, registry_->template catalogue<Arb>(), modelled_);
  }
  return *auditor_;
}

template <class B>
Comparison Enclosure<B>::audited(const Observations& seen) {
  auditor().prepare(program_);
  const std::vector<std::uint8_t> plan = plan_;
  bool exhausted = true;
  Comparison audit = search(auditor(), true, seen, exhausted);
  plan_ = plan;
  return audit;
}

// Inside the hull of all formulas in use, but outside what the true derivative allows: inaccurate.
template <class B>
void Enclosure<B>::grade(const Script& script, const Comparison& run, Comparison& tight, const Observations& seen,
                         Verdict& verdict) const {
  const auto rounding_alone = [this](const Entry64& entry) {
    return std::isinf(entry.ball.rad) || !std::isfinite(entry.ball.mid) ||
           std::fabs(static_cast<long double>(entry.got) - entry.ball.mid) <= rounding_of(entry.ball);
  };
  if (std::all_of(run.entries.begin(), run.entries.end(), rounding_alone)) return;
  if (!worst_beyond_rounding(tight)) return;
  verdict.outcome = Outcome::fail;
  verdict.severity = Severity::inaccurate;
  verdict.reason = "within the formulas in use, beyond what the derivative allows";
  verdict.evidence = evidence_of(script, seen, tight);
}

template <class B>
double Enclosure<B>::resolution(const Comparison& run) {
  widths_.clear();
  for (const Entry64& entry : run.entries) {
    if (std::isfinite(entry.ball.rad) && std::isfinite(entry.ball.mid) && entry.ball.mid != 0 && entry.ball.rad > 0) {
      widths_.push_back(entry.ball.rad / rounding_of(entry.ball));
    }
  }
  return widths_.empty() ? 0 : static_cast<double>(*median_of(widths_));
}

// How much of the radii an engine needs: what tells a budget that is too wide.
template <class B>
void Enclosure<B>::errors(const Comparison& run, Verdict& verdict) {
  widths_.clear();
  for (const Entry64& entry : run.entries) {
    const Wide& ball = entry.ball;
    if (!std::isfinite(ball.rad) || !std::isfinite(ball.mid) || !(ball.rad > 0) || !std::isfinite(entry.got)) continue;
    widths_.push_back(std::fabs(static_cast<long double>(entry.got) - ball.mid) / ball.rad);
  }
  if (widths_.empty()) return;
  const auto middle = median_of(widths_);
  verdict.error_radii = static_cast<double>(*middle);
  verdict.worst_error_radii = static_cast<double>(*std::max_element(middle, widths_.end()));
}

template <class B>
void Enclosure<B>::run(const Script& script) {
  const FormatUnderTest under_test(*format_);
  program_ = script.view();
  balls_.prepare(program_);
  plan_.clear();
  admitted_ = true;
  stale_ = true;
  seen_at(0);
}

template <class B>
const Seen<B>* Enclosure<B>::seen_at(std::uint32_t step) {
  if (stale_) {
    const FloatEnvironment environment;
    const FormatUnderTest under_test(*format_);
    balls_.tape().plan = plan_;
    balls_.tape().admitted = admitted_;
    balls_.run(program_.data);
    stale_ = false;
  }
  return balls_.at(step);
}

template <class B>
bool Enclosure<B>::any_open(std::uint32_t step) {
  const Seen<B>* seen = seen_at(step);
  if (seen == nullptr || seen->status != GP_VALUE || seen->value.kind != Kind::real) return false;
  const B* first = seen->value.real();
  return std::any_of(first, first + seen->value.numel, [](const B& ball) { return ball.is_anything(); });
}

template <class B>
Wide Enclosure<B>::at(std::uint32_t step, std::uint64_t element) {
  const Seen<B>* seen = seen_at(step);
  constexpr Wide nothing{0, HUGE_VALL};
  if (seen == nullptr || seen->status != GP_VALUE || seen->value.kind != Kind::real) return nothing;
  if (element >= static_cast<std::uint64_t>(seen->value.numel)) return nothing;
  Wide ball = widen(seen->value.real()[element]);
  ball.rad *= static_cast<long double>(modelled_.budget_multiplier);
  return ball;
}

template class Enclosure<Ball<float>>;
template class Enclosure<Ball<double>>;
template class Enclosure<ArbBall<UnderTest>>;

}  // namespace gradproof
