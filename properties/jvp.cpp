#include "properties/all.h"
#include "properties/forward.h"
#include "properties/second_opinion.h"

namespace gradproof {

std::vector<ValueId> apply_duals(Build& build, std::span<const ValueId> inputs, std::string_view tangents,
                                 std::string_view duals, std::string_view results, bool tangents_require_grad) {
  std::vector<ValueId> instead(build.call.tensors);
  // A view of the primal must be one of the tangent too.
  build.draw.keep_contiguous(is_view(build.subject));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto at = std::find(instead.begin(), instead.end(), inputs[i]);
    const TensorSpec spec = build.spec(build.shape_of(inputs[i]), tangents_require_grad);
    const ValueId v = build.draw.seed(build.script, spec, build.draw.seed_kind(), numbered(tangents, i));
    *at = build.script.dual(inputs[i], v, numbered(duals, i));
  }
  build.draw.keep_contiguous(false);
  return build.apply(results, instead);
}

std::vector<ValueId> tangents_of(Build& build, std::span<const ValueId> values, std::string_view name) {
  std::vector<ValueId> made;
  for (std::size_t i = 0; i < values.size(); ++i) made.push_back(build.script.jvp(values[i], numbered(name, i)));
  return made;
}

namespace {

class Jvp final : public Property {
 public:
  std::string_view id() const override { return "jvp"; }
  std::string_view statement() const override { return "the tangent that forward mode carries lies in its enclosure"; }
  std::string_view not_applicable(const Subject& subject) const override {
    return unmet(subject, {.forward_mode = true});
  }
  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const std::vector<ValueId> y = apply_duals(build, build.call.leaves, "v", "d", "y");
    build.read(y);
    build.read(tangents_of(build, y, "Jv"));
  }
  Verdict judge(Session& session, const Script& script) const override {
    return judge_first_derivative(session, script);
  }
};

}  // namespace

const Property& jvp_property() {
  static const Jvp property;
  return property;
}

}  // namespace gradproof
