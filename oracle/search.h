// Runs of a script on balls, one for each way to resolve its branches.
#pragma once

#include <bit>
#include <cmath>

#include "oracle/enclosure.h"
#include "oracle/plans.h"
#include "script/number.h"

namespace gradproof {

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
  admitted_ = admitted;
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
    const bool nearer =
        run.structural == best.structural &&
        (run.outside < best.outside || (run.outside == best.outside && run.worst_radii < best.worst_radii));
    if (nearer || (best.structural != Severity::none && run.structural == Severity::none)) {
      plan_ = plan;
      best = std::move(run);
    }
  }
  return best;
}

// One accepted case in so many: a whole corrupted observation goes through the judge.
inline constexpr std::uint64_t self_test_one_in = 16;

// A number of the observations alone, so that what is tested does not depend on the cases before.
inline std::uint64_t draw_from(const Comparison& run) {
  std::uint64_t mixed = 0x9e3779b97f4a7c15U;
  for (const Entry64& entry : run.entries) {
    mixed = (mixed ^ std::bit_cast<std::uint64_t>(entry.got)) * 0xff51afd7ed558ccdU;
    mixed ^= mixed >> 33U;
  }
  return mixed;
}

template <class B>
template <class I>
void Enclosure<B>::other_plans(I& interpreter, const Observations& seen) {
  const std::vector<std::uint8_t> mine = plan_;
  std::vector<std::uint8_t> plan;
  Comparison first = attempt(interpreter, {}, admitted_, seen);
  if (!mine.empty()) alternatives_.push_back(std::move(first));
  while (next_plan(interpreter.tape().choices, plan) && alternatives_.size() < most_plans) {
    if (plan == mine) {
      attempt(interpreter, plan, admitted_, seen);
      continue;
    }
    alternatives_.push_back(attempt(interpreter, plan, admitted_, seen));
  }
}

template <class B>
template <class I>
void Enclosure<B>::self_test(I& interpreter, const Comparison& run, const Observations& seen, Verdict& verdict) {
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
  const Comparison again = search(interpreter, admitted_, corrupted, exhausted);
  plan_ = plan;
  ++verdict.planted;
  if (!again.accepts()) {
    ++verdict.planted_caught;
    return;
  }
  verdict.outcome = Outcome::internal_error;
  verdict.reason = "a planted wrong value was accepted";
}

}  // namespace gradproof
