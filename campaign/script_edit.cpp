#include "campaign/script_edit.h"

#include <algorithm>

namespace gradproof {
namespace {

// Rebuilds the steps of a script with some left out and values renumbered.
class Rebuild {
 public:
  explicit Rebuild(const Script& script)
      : script_(script), dropped_(script.steps.size(), false), value_(script.value_count, GP_NO_VALUE) {}

  void drop(std::uint32_t step) { dropped_[step] = true; }
  // What took `value`'s place everywhere.
  void replace(ValueId value, ValueId by) { stand_in_.emplace_back(value, by); }

  std::optional<Script> run() {
    out_ = script_;
    out_.steps.clear();
    out_.names.clear();
    out_.value_count = 0;
    std::vector<std::uint32_t> new_step(script_.steps.size(), GP_NO_VALUE);
    for (std::uint32_t i = 0; i < script_.steps.size(); ++i) {
      if (dropped_[i] || !rewrite(script_.steps[i])) continue;
      new_step[i] = static_cast<std::uint32_t>(out_.steps.size());
      out_.steps.push_back(step_);
    }
    if (out_.steps.empty()) return {};
    out_.expectations.clear();
    for (Expectation expectation : script_.expectations) {
      const bool memory =
          expectation.kind == Expectation::Kind::shares || expectation.kind == Expectation::Kind::separate;
      if (new_step[expectation.step] == GP_NO_VALUE || (memory && new_step[expectation.other_step] == GP_NO_VALUE))
        continue;
      expectation.step = new_step[expectation.step];
      if (memory) expectation.other_step = new_step[expectation.other_step];
      out_.expectations.push_back(std::move(expectation));
    }
    if (fault_in(out_.view())) return {};
    return std::move(out_);
  }

 private:
  ValueId now(ValueId value) const {
    for (const auto& [old, by] : stand_in_) {
      if (value == old) value = by;
    }
    return value_[value];
  }

  // False where something the step needs is gone.
  bool rewrite(const gp_step& step) {
    step_ = step;
    step_.first_arg = static_cast<std::uint32_t>(out_.args.size());
    std::vector<gp_arg> args;
    const bool sweep = step.kind == GP_BACKWARD || step.kind == GP_GRAD;
    for (const gp_arg& arg : script_.args_of(step)) {
      const bool seeds = sweep && args.size() == 1;
      args.push_back(arg);
      if (arg.kind == GP_ARG_VALUE) {
        const ValueId value = now(static_cast<ValueId>(arg.u.index));
        if (value == GP_NO_VALUE) return false;
        args.back().u.index = value;
      } else if (arg.kind == GP_ARG_VALUES && !rewrite_list(args.back(), seeds)) {
        return false;
      }
    }
    out_.args.insert(out_.args.end(), args.begin(), args.end());
    step_.first_result = out_.value_count;
    for (std::uint32_t r = 0; r < step.result_count; ++r) {
      const ValueId old = step.first_result + r;
      value_[old] = out_.value_count++;
      out_.names.push_back(old < script_.names.size() ? script_.names[old] : std::string());
    }
    return true;
  }

  // A seed that is gone leaves its root without one.
  bool rewrite_list(gp_arg& arg, bool seeds) {
    const std::uint64_t first = out_.ids.size();
    for (std::uint64_t i = 0; i < arg.count; ++i) {
      const ValueId old = script_.ids[arg.u.index + i];
      const ValueId value = old == GP_NO_VALUE ? old : now(old);
      if (old != GP_NO_VALUE && value == GP_NO_VALUE && !seeds) return false;
      out_.ids.push_back(value);
    }
    arg.u.index = first;
    return true;
  }

