// The property `lifecycle`: random sequences against the model.
#include "properties/all.h"
#include "properties/lifecycle/commands.h"
#include "properties/lifecycle/judge.h"

namespace gradproof {

namespace {

class Lifecycle final : public Property {
 public:
  std::string_view id() const override { return "lifecycle"; }
  std::string_view statement() const override {
    return "whatever is done to tensors, graphs and gradients, in whatever order: values, errors, memory and writes "
           "are "
           "as the model of a life cycle forecasts";
  }
  std::string_view not_applicable(const Subject& subject) const override { return unmet(subject, {}); }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    lifecycle::Stage stage(subject, draw, script);
    // Thirty commands where cases have grown to full size.
    lifecycle::draw_commands(stage, 3 + draw.size() * 27 / 100);
  }

  Verdict judge(Session& session, const Script& script) const override {
    return lifecycle::judge_sequence(session, script);
  }
};

}  // namespace

const Property& lifecycle_property() {
  static const Lifecycle property;
  return property;
}

}  // namespace gradproof
