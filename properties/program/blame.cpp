#include "properties/program/blame.h"

#include <algorithm>
#include <map>

#include "oracle/compare.h"
#include "properties/program/copy.h"
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

// Values and the steps that read them.
using Reads = std::vector<std::pair<ValueId, std::uint32_t>>;

class Localizer {
 public:
  Localizer(Session& session, const Script& script) : session_(&session), calls_(calls_of(script)), sweeps_(script) {}

  std::string first_wrong() {
    read_all();
    if (results_.empty()) return {};
    seen_ = session_->observe(calls_);
    if (session_->judge().judge(calls_, seen_).outcome != Outcome::fail) return {};
    for (const auto& [value, step] : results_) {
      const gp_step& maker = calls_.steps[calls_.step_of(value)];
      if (maker.kind == GP_CALL && outside(step)) return "the result of " + name_of_call(maker);
    }
    for (const auto& [value, step] : gradients_) {
      if (outside(step)) return "the gradient from " + takers_of(value);
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
      if (!written) results_.emplace_back(value, 0);
    }
    std::reverse(results_.begin(), results_.end());
    for (auto& [value, step] : results_) step = calls_.read(value);
    if (sweeps_.roots.empty() || wanted.empty()) return;
    const ValueId first = calls_.grad(sweeps_.roots, sweeps_.seeds, wanted, GP_ALLOW_UNUSED);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      gradients_.emplace_back(wanted[i], calls_.read(first + static_cast<ValueId>(i)));
    }
  }

  bool outside(std::uint32_t step) {
    const gp_observation* item = seen_.at(step);
    if (item == nullptr || item->status != GP_VALUE || !is_floating(static_cast<gp_dtype>(item->dtype))) return false;
    for (std::uint64_t e = 0; e < item->elements; ++e) {
      if (excess_radii(session_->judge().enclosure(step, e), seen_.element(*item, e)) > 0) return true;
    }
    return false;
  }

  std::string name_of_call(const gp_step& step) const { return std::string(calls_.op_name(calls_.ops[step.op])); }

  // What was seen of a value or its gradient; nullptr where nothing was.
  const gp_observation* seen_of(const Reads& reads, ValueId value) const {
    const auto found =
        std::find_if(reads.begin(), reads.end(), [value](const auto& read) { return read.first == value; });
    const gp_observation* item = found == reads.end() ? nullptr : seen_.at(found->second);
    return item == nullptr || item->status != GP_VALUE ? nullptr : item;
  }

  // The operators that hand a gradient on to it, and those that write to what these make. Of several the one that is
  // wrong by itself.
  std::string takers_of(ValueId value) {
    std::vector<std::string> names;
    std::vector<std::string> guilty;
    for (const gp_step& step : calls_.steps) {
      if (step.kind != GP_CALL || !takes(calls_, step, value) || !hands_on(step)) continue;
      names.push_back(name_of_call(step));
      if (fails_alone(step)) guilty.push_back(names.back());
      for (const gp_step& writer : calls_.steps) {
        const bool writes = writer.kind == GP_CALL && writer.result_count == 0;
        const auto target = writes ? static_cast<ValueId>(calls_.args_of(writer)[0].u.index) : GP_NO_VALUE;
        if (writes && target >= step.first_result && target < step.first_result + step.result_count) {
          names.push_back(name_of_call(writer));
        }
      }
    }
    if (!guilty.empty()) names = std::move(guilty);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? "a seed" : text;
  }

  // Whether a gradient reaches a result of the call, or may, as of one that is written to.
  bool hands_on(const gp_step& step) const {
    if (step.result_count == 0) return true;
    for (std::uint32_t i = 0; i < step.result_count; ++i) {
      const ValueId result = step.first_result + i;
      if (seen_of(gradients_, result) != nullptr || seen_of(results_, result) == nullptr) return true;
    }
    return false;
  }

  ValueId leaf(Script& script, const gp_observation& item, bool requires_grad) const {
    TensorSpec spec;
    spec.dtype = static_cast<gp_dtype>(item.dtype);
    spec.shape.assign(item.shape, item.shape + item.ndim);
    spec.requires_grad = requires_grad;
    const ValueId made = script.tensor(spec);
    for (std::uint64_t e = 0; e < item.elements; ++e) {
      script.set_element(script.tensors.back(), e, seen_.element(item, e));
    }
    return made;
  }

  // The call on what the engine had there, with the gradients that it had there: is that outside, too?
  bool fails_alone(const gp_step& step) {
    Script alone;
    std::vector<ValueId> leaves;
    std::map<ValueId, ValueId> place;
    bool known = step.result_count > 0;
    const auto of = [&](ValueId value) {
      const auto [at, fresh] = place.try_emplace(value, 0);
      const gp_observation* item = seen_of(results_, value);
      known = known && item != nullptr;
      if (!fresh || item == nullptr) return at->second;
      const bool wanted = std::any_of(gradients_.begin(), gradients_.end(),
                                      [value](const auto& gradient) { return gradient.first == value; });
      at->second = leaf(alone, *item, wanted);
      if (wanted) leaves.push_back(at->second);
      return at->second;
    };
    std::vector<gp_arg> args;
    for (const gp_arg& arg : calls_.args_of(step)) args.push_back(copied(calls_, arg, alone, of));
    if (!known || leaves.empty()) return false;
    const gp_op& op = calls_.ops[step.op];
    std::vector<ValueId> roots;
    std::vector<ValueId> seeds;
    std::vector<std::uint32_t> results;
    for (std::uint32_t i = 0; i < step.result_count; ++i) {
      const gp_observation* gradient = seen_of(gradients_, step.first_result + i);
      if (gradient == nullptr) continue;
      seeds.push_back(leaf(alone, *gradient, false));
      results.push_back(i);
    }
    if (seeds.empty()) return false;
    const ValueId first = alone.call(alone.op(calls_.op_name(op), calls_.op_overload(op)), args, step.result_count);
    roots.reserve(results.size());
    for (const std::uint32_t result : results) roots.push_back(first + result);
    const ValueId gradients = alone.grad(roots, seeds, leaves, GP_ALLOW_UNUSED);
    for (std::size_t i = 0; i < leaves.size(); ++i) alone.read(gradients + static_cast<ValueId>(i));
    const Observations& seen = session_->observe(alone);
    return session_->judge().judge(alone, seen).outcome == Outcome::fail;
  }

  Session* session_;
  Script calls_;
  Sweeps sweeps_;
  Observations seen_{};
  Reads results_{};
  Reads gradients_{};
};

}  // namespace

std::string first_wrong(Session& session, const Script& script) { return Localizer(session, script).first_wrong(); }

}  // namespace gradproof::program