  const Script& script_;
  std::vector<bool> dropped_;
  std::vector<ValueId> value_;
  std::vector<std::pair<ValueId, ValueId>> stand_in_;
  Script out_;
  gp_step step_{};
};

// Makes nothing but its values.
bool is_pure(const Script& script, const gp_step& step) {
  switch (step.kind) {
    case GP_TENSOR:
    case GP_DETACH:
    case GP_DUAL:
    case GP_JVP:
    case GP_GRAD_OF: return true;
    case GP_CALL: return !script.op_name(script.ops[step.op]).ends_with('_');
    default: return false;
  }
}

// Without the steps whose values nobody uses, as long as there are any.
std::optional<Script> without_unused(Script script) {
  while (true) {
    std::vector<bool> used(script.value_count);
    for (const gp_step& step : script.steps) {
      for (const gp_arg& arg : script.args_of(step)) {
        if (arg.kind == GP_ARG_VALUE) used[arg.u.index] = true;
        for (std::uint64_t i = 0; arg.kind == GP_ARG_VALUES && i < arg.count; ++i) {
          if (script.ids[arg.u.index + i] != GP_NO_VALUE) used[script.ids[arg.u.index + i]] = true;
        }
      }
    }
    Rebuild rebuild(script);
    bool any = false;
    for (std::uint32_t i = 0; i < script.steps.size(); ++i) {
      const gp_step& step = script.steps[i];
      const auto first = used.begin() + step.first_result;
      if (!is_pure(script, step) || std::find(first, first + step.result_count, true) != first + step.result_count)
        continue;
      rebuild.drop(i);
      any = true;
    }
    if (!any) return script;
    std::optional<Script> less = rebuild.run();
    if (!less) return {};
    script = std::move(*less);
  }
}

}  // namespace

std::optional<Script> without_step(const Script& script, std::uint32_t step) {
  Rebuild rebuild(script);
  rebuild.drop(step);
  return rebuild.run();
}

std::optional<Script> without_steps(const Script& script, std::uint32_t first, std::uint32_t count) {
  Rebuild rebuild(script);
  for (std::uint32_t i = 0; i < count; ++i) rebuild.drop(first + i);
  return rebuild.run();
}

std::optional<Script> bypassed(const Script& script, std::uint32_t step, std::uint32_t argument) {
  const gp_step& call = script.steps[step];
  const bool passes_on = call.kind == GP_CALL || call.kind == GP_DETACH || call.kind == GP_DUAL;
  if (!passes_on || call.result_count != 1 || argument >= call.arg_count) return {};
  const gp_arg& arg = script.args_of(call)[argument];
  ValueId by = GP_NO_VALUE;
  if (arg.kind == GP_ARG_VALUE) by = static_cast<ValueId>(arg.u.index);
  if (arg.kind == GP_ARG_VALUES && arg.count > 0) by = script.ids[arg.u.index];
  if (by == GP_NO_VALUE) return {};
  Rebuild rebuild(script);
  rebuild.drop(step);
  rebuild.replace(call.first_result, by);
  return rebuild.run();
}

std::optional<Script> without_entry(const Script& script, std::uint32_t step, std::uint32_t argument,
                                    std::uint32_t entry) {
  const gp_step& of = script.steps[step];
  const bool sweep = of.kind == GP_BACKWARD || of.kind == GP_GRAD;
  if ((of.kind != GP_CALL && !sweep) || argument >= of.arg_count || entry >= script.args_of(of)[argument].count)
    return {};
  // Each input of a grad has its result; seeds go with their roots.
  if (sweep && (argument == 1 || (argument == 2 && of.kind == GP_GRAD) || script.args_of(of)[argument].count == 1))
    return {};
  Script out = script;
  const auto shorten = [&](auto& pool, gp_arg& list) {
    auto kept = std::vector(pool.begin() + static_cast<std::ptrdiff_t>(list.u.index),
                            pool.begin() + static_cast<std::ptrdiff_t>(list.u.index + list.count));
    kept.erase(kept.begin() + entry);
    list.u.index = pool.size();
    list.count -= 1;
    pool.insert(pool.end(), kept.begin(), kept.end());
  };
  for (std::uint32_t a = argument; a <= argument + (sweep && argument == 0 ? 1U : 0U); ++a) {
    gp_arg& list = out.args[of.first_arg + a];
    switch (list.kind) {
      case GP_ARG_VALUES: shorten(out.ids, list); break;
      case GP_ARG_INTS:
      case GP_ARG_BOOLS: shorten(out.ints, list); break;
      case GP_ARG_REALS: shorten(out.reals, list); break;
      default: return {};
    }
  }
  return out;
}

std::optional<Script> with_leaf(const Script& script, std::uint32_t step, const TensorValue& value, ValueId input) {
  if (script.steps[step].kind != GP_CALL || script.steps[step].result_count != 1) return {};
  Script replaced = script;
  gp_tensor spec{};
  spec.dtype = static_cast<std::uint8_t>(value.dtype);
  spec.flags = is_floating(value.dtype) ? GP_REQUIRES_GRAD : 0;
  spec.ndim = static_cast<std::uint32_t>(value.shape.size());
  spec.shape = static_cast<std::uint32_t>(replaced.ints.size());
  spec.strides = GP_CONTIGUOUS;
  spec.buffer_elements = value.bytes.size() / size_of(value.dtype);
  spec.data = (replaced.data.size() + 7) / 8 * 8;
  replaced.ints.insert(replaced.ints.end(), value.shape.begin(), value.shape.end());
  replaced.data.resize(spec.data);
  replaced.data.insert(replaced.data.end(), value.bytes.begin(), value.bytes.end());
  gp_step& leaf = replaced.steps[step];
  leaf.kind = GP_TENSOR;
  leaf.op = static_cast<std::uint32_t>(replaced.tensors.size());
  leaf.arg_count = 0;
  replaced.tensors.push_back(spec);
  Rebuild rebuild(replaced);
  if (input != GP_NO_VALUE) {
    rebuild.drop(replaced.step_of(input));
    rebuild.replace(input, leaf.first_result);
  }
  std::optional<Script> out = rebuild.run();
  return out ? without_unused(std::move(*out)) : std::nullopt;
}

std::optional<Script> with_default(const Script& script, std::uint32_t step, std::uint32_t argument,
                                   const Schemas& schemas) {
  const gp_step& call = script.steps[step];
  if (call.kind != GP_CALL || argument >= call.arg_count) return {};
  if (script.args[call.first_arg + argument].kind == GP_ARG_DEFAULT) return {};
  const gp_op& op = script.ops[call.op];
  const Schema* schema = schemas.find(script.op_name(op), script.op_overload(op));
  if (schema == nullptr || argument >= schema->args.size() || !schema->args[argument].has_default) return {};
  Script out = script;
  out.args[call.first_arg + argument] = out.arg_default();
  return out;
}

}  // namespace gradproof
