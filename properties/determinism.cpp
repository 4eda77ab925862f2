#include <fmt/format.h>

#include <algorithm>

#include "oracle/describe.h"
#include "properties/all.h"
#include "properties/steps.h"

namespace gradproof {

namespace {

class Determinism final : public Property {
 public:
  std::string_view id() const override { return "determinism"; }
  std::string_view statement() const override { return "the same program on the same numbers gives the same bits"; }
  std::string_view not_applicable(const Subject& subject) const override {
    if (subject.engine != nullptr && !subject.engine->deterministic)
      return "results may differ from run to run, as declared";
    return unmet(subject, {.derivatives = false});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const std::vector<ValueId> all = apply(script, build.call, "y");
    build.read(all);
    if (build.call.leaves.empty()) return;
    std::vector<ValueId> roots;
    for (const std::size_t root : build.call.roots()) roots.push_back(all[root]);
    script.backward(roots, build.seeds("u"));
    build.read_gradients();
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations first = session.observe(script);
    for (int again = 0; again < 2; ++again) {
      Observations second;
      session.observe_again(script, second);
      if (first.items.size() != second.items.size()) {
        return misbehaves(0, "another run saw other steps", fmt::format("{} observations", first.items.size()),
                          fmt::format("{} observations", second.items.size()));
      }
      for (std::size_t i = 0; i < first.items.size(); ++i) {
        if (equal(first, first.items[i], second, second.items[i])) continue;
        return misbehaves(first.items[i].step, "another run gave other bits",
                          describe_step(script, first.items[i].step), "other bits");
      }
    }
    return session.judge().judge(script, first);
  }

 private:
  static bool equal(const Observations& a, const gp_observation& x, const Observations& b, const gp_observation& y) {
    if (x.step != y.step || x.status != y.status || x.error != y.error || x.dtype != y.dtype) return false;
    if (x.status != GP_VALUE) return true;
    if (x.ndim != y.ndim || !std::equal(x.shape, x.shape + x.ndim, y.shape)) return false;
    const auto left = a.bytes_of(x);
    const auto right = b.bytes_of(y);
    return std::equal(left.begin(), left.end(), right.begin(), right.end());
  }
};

}  // namespace

const Property& determinism_property() {
  static const Determinism property;
  return property;
}

}  // namespace gradproof
