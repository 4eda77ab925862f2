#include "properties/conduct.h"

#include <algorithm>

#include "oracle/describe.h"

namespace gradproof {

void Adjusted::leave_out(std::uint32_t step) {
  gp_step& at = script.steps[step];
  at.kind = GP_NO_GRAD;
  at.flags = 0;
  at.first_arg = static_cast<std::uint32_t>(script.args.size());
  at.arg_count = 1;
  script.args.push_back(script.arg_bool(false));
  std::erase_if(seen.items, [step](const gp_observation& item) { return item.step == step; });
}

bool is_sweep(const Script& script, std::uint32_t step) {
  return script.steps[step].kind == GP_BACKWARD || script.steps[step].kind == GP_GRAD;
}

namespace {

// What happened to gradients from one step until another: a failed sweep and nothing else.
bool only_failed_sweeps(const Script& script, const Observations& seen, std::uint32_t from, std::uint32_t to) {
  bool failed = false;
  for (std::uint32_t step = from; step < to; ++step) {
    const int kind = script.steps[step].kind;
    if (kind == GP_SET_GRAD || kind == GP_ZERO_GRAD) return false;
    if (kind != GP_BACKWARD) continue;
    const gp_observation* item = seen.at(step);
    if (item == nullptr || item->status != GP_ERROR) return false;
    failed = true;
  }
  return failed;
}

// No gradient, or one of zeros, which says the same.
bool says_nothing(const Observations& seen, const gp_observation& gradient) {
  if (gradient.status != GP_VALUE) return true;
  for (std::uint64_t i = 0; i < gradient.elements; ++i) {
    if (seen.element(gradient, i) != 0) return false;
  }
  return true;
}

}  // namespace

Verdict judge_failed_sweeps(const Script& script, const Observations& seen) {
  for (ValueId leaf = 0; leaf < script.value_count; ++leaf) {
    const std::vector<std::uint32_t> reads = gradient_reads_of(script, leaf);
    for (std::size_t i = 0; i < reads.size(); ++i) {
      if (!only_failed_sweeps(script, seen, i == 0 ? 0 : reads[i - 1] + 1, reads[i])) continue;
      const gp_observation* before = i == 0 ? nullptr : seen.at(reads[i - 1]);
      const gp_observation* after = seen.at(reads[i]);
      if (after == nullptr || (i > 0 && before == nullptr)) continue;
      if (i == 0 ? says_nothing(seen, *after) : same_bits(seen, *before, *after)) continue;
      return misbehaves(reads[i], "a failed backward changed a gradient",
                        describe_step(script, reads[i]) + (i == 0 ? " undefined" : " as before"),
                        i == 0 ? "a value" : "other bits");
    }
  }
  return {};
}

Verdict but_for_digits(Verdict verdict) {
  if (verdict.outcome != Outcome::fail || verdict.severity != Severity::inaccurate) return verdict;
  verdict.outcome = Outcome::pass;
  verdict.severity = Severity::none;
  verdict.reason.clear();
  verdict.evidence = {};
  return verdict;
}

Verdict not_decided(Outcome outcome, std::uint32_t step, std::string reason) {
  Verdict verdict;
  verdict.outcome = outcome;
  verdict.reason = std::move(reason);
  verdict.evidence.step = step;
  return verdict;
}

}  // namespace gradproof
