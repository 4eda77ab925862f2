#include "properties/all.h"
#include "properties/conduct.h"

namespace gradproof {

namespace {

class Accumulation final : public Property {
 public:
  std::string_view id() const override { return "accumulation"; }
  std::string_view statement() const override {
    return "gradients of sweeps add up: in any order, from several graphs and roots, into what is there; zeroed, they "
           "are gone";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    if (subject.engine != nullptr && subject.engine->second_sweep != SecondSweep::accumulate) {
      return "a second sweep does not accumulate, as declared";
    }
    return unmet(subject, {});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    switch (draw.integer(0, 5)) {
      case 0: return several_sweeps(build);
      case 1: return several_graphs(build);
      case 2: return prefilled(build);
      case 3: return zeroed(build);
      case 4: return shared(build);
      default: return several_roots(build);
    }
  }

  Verdict judge(Session& session, const Script& script) const override {
    return but_for_digits(Property::judge(session, script));
  }

 private:
  static void several_sweeps(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    const Index sweeps = build.draw.integer(2, 3);
    for (Index k = 0; k < sweeps; ++k) {
      const std::vector<ValueId> u = build.seeds(numbered("u", static_cast<std::size_t>(k)) + "_");
      build.script.backward(y, u, {}, k + 1 < sweeps ? GP_RETAIN_GRAPH : 0);
      if (build.draw.percent(30)) build.read_gradients();
    }
    build.read_gradients();
  }

  static void several_graphs(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    const std::vector<ValueId> z = build.apply("z");
    const std::vector<ValueId> u = build.seeds("u");
    const std::vector<ValueId> v = build.seeds("v");
    const bool swapped = build.draw.percent(50);
    build.script.backward(swapped ? z : y, u);
    build.read_gradients();
    build.script.backward(swapped ? y : z, v);
    build.read_gradients();
  }

  static void prefilled(Build& build) {
    const std::vector<ValueId> before = build.leaf_seeds("before");
    for (std::size_t i = 0; i < before.size(); ++i) build.script.set_grad(build.call.leaves[i], before[i]);
    const std::vector<ValueId> y = build.apply("y");
    build.read_gradients();
    build.script.backward(y, build.seeds("u"));
    build.read_gradients();
    if (build.draw.percent(70)) return;
    for (const ValueId leaf : build.call.leaves) build.script.set_grad(leaf, GP_NO_VALUE);
    build.script.backward(build.apply("z"), build.seeds("v"));
    build.read_gradients();
  }

  static void zeroed(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    build.script.backward(y, build.seeds("u"), {}, GP_RETAIN_GRAPH);
    build.read_gradients();
    for (const ValueId leaf : build.call.leaves) build.script.zero_grad(leaf);
    build.read_gradients();
    build.script.backward(y, build.seeds("v"));
    build.read_gradients();
  }

  // One leaf reached on two ways: through two calls, and where shapes allow it through two arguments of one.
  static void shared(Build& build) {
    std::vector<ValueId> instead(build.call.tensors);
    for (std::size_t i = 1; i < instead.size(); ++i) {
      if (build.call.shapes[i] == build.call.shapes[0]) instead[i] = instead[0];
    }
    const bool through_arguments = build.draw.percent(40) && may_share(build);
    const std::vector<ValueId> y = through_arguments ? build.apply("y", instead) : build.apply("y");
    const ValueId twice = through_arguments ? y.front() : build.add(y.front(), build.apply("z").front(), "s");
    const std::size_t root = build.call.roots().front();
    const ValueId u =
        build.draw.seed(build.script, build.spec(build.call.results[root].shape), build.draw.seed_kind(), "u");
    build.script.backward({&twice, 1}, {&u, 1});
    build.read_gradients();
  }
  // Arguments of one domain, the first of which requires a gradient.
  static bool may_share(const Build& build) {
    return build.subject.entry->record.domain.empty() && build.call.tensors.size() > 1 &&
           build.call.leaves.front() == build.call.tensors.front();
  }

  static void several_roots(Build& build) {
    std::vector<ValueId> roots = build.apply("y");
    const std::vector<ValueId> more = build.apply("z");
    roots.insert(roots.end(), more.begin(), more.end());
    std::vector<ValueId> seeds = build.seeds("u");
    const std::vector<ValueId> second = build.seeds("v");
    seeds.insert(seeds.end(), second.begin(), second.end());
    if (build.draw.percent(30)) {
      // A root that is part of another root's graph.
      const std::size_t root = build.call.roots().front();
      roots.push_back(build.unary("sin", roots.front(), "outer"));
      seeds.push_back(
          build.draw.seed(build.script, build.spec(build.call.results[root].shape), build.draw.seed_kind(), "w"));
    }
    build.script.backward(roots, seeds);
    build.read_gradients();
  }
};

}  // namespace

const Property& accumulation_property() {
  static const Accumulation property;
  return property;
}

}  // namespace gradproof
