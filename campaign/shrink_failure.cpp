#include "campaign/shrink_failure.h"

#include "campaign/campaign.h"
#include "campaign/look.h"

namespace gradproof {
namespace {

// Of "saved_modified: one of the variables …"; nothing of what is no error.
std::optional<gp_error_kind> error_kind_in(const std::string& got) {
  return error_kind_named(std::string_view(got).substr(0, got.find(':')));
}

}  // namespace

StepValues values_of_calls(const Script& script, const Registry& registry, const EngineInfo& modelled) {
  std::vector<Glance> glances;
  for (std::uint32_t i = 0; i < script.steps.size(); ++i) {
    const gp_step& step = script.steps[i];
    if (step.kind == GP_CALL && step.result_count == 1) glances.push_back({i + 1, step.first_result});
  }
  const Look looked = look(script, glances, registry, modelled);
  StepValues values(script.steps.size());
  for (std::size_t k = 0; k < glances.size(); ++k) {
    const gp_observation* item = looked.glance(k);
    if (item == nullptr || item->status != GP_VALUE) continue;
    const auto bytes = looked.seen.bytes_of(*item);
    values[glances[k].before - 1] = TensorValue{
        static_cast<gp_dtype>(item->dtype), {item->shape, item->shape + item->ndim}, {bytes.begin(), bytes.end()}};
  }
  return values;
}

bool calls(const Script& script, const Entry& entry) {
  for (const gp_step& step : script.steps) {
    if (step.kind != GP_CALL) continue;
    const gp_op& op = script.ops[step.op];
    std::string_view name = script.op_name(op);
    if (name.ends_with('_')) name.remove_suffix(1);
    if (name == entry.schema.name && script.op_overload(op) == entry.schema.overload) return true;
  }
  return false;
}

Script shrink_failure(const Registry& registry, const Property& property, const Entry& entry, Session& session,
                      const Script& script, Verdict& verdict, const ShrinkLimits& limits) {
  const Verdict wanted = verdict;
  const std::string reason = without_numbers(wanted.reason);
  const auto kind = error_kind_in(wanted.evidence.got);
  const auto same = [&](const Script& candidate) {
    Verdict found = judge_guarded(property, session, candidate);
    if (found.outcome != wanted.outcome || found.severity != wanted.severity ||
        without_numbers(found.reason) != reason || error_kind_in(found.evidence.got) != kind)
      return false;
    verdict = std::move(found);
    return true;
  };
  const auto of_operator = [&](const Script& candidate) { return calls(candidate, entry) && same(candidate); };
  const EngineInfo modelled = session.engine().info();
  const auto values = [&](const Script& of) { return values_of_calls(of, registry, modelled); };
  Script small = script;
  if (calls(script, entry)) small = shrink(script, registry.schemas(), {of_operator, values}, limits);
  // Small as it is, whether it needs the operator shows: accumulation may be broken whatever is called.
  return shrink(small, registry.schemas(), {same, values}, limits);
}

}  // namespace gradproof
