// Runs of a script on balls, one for each way to resolve its branches.
#pragma once

#include "oracle/enclosure.h"
#include "oracle/plans.h"

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

}  // namespace gradproof
