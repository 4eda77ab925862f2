#include <array>

#include "oracle/twin.h"
#include "properties/all.h"
#include "properties/steps.h"

namespace gradproof {

namespace {

// Both sides are computed by the engine and read as left, left2, … and right, right2, … (one for each leaf).
class SeedWeighting final : public Property {
 public:
  std::string_view id() const override { return "seed-weighting"; }
  std::string_view statement() const override {
    return "a backward is linear in its seed: zero, basis, ones, weights and upstream gradients do what they say";
  }
  std::string_view not_applicable(const Subject& subject) const override { return unmet(subject, {}); }

  bool takes_overlaps() const override { return true; }
  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const std::vector<ValueId> y = build.apply("y");
    switch (draw.integer(0, 5)) {
      case 0: return linear(build, y);
      case 1: return zero(build, y);
      case 2: return rows(build, y);
      case 3: return ones(build, y);
      case 4: return weights(build, y);
      default: return upstream(build, y);
    }
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    Verdict verdict = session.judge().judge(script, seen);
    judge_pairs(session, script, seen, verdict);
    return verdict;
  }

 private:
  static void name_all(Script& script, std::span<const ValueId> values, std::string_view name) {
    script.names.resize(script.value_count);
    for (std::size_t i = 0; i < values.size(); ++i) script.names[values[i]] = numbered(name, i);
  }

  // Σ weights_k terms_k for each leaf, read as right; left beside it.
  static void combine(Build& build, const std::vector<std::vector<ValueId>>& terms, std::span<const double> weights,
                      std::span<const ValueId> left) {
    std::vector<ValueId> right;
    for (std::size_t leaf = 0; leaf < left.size(); ++leaf) {
      ValueId sum = build.scale(terms[0][leaf], weights[0]);
      for (std::size_t k = 1; k < terms.size(); ++k) sum = build.add(sum, build.scale(terms[k][leaf], weights[k]));
      right.push_back(sum);
    }
    name_all(build.script, right, "right");
    build.read(left);
    build.read(right);
  }

  // J'(αu + βv) = αJ'u + βJ'v, with dyadic numbers, so that αu + βv is exact.
  static void linear(Build& build, const std::vector<ValueId>& y) {
    constexpr std::array<double, 6> factors{2, -1, 0.5, 3, -0.25, 1};
    const std::array<double, 2> by{build.draw.pick(factors), build.draw.pick(factors)};
    const std::vector<ValueId> u = build.seeds("u", SeedKind::dyadic);
    const std::vector<ValueId> v = build.seeds("v", SeedKind::dyadic);
    std::vector<ValueId> w = build.seeds("w", SeedKind::zero);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const std::vector<double> a = contents_of(build.script, u[i]);
      const std::vector<double> b = contents_of(build.script, v[i]);
      const gp_tensor& tensor = build.script.tensor_of(w[i]);
      const std::vector<std::uint64_t> places = elements_of_view(build.script, tensor);
      for (std::size_t e = 0; e < places.size(); ++e)
        build.script.set_element(tensor, places[e], by[0] * a[e] + by[1] * b[e]);
    }
    const std::vector<std::vector<ValueId>> terms{build.gradients(y, u, "gu", GP_RETAIN_GRAPH),
                                                  build.gradients(y, v, "gv", GP_RETAIN_GRAPH)};
    combine(build, terms, by, build.gradients(y, w, "left", 0));
  }

  // A backward of zeros gives zeros, also where a later one gives something.
  static void zero(Build& build, const std::vector<ValueId>& y) {
    const std::vector<ValueId> none = build.seeds("zero", SeedKind::zero);
    const std::vector<ValueId> u = build.seeds("u");
    build.read(build.gradients(y, none, "g0", GP_RETAIN_GRAPH));
    build.read(build.gradients(y, u, "gu", 0));
  }

