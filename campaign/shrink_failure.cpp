#include "campaign/shrink_failure.h"

#include "campaign/campaign.h"

namespace gradproof {
namespace {

// Of "saved_modified: one of the variables …"; nothing of what is no error.
std::optional<gp_error_kind> error_kind_in(const std::string& got) {
  return error_kind_named(std::string_view(got).substr(0, got.find(':')));
}

}  // namespace

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
  if (!calls(script, entry)) return script;
  const Verdict wanted = verdict;
  const std::string reason = without_numbers(wanted.reason);
  const auto kind = error_kind_in(wanted.evidence.got);
  const auto same = [&](const Script& candidate) {
    if (!calls(candidate, entry)) return false;
    Verdict found = judge_guarded(property, session, candidate);
    if (found.outcome != wanted.outcome || found.severity != wanted.severity ||
        without_numbers(found.reason) != reason || error_kind_in(found.evidence.got) != kind)
      return false;
    verdict = std::move(found);
    return true;
  };
  return shrink(script, registry.schemas(), same, limits);
}

}  // namespace gradproof
