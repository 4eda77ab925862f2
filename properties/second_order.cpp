#include "properties/all.h"
#include "properties/forward.h"
#include "properties/nested.h"

namespace gradproof {

namespace {

class SecondOrder final : public Property {
 public:
  std::string_view id() const override { return "second-order"; }
  std::string_view statement() const override {
    return "derivatives of gradients and of tangents lie in their enclosures, in every nesting of the modes, which "
           "agree";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    return unmet(subject, {.create_graph = true});
  }
  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const std::vector<Mode> modes = draw_modes(subject, draw, 2);
    if (modes[0] != modes[1] && draw.percent(30)) return both_ways(build);
    differentiate(build, modes);
  }
  Verdict judge(Session& session, const Script& script) const override { return judge_nested(session, script); }

 private:
  // The tangent of J'u along v is the gradient of <Jv, u>: both from one graph.
  static void both_ways(Build& build) {
    const std::vector<ValueId> y = apply_duals(build, build.call.leaves, "v", "d", "y");
    const std::vector<ValueId> u = build.seeds("u");
    const std::vector<ValueId> g = build.gradients(y, u, "Dr", GP_CREATE_GRAPH);
    build.read(g);
    const std::vector<ValueId> tangents = tangents_of(build, y, "Df");
    build.read(tangents);
    build.read(tangents_of(build, g, "Drf"));
    build.read(build.gradients(tangents, u, "Dfr", GP_ALLOW_UNUSED));
  }
};

}  // namespace

const Property& second_order_property() {
  static const SecondOrder property;
  return property;
}

}  // namespace gradproof
