// Errors that an engine may raise or do right without: what remains to be judged after it decided.
#pragma once

#include "properties/steps.h"

namespace gradproof {

// A script and its observations with some steps taken out; numbers of steps stay.
struct Adjusted {
  Script script;
  Observations seen;

  Adjusted(const Script& of, const Observations& by) : script(of), seen(by) {}
  // The step did not happen: it is replaced by one without effect, its error dropped.
  void leave_out(std::uint32_t step);
};

bool is_sweep(const Script& script, std::uint32_t step);
// Where a sweep failed and none succeeded between two reads of a leaf's gradient, the two are the same to the bit;
// before the first one, there is no gradient. A failure, or a pass.
Verdict judge_failed_sweeps(const Script& script, const Observations& seen);
// A formula's digits are the business of value, vjp, jvp and what is made of them: what is merely inaccurate passes
// here.
Verdict but_for_digits(Verdict verdict);
// Neither a pass nor a failure.
Verdict not_decided(Outcome outcome, std::uint32_t step, std::string reason);

}  // namespace gradproof
