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

// What happened to gradients between two steps: a failed sweep and nothing else.
bool only_failed_sweeps(const Script& script, const Observations& seen, std::uint32_t from, std::uint32_t to) {
  bool failed = false;
  for (std::uint32_t step = from + 1; step < to; ++step) {
    const int kind = script.steps[step].kind;
    if (kind == GP_SET_GRAD || kind == GP_ZERO_GRAD) return false;
    if (kind != GP_BACKWARD) continue;
    const gp_observation* item = seen.at(step);
    if (item == nullptr || item->status != GP_ERROR) return false;
    failed = true;
  }
  return failed;
}

}  // namespace

Verdict judge_failed_sweeps(const Script& script, const Observations& seen) {
  for (ValueId leaf = 0; leaf < script.value_count; ++leaf) {
    const std::vector<std::uint32_t> reads = gradient_reads_of(script, leaf);
    for (std::size_t i = 1; i < reads.size(); ++i) {
      if (!only_failed_sweeps(script, seen, reads[i - 1], reads[i])) continue;
      const gp_observation* before = seen.at(reads[i - 1]);
      const gp_observation* after = seen.at(reads[i]);
      if (before == nullptr || after == nullptr || same_bits(seen, *before, *after)) continue;
      return misbehaves(reads[i], "a failed backward changed a gradient",
                        describe_step(script, reads[i]) + " as before", "other bits");
    }
  }
  return {};
}

}  // namespace gradproof
