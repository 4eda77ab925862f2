#include "oracle/enclosure.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/scalars/environment.h"
#include "oracle/describe.h"
#include "oracle/plans.h"
#include "script/number.h"

namespace gradproof {

namespace {

constexpr double wrong_beyond_radii = 8;
// One accepted case in so many: a whole corrupted observation goes through the judge.
constexpr std::uint64_t self_test_one_in = 16;

// A number of the observations alone, so that what is tested does not depend on the cases before.
std::uint64_t draw_from(const Comparison& run) {
  std::uint64_t mixed = 0x9e3779b97f4a7c15U;
  for (const Entry64& entry : run.entries) {
    mixed = (mixed ^ std::bit_cast<std::uint64_t>(entry.got)) * 0xff51afd7ed558ccdU;
    mixed ^= mixed >> 33U;
  }
  return mixed;
}

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
template <class I>
Comparison Enclosure<B>::attempt(I& interpreter, const std::vector<std::uint8_t>& plan, bool admitted,
                                 const Observations& seen) {
  stale_ = true;
  interpreter.tape().plan = plan;
  interpreter.tape().admitted = admitted;
  Comparison run;
  Comparer(seen, modelled_.budget_multiplier, run).compare(interpreter.run(program_.data), format_->dtype);
  return run;
}

template <class B>
template <class I>
Comparison Enclosure<B>::search(I& interpreter, bool admitted, const Observations& seen, bool& exhausted) {
  exhausted = true;
  plan_.clear();
  Comparison best = attempt(interpreter, plan_, admitted, seen);
  if (best.accepts() || interpreter.tape().choices.empty()) return best;
  std::vector<std::uint8_t> plan;
  for (std::size_t tried = 1; next_plan(interpreter.tape().choices, plan); ++tried) {
    if (tried >= most_plans || interpreter.tape().too_many_choices) {
      exhausted = false;
      return best;
    }
    Comparison run = attempt(interpreter, plan, admitted, seen);
    if (run.accepts()) {
      plan_ = plan;
      return run;
    }
    const bool nearer = run.structural == best.structural && run.outside < best.outside;
    if (nearer || (best.structural != Severity::none && run.structural == Severity::none)) {
      plan_ = plan;
      best = std::move(run);
    }
  }
  return best;
}

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

template <class B>
Verdict Enclosure<B>::judge(const Script& script, const Observations& seen) {
  const FloatEnvironment environment;
  const FormatUnderTest under_test(*format_);
  program_ = script.view();
  balls_.prepare(program_);
  bool exhausted = true;
  const Comparison run = search(balls_, true, seen, exhausted);
  if (run.unsupported || run.beyond_us) {
    Verdict verdict;
    verdict.outcome = Outcome::unsupported;
    verdict.reason = (run.beyond_us ? "not in the reference: " : "") + run.reason;
    return verdict;
  }
  return run.accepts() ? accepted(script, run, seen) : refused(script, run, seen, exhausted);
}

template <class B>
Verdict Enclosure<B>::accepted(const Script& script, const Comparison& run, const Observations& seen) {
  Verdict verdict;
  verdict.entries = run.entries.size();
  stale_ = false;
  const bool paths_met = balls_.tape().paths_met;
  alternatives_.clear();
  if (!balls_.tape().choices.empty()) other_plans(seen);
  plant(run, paths_met, verdict);
  verdict.resolution_u = resolution(run);
  errors(run, verdict);
  if (verdict.outcome == Outcome::pass) self_test(run, seen, verdict);
  if (verdict.outcome == Outcome::pass) grade(script, run, seen, verdict);
  return verdict;
}

// Before an engine is accused, Arb runs the same: two arithmetics that share no code must agree.
template <class B>
Verdict Enclosure<B>::refused(const Script& script, const Comparison& run, const Observations& seen, bool exhausted) {
  Verdict verdict;
  verdict.entries = run.entries.size();
  verdict.entries_outside = run.outside;
  if (!exhausted) {
    verdict.outcome = Outcome::inconclusive;
    verdict.reason = "too many branches left open";
    verdict.entries_undecided = verdict.entries;
    verdict.entries_outside = 0;
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
  if (!is_fast || !audit_accepts(seen)) return verdict;
  // Arb's radii are rounded more coarsely: what it still contains lies on the edge. Farther out, one of us is wrong.
  const bool edge = verdict.severity == Severity::inaccurate;
  verdict.outcome = edge ? Outcome::inconclusive : Outcome::internal_error;
  verdict.severity = Severity::none;
  verdict.reason = edge ? "on the edge of its enclosure" : "the fast enclosure and Arb disagree";
  verdict.entries_undecided = edge ? run.outside : 0;
  verdict.entries_outside = 0;
  return verdict;
}

template <class B>
bool Enclosure<B>::audit_accepts(const Observations& seen) {
  if (!auditor_) {
    using Arb = ArbBall<UnderTest>;
    auditor_ = std::make_unique<Interpreter<Arb>>(*registry_, registry_->template catalogue<Arb>(), modelled_);
  }
  auditor_->prepare(program_);
  const std::vector<std::uint8_t> plan = plan_;
  bool exhausted = true;
  const Comparison audit = search(*auditor_, true, seen, exhausted);
  plan_ = plan;
  return audit.accepts();
}

template <class B>
void Enclosure<B>::other_plans(const Observations& seen) {
  const std::vector<std::uint8_t> mine = plan_;
  std::vector<std::uint8_t> plan;
  Comparison first = attempt(balls_, {}, true, seen);
  if (!mine.empty()) alternatives_.push_back(std::move(first));
  while (next_plan(balls_.tape().choices, plan) && alternatives_.size() < most_plans) {
    if (plan == mine) {
      attempt(balls_, plan, true, seen);
      continue;
    }
    alternatives_.push_back(attempt(balls_, plan, true, seen));
  }
}

// A wrong value at one entry, all others as they are: would any admitted assignment accept it?
template <class B>
bool Enclosure<B>::refuses(const Entry64& entry, double planted) const {
  if (excess_radii(entry.ball, planted) == 0) return false;
  for (const Comparison& other : alternatives_) {
    if (other.structural != Severity::none) continue;
    for (const Entry64& same : other.entries) {
      if (same.step != entry.step || same.element != entry.element) continue;
      const std::uint64_t outside_beside = other.outside - (excess_radii(same.ball, entry.got) > 0 ? 1 : 0);
      if (outside_beside == 0 && excess_radii(same.ball, planted) == 0) return false;
    }
  }
  return true;
}

template <class B>
void Enclosure<B>::plant(const Comparison& run, bool paths_met, Verdict& verdict) {
  double scale = 0;
  for (const Entry64& entry : run.entries) {
    if (std::isfinite(entry.got)) scale = std::max(scale, std::fabs(entry.got));
  }
  if (scale == 0) scale = 1;
  if (is_fast && paths_met) {
    native_.prepare(program_);
    native_.tape().drop_a_path = true;
    native_.run(program_.data);
  }
  for (const Entry64& entry : run.entries) {
    bool undecided = std::isinf(entry.ball.rad);
    bool kink = false;  // another admitted slope, not this one's width, is what accepts a planted value
    const auto offer = [&](double value) {
      if (undecided || value == entry.got) return;
      ++verdict.planted;
      if (refuses(entry, value)) {
        ++verdict.planted_caught;
      } else {
        --verdict.planted;
        undecided = true;
        kink = excess_radii(entry.ball, value) > 0;
      }
    };
    if (entry.got == 0 || std::isnan(entry.got)) {
      offer(scale);
      offer(-scale);
    } else {
      offer(0);
      offer(-entry.got);
      offer(2 * entry.got);
    }
    if (is_fast && paths_met) {
      const Seen<Native>* without = native_.at(entry.step);
      if (without != nullptr && without->status == GP_VALUE &&
          entry.element < static_cast<std::uint64_t>(without->value.numel)) {
        const double value = static_cast<double>(without->value.real()[entry.element]);
        // A path that hardly contributes cannot be told from rounding, and need not be.
        if (std::fabs(value - entry.got) > 0x1p-8 * std::max(std::fabs(entry.got), 0x1p-8 * scale)) offer(value);
      }
    }
    if (!undecided) continue;
    ++verdict.entries_undecided;
    if (verdict.outcome != Outcome::inconclusive) {
      verdict.outcome = Outcome::inconclusive;
      verdict.reason = std::isinf(entry.ball.rad) ? describe_ball(entry.ball)
                       : kink                     ? "at a kink, where several slopes are right"
                                                  : "too wide";
      verdict.evidence.step = entry.step;
    }
  }
}

template <class B>
void Enclosure<B>::self_test(const Comparison& run, const Observations& seen, Verdict& verdict) {
  const std::uint64_t drawn = draw_from(run);
  if (run.entries.empty() || drawn % self_test_one_in != 0) return;
  const Entry64& victim = run.entries[drawn / self_test_one_in % run.entries.size()];
  Observations corrupted = seen;
  const gp_observation* item = corrupted.at(victim.step);
  if (!std::isfinite(victim.got)) return;
  std::uint8_t* element = corrupted.data.data() + item->data + victim.element * size_of(format_->dtype);
  store_real(format_->dtype, victim.got == 0 ? format_->max / 2 : -victim.got, element);
  const std::vector<std::uint8_t> plan = plan_;
  bool exhausted = true;
  const Comparison again = search(balls_, true, corrupted, exhausted);
  plan_ = plan;
  ++verdict.planted;
  if (!again.accepts()) {
    ++verdict.planted_caught;
    return;
  }
  verdict.outcome = Outcome::internal_error;
  verdict.reason = "a planted wrong value was accepted";
}

// Inside the hull of all formulas in use, but outside what the true derivative allows: inaccurate.
template <class B>
void Enclosure<B>::grade(const Script& script, const Comparison& run, const Observations& seen, Verdict& verdict) {
  const auto rounding_alone = [this](const Entry64& entry) {
    return std::isinf(entry.ball.rad) || !std::isfinite(entry.ball.mid) ||
           std::fabs(static_cast<long double>(entry.got) - entry.ball.mid) <= rounding_of(entry.ball);
  };
  if (std::all_of(run.entries.begin(), run.entries.end(), rounding_alone)) return;
  const std::vector<std::uint8_t> plan = plan_;
  bool exhausted = true;
  Comparison tight = search(balls_, false, seen, exhausted);
  plan_ = plan;
  if (tight.accepts() || !exhausted || tight.structural != Severity::none) return;
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
  stale_ = true;
  seen_at(0);
}

template <class B>
const Seen<B>* Enclosure<B>::seen_at(std::uint32_t step) {
  if (stale_) {
    const FloatEnvironment environment;
    const FormatUnderTest under_test(*format_);
    balls_.tape().plan = plan_;
    balls_.tape().admitted = true;
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
