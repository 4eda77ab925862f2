#include "properties/all.h"
#include "properties/conduct.h"

namespace gradproof {

namespace {

class Threads final : public Property {
 public:
  std::string_view id() const override { return "threads"; }
  std::string_view statement() const override {
    return "sweeps of several threads at once, of one graph or of several, and calls beside them, are what they are "
           "one "
           "after the other";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    if (subject.engine != nullptr && !subject.engine->threads) return "the engine has no threads";
    if (subject.engine != nullptr && subject.engine->second_sweep != SecondSweep::accumulate) {
      return "a second sweep does not accumulate, as declared";
    }
    return unmet(subject, {});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    switch (draw.integer(0, 4)) {
      case 0: return several_graphs(build);
      case 1: return one_graph(build);
      case 2: return gradients_asked_for(build);
      case 3: return forward_beside_backward(build);
      default: return refused_beside_right(build);
    }
  }

  Verdict judge(Session& session, const Script& script) const override {
    return but_for_digits(Property::judge(session, script));
  }

 private:
  // body(k) adds the steps of lane k.
  template <class Body>
  static void lanes(Build& build, Index count, Body body) {
    for (Index k = 0; k < count; ++k) {
      build.script.parallel(k == 0 ? GP_PARALLEL_BEGIN : GP_PARALLEL_NEXT);
      body(static_cast<std::size_t>(k));
    }
    build.script.parallel(GP_PARALLEL_END);
  }
  using Seeds = std::vector<std::vector<ValueId>>;
  static Seeds seeds_for(Build& build, Index count) {
    Seeds seeds;
    for (Index k = 0; k < count; ++k) seeds.push_back(build.seeds(numbered("u", static_cast<std::size_t>(k)) + "_"));
    return seeds;
  }

  // They meet at the leaves.
  static void several_graphs(Build& build) {
    const Index count = build.draw.integer(2, 4);
    const Seeds u = seeds_for(build, count);
    std::vector<std::vector<ValueId>> y;
    for (std::size_t k = 0; k < u.size(); ++k) y.push_back(build.apply(numbered("y", k) + "_"));
    lanes(build, count, [&](std::size_t k) { build.script.backward(y[k], u[k]); });
    build.read_gradients();
  }

  static void one_graph(Build& build) {
    const Index count = build.draw.integer(2, 4);
    const Seeds u = seeds_for(build, count);
    const std::vector<ValueId> y = build.apply("y");
    lanes(build, count, [&](std::size_t k) { build.script.backward(y, u[k], {}, GP_RETAIN_GRAPH); });
    build.read_gradients();
  }

  static void gradients_asked_for(Build& build) {
    const Seeds u = seeds_for(build, 2);
    const std::vector<ValueId> y = build.apply("y");
    std::vector<std::vector<ValueId>> g(2);
    lanes(build, 2, [&](std::size_t k) { g[k] = build.gradients(y, u[k], numbered("g", k) + "_", GP_RETAIN_GRAPH); });
    build.read(g[0]);
    build.read(g[1]);
    build.read_gradients();
  }

  static void forward_beside_backward(Build& build) {
    const std::vector<ValueId> u = build.seeds("u");
    const std::vector<ValueId> v = build.seeds("v");
    const std::vector<ValueId> y = build.apply("y");
    std::vector<ValueId> z;
    lanes(build, 2, [&](std::size_t k) {
      if (k == 0) return void(build.script.backward(y, u));
      z = build.apply("z");
    });
    build.read_gradients();
    build.read(z);
    build.script.backward(z, v);
    build.read_gradients();
  }

  // A sweep that depends on no leaf is refused in its lane; its sister is none the worse.
  static void refused_beside_right(Build& build) {
    const std::vector<ValueId> u = build.seeds("u");
    const std::vector<ValueId> y = build.apply("y");
    const ValueId cut = build.script.detach(y.front(), "cut");
    const bool first = build.draw.percent(50);
    lanes(build, 2, [&](std::size_t k) {
      if ((k == 0) == first) return void(build.script.backward({&cut, 1}, {u.data(), 1}));
      build.script.backward(y, u);
    });
    build.read_gradients();
  }
};

}  // namespace

const Property& threads_property() {
  static const Threads property;
  return property;
}

}  // namespace gradproof
