#include "properties/program/blame.h"

#include <algorithm>
#include <map>

#include "oracle/compare.h"
#include "properties/program/trial.h"
#include "properties/steps.h"

namespace gradproof::program {

namespace {

bool is_sweep(const gp_step& step) { return step.kind == GP_BACKWARD || step.kind == GP_GRAD; }

// What the sweeps of a program start from, each root with its seed.
struct Sweeps {
  std::vector<ValueId> roots;
  std::vector<ValueId> seeds;

  explicit Sweeps(const Script& script) {
    for (const gp_step& step : script.steps) {
      if (!is_sweep(step)) continue;
      const gp_arg& of = script.args_of(step)[0];
      const gp_arg& by = script.args_of(step)[1];
      for (std::uint32_t i = 0; i < of.count; ++i) {
        roots.push_back(script.ids[of.u.index + i]);
        seeds.push_back(i < by.count ? script.ids[by.u.index + i] : GP_NO_VALUE);
      }
    }
  }
};

// The calls alone: no sweep, nothing read.
Script calls_of(const Script& script) {
  Script calls = script;
  const auto end = std::find_if(calls.steps.begin(), calls.steps.end(), is_sweep);
  calls.steps.erase(end, calls.steps.end());
  calls.value_count = 0;
  for (const gp_step& step : calls.steps) {
    calls.value_count = std::max(calls.value_count, step.first_result + step.result_count);
  }
  calls.names.resize(calls.value_count);
  calls.expectations.clear();
  std::erase_if(calls.steps, [](const gp_step& step) { return step.kind == GP_READ || step.kind == GP_RETAIN_GRAD; });
  return calls;
}

bool takes(const Script& script, const gp_step& step, ValueId value) {
  for (const gp_arg& arg : script.args_of(step)) {
    if (arg.kind == GP_ARG_VALUE && arg.u.index == value) return true;
    const auto first = script.ids.begin() + static_cast<std::ptrdiff_t>(arg.u.index);
    if (arg.kind == GP_ARG_VALUES && std::find(first, first + arg.count, value) != first + arg.count) return true;
  }
  return false;
}

class Localizer {
 public:
  Localizer(Session& session, const Script& script) : session_(&session), calls_(calls_of(script)), sweeps_(script) {}

  std::string first_wrong() {
    read_all();
    if (results_.empty()) return {};
    const Observations& seen = session_->observe(calls_);
    if (session_->judge().judge(calls_, seen).outcome != Outcome::fail) return {};
    for (const auto& [value, step] : results_) {
      if (outside(seen, step)) return "the result of " + makers_of(value);
    }
    for (const auto& [value, step] : gradients_) {
      if (outside(seen, step)) return "the gradient from " + takers_of(seen, value);
    }
    return {};
  }

 private:
  // Results where they are made, and gradients of all that nothing is written to, in the order of a sweep.
  void read_all() {
    Script all = calls_;
    std::vector<std::uint32_t> reads;
    for (ValueId value = 0; value < calls_.value_count; ++value) reads.push_back(all.read(value));
    const std::vector<Seen<Defined>>& seen = trial(Registry::standard(), all);
    if (std::any_of(seen.begin(), seen.end(), [](const auto& one) { return one.status != GP_VALUE; })) return;
    std::vector<ValueId> wanted;
    for (ValueId value = calls_.value_count; value-- > 0;) {
      const Seen<Defined>& one = seen_at(Registry::standard(), reads[value]);
      const bool written = one.version > 0;
      if (one.requires_grad && !written) wanted.push_back(value);
      if (one.value.kind == Kind::real && !written && calls_.steps[calls_.step_of(value)].kind == GP_CALL) {
        results_.emplace_back(value, 0);
      }
    }
    std::reverse(results_.begin(), results_.end());
    for (auto& [value, step] : results_) step = calls_.read(value);
    if (sweeps_.roots.empty() || wanted.empty()) return;
    const ValueId first = calls_.grad(sweeps_.roots, sweeps_.seeds, wanted, GP_ALLOW_UNUSED);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      gradients_.emplace_back(wanted[i], calls_.read(first + static_cast<ValueId>(i)));
    }
  }

  bool outside(const Observations& seen, std::uint32_t step) {
    const gp_observation* item = seen.at(step);
    if (item == nullptr || item->status != GP_VALUE) return false;
    for (std::uint64_t e = 0; e < item->elements; ++e) {
      if (excess_radii(session_->judge().enclosure(step, e), seen.element(*item, e)) > 0) return true;
    }
    return false;
  }

  std::string name_of_call(const gp_step& step) const { return std::string(calls_.op_name(calls_.ops[step.op])); }

  std::string makers_of(ValueId value) const { return name_of_call(calls_.steps[calls_.step_of(value)]); }

  bool reached(const Observations& seen, ValueId value) const {
    const auto found = std::find_if(gradients_.begin(), gradients_.end(),
                                    [value](const auto& gradient) { return gradient.first == value; });
    if (found == gradients_.end()) return true;  // written to: not known
    const gp_observation* item = seen.at(found->second);
    return item != nullptr && item->status == GP_VALUE;
  }

  // The operators that hand a gradient on to it, and those that write to what these make.
  std::string takers_of(const Observations& seen, ValueId value) const {
    std::vector<std::string> names;
    const auto note = [&](const gp_step& step) {
      const std::string name = name_of_call(step);
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    for (const gp_step& step : calls_.steps) {
      if (step.kind != GP_CALL || !takes(calls_, step, value)) continue;
      bool counts = step.result_count == 0;
      for (std::uint32_t i = 0; i < step.result_count; ++i) counts = counts || reached(seen, step.first_result + i);
      if (!counts) continue;
      note(step);
      for (const gp_step& writer : calls_.steps) {
        const bool writes = writer.kind == GP_CALL && writer.result_count == 0;
        const auto target = writes ? static_cast<ValueId>(calls_.args_of(writer)[0].u.index) : GP_NO_VALUE;
        if (writes && target >= step.first_result && target < step.first_result + step.result_count) note(writer);
      }
    }
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? "a seed" : text;
  }

  Session* session_;
  Script calls_;
  Sweeps sweeps_;
  std::vector<std::pair<ValueId, std::uint32_t>> results_{};
  std::vector<std::pair<ValueId, std::uint32_t>> gradients_{};
};

}  // namespace

std::string first_wrong(Session& session, const Script& script) { return Localizer(session, script).first_wrong(); }

}  // namespace gradproof::program
