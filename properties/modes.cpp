#include <algorithm>
#include <array>

#include "properties/all.h"
#include "properties/conduct.h"
#include "properties/forward.h"
#include "properties/wrong_call.h"

namespace gradproof {

namespace {

// One call three times: as plain, without recording; as recorded, which is then swept; as dual, forwards.
class Modes final : public Property {
 public:
  std::string_view id() const override { return "modes"; }
  std::string_view statement() const override {
    return "a call, right or wrong, is refused in every mode or in none, and what is accepted can be differentiated";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    if (subject.entry->schema.name.starts_with('_')) return "private: its callers have checked the arguments";
    return unmet(subject, {});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script, Leaves::all);
    const std::optional<Call> wrong = draw.percent(80) ? draw_wrong_call(build) : std::nullopt;
    const Call& call = wrong && !is_far(script, *wrong) ? *wrong : build.call;
    script.no_grad(true);
    apply(script, call, "plain");
    script.no_grad(false);
    const std::vector<ValueId> recorded = roots_of(call, apply(script, call, "recorded"));
    for (const ValueId root : recorded) {
      const ValueId loss = build.sum(root);
      script.backward({&loss, 1}, {}, {}, GP_RETAIN_GRAPH);
    }
    if (subject.engine != nullptr && !subject.engine->forward_mode) return;
    Call forwards = call;
    put_duals(build, forwards);
    for (const ValueId root : roots_of(call, apply(script, forwards, "dual"))) script.jvp(root);
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    const auto plain = call_named(script, "plain");
    if (!plain) return {};
    const gp_error_kind without = error_at(seen, *plain);
    if (lacks(without)) return not_decided(Outcome::unsupported, *plain, text_at(seen, *plain));
    for (const std::string_view mode : {"recorded", "dual"}) {
      const auto step = call_named(script, mode);
      if (!step) continue;
      const gp_error_kind with = error_at(seen, *step);
      if (has_none(with) || without == GP_OUT_OF_MEMORY || (without == GP_OK) == (with == GP_OK)) continue;
      return without == GP_OK
                 ? misbehaves(*step, "refused with derivatives, accepted without", "no error", text_at(seen, *step))
                 : misbehaves(*step, "accepted with derivatives, refused without", text_at(seen, *plain), "no error");
    }
    return judge_derivatives(script, seen);
  }

 private:
  // Results of as many elements would have to be summed.
  static bool is_far(const Script& script, const Call& call) {
    constexpr Index most = 1 << 10;
    const auto far = [](Index value) { return value > most || value < -most; };
    return std::any_of(call.args.begin(), call.args.end(), [&](const gp_arg& arg) {
      if (arg.kind == GP_ARG_INT) return far(arg.u.integer);
      std::uint64_t begin = arg.u.index;
      std::uint32_t count = arg.count;
      if (arg.kind == GP_ARG_VALUE) {
        const gp_tensor& tensor = script.tensors[script.steps[script.step_of(static_cast<ValueId>(begin))].op];
        begin = tensor.shape;
        count = tensor.ndim;
      } else if (arg.kind != GP_ARG_INTS) {
        return false;
      }
      const auto first = script.ints.begin() + static_cast<std::ptrdiff_t>(begin);
      return std::any_of(first, first + count, far);
    });
  }
  static std::vector<ValueId> roots_of(const Call& call, const std::vector<ValueId>& results) {
    std::vector<ValueId> roots;
    for (const std::size_t root : call.roots()) roots.push_back(results[root]);
    return roots;
  }

  // Of every floating tensor that requires a gradient.
  static void put_duals(Build& build, Call& call) {
    Script& script = build.script;
    std::size_t made = 0;
    const auto dual_of = [&](ValueId value) {
      if (value == GP_NO_VALUE || !requires_grad(script, value)) return value;
      const gp_tensor& tensor = script.tensor_of(value);
      const auto first = script.ints.begin() + tensor.shape;
      const std::vector<Index> shape(first, first + tensor.ndim);
      const ValueId v = script.tensor(build.spec(shape), numbered("v", made));
      return script.dual(value, v, numbered("d", made++));
    };
    for (gp_arg& arg : call.args) {
      if (arg.kind == GP_ARG_VALUE) arg.u.index = dual_of(static_cast<ValueId>(arg.u.index));
      if (arg.kind != GP_ARG_VALUES) continue;
      std::vector<ValueId> list;
      for (std::uint32_t i = 0; i < arg.count; ++i) list.push_back(dual_of(script.ids[arg.u.index + i]));
      arg = script.arg_values(list);
    }
  }

  static std::optional<std::uint32_t> call_named(const Script& script, std::string_view name) {
    const auto value = value_named(script, name);
    if (!value || script.steps[script.step_of(*value)].kind != GP_CALL) return std::nullopt;
    return script.step_of(*value);
  }
  static gp_error_kind error_at(const Observations& seen, std::uint32_t step) {
    const gp_observation* item = seen.at(step);
    return item != nullptr && item->status == GP_ERROR ? static_cast<gp_error_kind>(item->error) : GP_OK;
  }
  static std::string text_at(const Observations& seen, std::uint32_t step) {
    const gp_observation* item = seen.at(step);
    if (item == nullptr) return "no error";
    return std::string(name_of(static_cast<gp_error_kind>(item->error))) + ": " + std::string(seen.text_of(*item));
  }
  static bool lacks(gp_error_kind kind) { return kind == GP_UNSUPPORTED || kind == GP_UNKNOWN_OPERATOR; }
  // No fault of a mode: what it lacks, and integers, which have no derivatives.
  static bool has_none(gp_error_kind kind) { return lacks(kind) || kind == GP_DTYPE || kind == GP_OUT_OF_MEMORY; }

  // What was computed with a graph can be swept, but for what has no derivative.
  static Verdict judge_derivatives(const Script& script, const Observations& seen) {
    for (const gp_observation& item : seen.items) {
      if (item.status != GP_ERROR) continue;
      const auto kind = static_cast<gp_error_kind>(item.error);
      const bool differentiates = is_sweep(script, item.step) || script.steps[item.step].kind == GP_JVP;
      const bool of_nothing = kind == GP_NO_GRAD_REQUIRED || kind == GP_UNDEFINED;
      if (!differentiates || of_nothing || has_none(kind)) continue;
      return misbehaves(item.step, "an accepted call cannot be differentiated", "no error", text_at(seen, item.step));
    }
    return {};
  }
};

}  // namespace

const Property& modes_property() {
  static const Modes property;
  return property;
}

}  // namespace gradproof