  // J'u = Σ uᵢ J'eᵢ, for a seed of at most four entries.
  static void rows(Build& build, const std::vector<ValueId>& y) {
    const std::size_t root = build.call.roots().front();
    const std::vector<Index>& shape = build.call.results[root].shape;
    const ValueId u = build.draw.seed(build.script, build.spec(shape), SeedKind::zero, "u");
    const gp_tensor tensor = build.script.tensor_of(u);
    const std::vector<std::uint64_t> places = elements_of_view(build.script, tensor);
    if (places.empty()) return zero(build, y);
    std::vector<std::vector<ValueId>> terms;
    std::vector<double> weights;
    const std::size_t stride = (places.size() + 3) / 4;
    for (std::size_t e = 0; e < places.size(); e += stride) {
      weights.push_back(build.draw.percent(20) ? 1 : build.draw.dyadic());
      build.script.set_element(tensor, places[e], weights.back());
      const ValueId basis =
          build.draw.seed(build.script, build.spec(shape), SeedKind::zero, numbered("e", terms.size()));
      const gp_tensor& own = build.script.tensor_of(basis);
      build.script.set_element(own, elements_of_view(build.script, own)[e], 1);
      terms.push_back(
          build.gradients({y.data(), 1}, {&basis, 1}, numbered("row", terms.size()) + "_", GP_RETAIN_GRAPH));
    }
    combine(build, terms, weights, build.gradients({y.data(), 1}, {&u, 1}, "left", 0));
    for (const std::vector<ValueId>& row : terms) build.read(row);
  }

  // A seed of ones gives the gradient of the sum.
  static void ones(Build& build, const std::vector<ValueId>& y) {
    const std::size_t root = build.call.roots().front();
    const ValueId u = build.draw.seed(build.script, build.spec(build.call.results[root].shape), SeedKind::ones, "u");
    const ValueId loss = build.sum(y.front(), "loss");
    build.read(build.gradients({&loss, 1}, {}, "left", GP_RETAIN_GRAPH));
    build.read(build.gradients({y.data(), 1}, {&u, 1}, "right", 0));
  }

  // Three losses backward at once with the seeds -0.1, 1, 0.0001: the sum of their weighted gradients.
  static void weights(Build& build, const std::vector<ValueId>& y) {
    constexpr std::array<double, 3> by{-0.1, 1, 0.0001};
    const ValueId first = y.front();
    const std::array<ValueId, 3> losses{build.sum(first, "loss"), build.sum(build.mul(first, first), "loss2"),
                                        build.sum(build.unary("sin", first), "loss3")};
    std::array<ValueId, 3> seeds{};
    for (std::size_t k = 0; k < 3; ++k) {
      seeds.at(k) = build.script.tensor(build.spec({}), numbered("u", k));
      build.script.set_element(build.script.tensor_of(seeds.at(k)), 0, by.at(k));
    }
    const std::vector<ValueId> left = build.gradients(losses, seeds, "left", GP_RETAIN_GRAPH);
    std::vector<std::vector<ValueId>> terms;
    for (std::size_t k = 0; k < 3; ++k) {
      terms.push_back(build.gradients({&losses.at(k), 1}, {&seeds.at(k), 1}, numbered("g", k) + "_", GP_RETAIN_GRAPH));
    }
    combine(build, terms, std::array<double, 3>{1, 1, 1}, left);
  }

  // A seed that is dz/dy gives dz/dx.
  static void upstream(Build& build, const std::vector<ValueId>& y) {
    const ValueId first = y.front();
    constexpr std::array<std::string_view, 3> outer{"cos", "sin", "square"};
    const ValueId loss = build.sum(build.unary(build.draw.pick(outer), first), "loss");
    const ValueId dy = build.script.grad({&loss, 1}, {}, {&first, 1}, GP_RETAIN_GRAPH);
    name_all(build.script, {&dy, 1}, "dy");
    build.read(build.gradients({&loss, 1}, {}, "left", GP_RETAIN_GRAPH));
    build.read(build.gradients({&first, 1}, {&dy, 1}, "right", 0));
    build.script.read(dy);
  }
};

}  // namespace

const Property& seed_weighting_property() {
  static const SeedWeighting property;
  return property;
}

}  // namespace gradproof
