#include <algorithm>

#include "properties/all.h"
#include "properties/conduct.h"

namespace gradproof {

namespace {

class GraphLifetime final : public Property {
 public:
  std::string_view id() const override { return "graph-lifetime"; }
  std::string_view statement() const override {
    return "a graph lasts one backward, or as long as it is retained; a refused backward changes nothing";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    if (subject.engine != nullptr && subject.engine->second_sweep != SecondSweep::accumulate) {
      return "a second sweep does not accumulate, as declared";
    }
    if (subject.engine != nullptr && !subject.engine->frees_graph) return "graphs are never freed, as declared";
    return unmet(subject, {});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    switch (draw.integer(0, 2)) {
      case 0: return second_sweep(build);
      case 1: return retained(build);
      default: return failed_beside_a_sum(build);
    }
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    Verdict conduct = judge_failed_sweeps(script, seen);
    if (conduct.outcome == Outcome::fail) return conduct;
    Adjusted adjusted(script, seen);
    // An engine may keep more than the reference and so refuse more: where a graph was let go, that is right.
    for (const gp_observation& item : seen.items) {
      if (item.status != GP_ERROR || item.error != GP_GRAPH_FREED || !was_let_go(script, seen, item.step)) continue;
      adjusted.leave_out(item.step);
    }
    return but_for_digits(session.judge().judge(adjusted.script, adjusted.seen));
  }

 private:
  static std::span<const ValueId> roots_of(const Script& script, std::uint32_t step) {
    const gp_arg& roots = script.args_of(script.steps[step])[0];
    return {script.ids.data() + roots.u.index, roots.count};
  }

  // Whether an earlier sweep from one of the same roots succeeded without keeping the graph.
  static bool was_let_go(const Script& script, const Observations& seen, std::uint32_t step) {
    const std::span<const ValueId> roots = roots_of(script, step);
    for (std::uint32_t before = 0; before < step; ++before) {
      if (!is_sweep(script, before) || (script.steps[before].flags & (GP_RETAIN_GRAPH | GP_CREATE_GRAPH)) != 0)
        continue;
      const gp_observation* item = seen.at(before);
      if (item != nullptr && item->status == GP_ERROR) continue;
      const std::span<const ValueId> earlier = roots_of(script, before);
      if (std::find_first_of(roots.begin(), roots.end(), earlier.begin(), earlier.end()) != roots.end()) return true;
    }
    return false;
  }

  static void afterwards(Build& build) {
    // The engine still works: a fresh graph on the same leaves.
    build.script.backward(build.apply("z"), build.seeds("w"));
    build.read_gradients();
  }

  static void second_sweep(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    const std::vector<ValueId> u = build.seeds("u");
    const Index kept = build.draw.integer(0, 1);
    for (Index k = 0; k < kept; ++k) build.script.backward(y, u, {}, GP_RETAIN_GRAPH);
    build.script.backward(y, u);
    build.read_gradients();
    build.script.backward(y, build.seeds("v"), {}, build.draw.percent(30) ? GP_RETAIN_GRAPH : 0);
    build.read_gradients();
    if (build.draw.percent(50)) afterwards(build);
  }

  static void retained(Build& build) {
    const std::vector<ValueId> y = build.apply("y");
    const Index sweeps = build.draw.integer(2, 4);
    for (Index k = 0; k < sweeps; ++k) {
      build.script.backward(y, build.seeds(numbered("u", static_cast<std::size_t>(k)) + "_"), {}, GP_RETAIN_GRAPH);
    }
    build.read_gradients();
  }

  // z = y + c: the sum keeps nothing, so a careless second sweep reaches c before it finds y's graph gone.
  static void failed_beside_a_sum(Build& build) {
    const std::size_t root = build.call.roots().front();
    const std::vector<Index>& shape = build.call.results[root].shape;
    const ValueId c = build.draw.tensor(build.script, build.spec(shape, true), {}, "c");
    const ValueId y = build.apply("y").front();
    const ValueId z = build.draw.percent(50) ? build.add(y, c, "z") : build.add(c, y, "z");
    const ValueId u = build.draw.seed(build.script, build.spec(shape), build.draw.seed_kind(), "u");
    build.script.backward({&z, 1}, {&u, 1});
    const auto read_all = [&] {
      build.script.read(build.script.grad_of(c));
      build.read_gradients();
    };
    read_all();
    build.script.backward({&z, 1}, {&u, 1});
    read_all();
  }
};

}  // namespace

const Property& graph_lifetime_property() {
  static const GraphLifetime property;
  return property;
}

}  // namespace gradproof
