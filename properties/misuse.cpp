#include <algorithm>

#include "properties/all.h"
#include "properties/conduct.h"

namespace gradproof {

namespace {

class Misuse final : public Property {
 public:
  std::string_view id() const override { return "misuse"; }
  std::string_view statement() const override {
    return "misuse raises the right error, and the engine still works after it";
  }
  std::string_view not_applicable(const Subject& subject) const override { return unmet(subject, {}); }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    switch (draw.integer(0, 7)) {
      case 0: seed_of_wrong_shape(build); break;
      case 1: no_seed(build); break;
      case 2: no_gradient_required(build); break;
      case 3: input_modified(build); break;
      case 4: result_modified(build); break;
      case 5: leaf_modified(build); break;
      case 6: unused_input(build); break;
      default: gradient_of_result(build);
    }
    // The engine still works: a fresh graph on the same leaves.
    script.backward(build.apply("z"), build.seeds("w"));
    build.read_gradients();
  }

  // What a sweep needs is the engine's own business, so a modified tensor is refused or does no harm: the
  // gradient is then as if the write had gone to another tensor.
  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    Verdict conduct = judge_failed_sweeps(script, seen);
    if (conduct.outcome == Outcome::fail) return conduct;
    Adjusted adjusted(script, seen);
    bool writes = false;
    for (std::uint32_t step = 0; step < script.steps.size(); ++step) {
      if (script.steps[step].kind != GP_CALL) continue;
      const gp_observation* item = seen.at(step);
      const std::string name(script.op_name(script.ops[script.steps[step].op]));
      if (!name.ends_with('_') || (item != nullptr && item->status == GP_ERROR)) continue;
      if (writes_to_leaf(script, step)) continue;
      writes = true;
      const std::string overload(script.op_overload(script.ops[script.steps[step].op]));
      adjusted.script.steps[step].op = adjusted.script.op(name.substr(0, name.size() - 1), overload);
    }
    for (const gp_observation& item : seen.items) {
      if (writes && item.status == GP_ERROR && item.error == GP_SAVED_MODIFIED) adjusted.leave_out(item.step);
    }
    return but_for_digits(session.judge().judge(adjusted.script, adjusted.seen));
  }

 private:
  static bool writes_to_leaf(const Script& script, std::uint32_t step) {
    return requires_grad(script, static_cast<ValueId>(script.args_of(script.steps[step])[0].u.index));
  }

  static void seed_of_wrong_shape(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    const std::size_t root = build.call.roots().front();
    std::vector<Index> shape = build.call.results[root].shape;
    switch (build.draw.integer(0, 3)) {
      case 0: shape.push_back(build.draw.integer(2, 3)); break;
      case 1: shape.insert(shape.begin(), build.draw.integer(1, 3)); break;  // expands from the result's
      case 2: shape.empty() ? shape.push_back(1) : shape.pop_back(); break;
      default:
        if (shape.empty())
          shape.push_back(2);
        else
          ++shape[static_cast<std::size_t>(build.draw.integer(0, std::ssize(shape) - 1))];
    }
    if (shape.size() > GP_MAX_DIMS) shape.resize(1);
    const ValueId u = build.draw.seed(build.script, build.spec(shape), SeedKind::random, "u");
    build.script.backward({y.data(), 1}, {&u, 1}, {}, build.draw.percent(50) ? GP_RETAIN_GRAPH : 0);
    build.read_gradients();
  }

  // Refused unless the result has one element.
  static void no_seed(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    build.script.backward({y.data(), 1}, {});
    build.read_gradients();
  }

  static void no_gradient_required(Build& build) {
    std::vector<ValueId> instead;
    for (const ValueId tensor : build.call.tensors) instead.push_back(build.script.detach(tensor));
    if (build.draw.percent(50)) {
      build.script.backward(build.apply("y", instead), build.seeds("u"));
    } else {
      build.script.no_grad(true);
      const std::vector<ValueId> y = build.apply("y");
      build.script.no_grad(false);
      build.script.backward(y, build.seeds("u"));
    }
    build.read_gradients();
  }

  // y = f(t), then t is written to.
  static void input_modified(Build& build) {
    if (is_view(build.subject)) return leaf_modified(build);
    std::vector<ValueId> instead(build.call.tensors);
    const ValueId leaf = build.draw.pick(build.call.leaves);
    const auto at = std::find(instead.begin(), instead.end(), leaf);
    *at = build.scale(leaf, 1, "t");
    const std::vector<ValueId> y = build.apply("y", instead);
    build.scale_in_place(*at, 2);
    build.script.backward(y, build.seeds("u"));
    build.read_gradients();
  }

  // The result is written to, and what it is now is differentiated.
  static void result_modified(Build& build) {
    if (is_view(build.subject)) return leaf_modified(build);
    const ValueId y = build.apply("y").front();
    const std::size_t root = build.call.roots().front();
    const ValueId now = build.scale_in_place(y, 2);
    build.script.names.resize(build.script.value_count);
    build.script.names[now] = "t";
    const ValueId u = build.draw.seed(build.script, build.spec(build.call.results[root].shape), SeedKind::random, "u");
    build.script.backward({&now, 1}, {&u, 1});
    build.read_gradients();
  }

  static void leaf_modified(Build& build) {
    if (build.draw.percent(50)) build.apply("y");
    build.scale_in_place(build.draw.pick(build.call.leaves), 2);
    build.read(build.call.leaves);
  }

  static void unused_input(Build& build) {
    const ValueId other = build.draw.tensor(build.script, build.spec(std::vector<Index>{2}, true), {}, "unused");
    const std::vector<ValueId> y = build.apply("y");
    const std::vector<ValueId> u = build.seeds("u");
    std::vector<ValueId> inputs(build.call.leaves);
    inputs.push_back(other);
    const bool allowed = build.draw.percent(40);
    const ValueId first = build.script.grad(y, u, inputs, allowed ? GP_ALLOW_UNUSED : 0);
    for (std::size_t i = 0; i < inputs.size(); ++i) build.script.read(first + static_cast<ValueId>(i));
    build.read_gradients();
  }

  // Only leaves, and results asked to, keep their gradient.
  static void gradient_of_result(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    const bool kept = build.draw.percent(50);
    const ValueId t = build.unary("sin", y.front(), "t");
    if (kept) build.script.retain_grad(y.front());
    const std::size_t root = build.call.roots().front();
    const ValueId u = build.draw.seed(build.script, build.spec(build.call.results[root].shape), SeedKind::random, "u");
    build.script.backward({&t, 1}, {&u, 1});
    build.script.read(build.script.grad_of(y.front()));
    build.read_gradients();
  }
};

}  // namespace

const Property& misuse_property() {
  static const Misuse property;
  return property;
}

}  // namespace gradproof
