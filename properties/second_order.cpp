#include <algorithm>

#include "properties/all.h"
#include "properties/conduct.h"
#include "properties/forward.h"

namespace gradproof {

namespace {

// Seeds and tangents require gradients: then the first derivative has a graph even where the operator is
// linear, and their own gradients test the derivative's other factor.
class SecondOrder final : public Property {
 public:
  std::string_view id() const override { return "second-order"; }
  std::string_view statement() const override {
    return "derivatives of gradients and of tangents lie in their enclosures, in every nesting of the modes";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    return unmet(subject, {.create_graph = true});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const bool forward = subject.engine == nullptr || subject.engine->forward_mode;
    const bool nested = subject.engine == nullptr || subject.engine->nested_forward_mode;
    switch (draw.integer(0, !forward ? 0 : nested ? 4 : 3)) {
      case 0:
      case 1: return reverse_over_reverse(build);
      case 2: return reverse_over_forward(build);
      case 3: return forward_over_reverse(build);
      default: return forward_over_forward(build);
    }
  }

  // A first derivative that vanishes may have a graph or none: to refuse to differentiate it further and to
  // find zeros say the same.
  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    Verdict verdict = session.judge().judge(script, seen);
    const std::uint32_t step = verdict.evidence.step;
    if (verdict.outcome != Outcome::fail || verdict.severity != Severity::misbehaving || !is_sweep(script, step))
      return verdict;
    Adjusted adjusted(script, seen);
    const gp_observation* item = seen.at(step);
    if (item == nullptr) {
      adjusted.leave_out(step);
    } else if (item->error == GP_NO_GRAD_REQUIRED) {
      std::erase_if(adjusted.seen.items, [step](const gp_observation& one) { return one.step == step; });
    } else {
      return verdict;
    }
    const Verdict second = session.judge().judge(adjusted.script, adjusted.seen);
    return second.outcome == Outcome::fail && second.severity == Severity::misbehaving ? verdict : second;
  }

 private:
  static void read_seed_gradients(Build& build, std::span<const ValueId> seeds) {
    for (const ValueId seed : seeds) build.script.read(build.script.grad_of(seed));
  }

  // The gradient of <J'u, w>.
  static void reverse_over_reverse(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    const std::vector<ValueId> u = build.seeds("u", true);
    const std::vector<ValueId> g = build.gradients(y, u, "g", GP_CREATE_GRAPH);
    const std::vector<ValueId> w = build.leaf_seeds("w");
    build.read(g);
    if (g.size() == 1 && build.draw.percent(40)) {
      const ValueId loss = build.sum(build.mul(g[0], w[0]), "loss");
      build.script.backward({&loss, 1}, {});
    } else {
      build.script.backward(g, w);
    }
    build.read_gradients();
    read_seed_gradients(build, u);
  }

  // The gradient of <Jv, w>.
  static void reverse_over_forward(Build& build) {
    const std::vector<ValueId> y = apply_duals(build, build.call.leaves, "v", "d", "y", true);
    const std::vector<ValueId> tangents = tangents_of(build, y, "Jv");
    build.read(tangents);
    build.script.backward(tangents, build.seeds("w"));
    build.read_gradients();
    for (std::size_t i = 0; i < build.call.leaves.size(); ++i) {
      build.script.read(build.script.grad_of(*value_named(build.script, numbered("v", i))));
    }
  }

  // The tangent of J'u.
  static void forward_over_reverse(Build& build) {
    const std::vector<ValueId> y = apply_duals(build, build.call.leaves, "v", "d", "y");
    const std::vector<ValueId> u = build.seeds("u");
    const std::vector<ValueId> g = build.gradients(y, u, "g", build.draw.percent(50) ? GP_CREATE_GRAPH : 0);
    build.read(g);
    build.read(tangents_of(build, g, "dg"));
  }

  // d²/ds dt of f(x + s v + t w).
  static void forward_over_forward(Build& build) {
    std::vector<ValueId> instead(build.call.tensors);
    build.draw.keep_contiguous(is_view(build.subject));
    for (std::size_t i = 0; i < instead.size(); ++i) {
      const std::vector<Index>& shape = build.call.shapes[i];
      const ValueId v = build.draw.seed(build.script, build.spec(shape), build.draw.seed_kind(), numbered("v", i));
      const ValueId w = build.draw.seed(build.script, build.spec(shape), build.draw.seed_kind(), numbered("w", i));
      const ValueId inner = build.script.dual(instead[i], v, numbered("d", i));
      instead[i] = build.script.dual(inner, w, numbered("dd", i));
    }
    build.draw.keep_contiguous(false);
    const std::vector<ValueId> y = build.apply("y", instead);
    const std::vector<ValueId> inner = tangents_of(build, y, "Jv");
    build.read(inner);
    build.read(tangents_of(build, inner, "JJ"));
  }
};

}  // namespace

const Property& second_order_property() {
  static const SecondOrder property;
  return property;
}

}  // namespace gradproof
