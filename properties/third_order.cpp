#include "properties/all.h"
#include "properties/nested.h"

namespace gradproof {

namespace {

class ThirdOrder final : public Property {
 public:
  std::string_view id() const override { return "third-order"; }
  std::string_view statement() const override {
    return "third derivatives lie in their enclosures, in every nesting of three modes";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    return unmet(subject, {.create_graph = true});
  }
  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    differentiate(build, draw_modes(subject, draw, 3));
  }
  Verdict judge(Session& session, const Script& script) const override { return judge_nested(session, script); }
};

}  // namespace

const Property& third_order_property() {
  static const ThirdOrder property;
  return property;
}

}  // namespace gradproof
