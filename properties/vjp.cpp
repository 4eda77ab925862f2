#include "properties/all.h"
#include "properties/second_opinion.h"
#include "properties/steps.h"

namespace gradproof {

namespace {

class Vjp final : public Property {
 public:
  std::string_view id() const override { return "vjp"; }
  std::string_view statement() const override { return "the gradient of a backward with a seed lies in its enclosure"; }
  std::string_view not_applicable(const Subject& subject) const override { return unmet(subject, {}); }
  bool takes_overlaps() const override { return true; }
  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const std::vector<ValueId> y = build.apply("y");
    const bool seeded = !build.single_elements() || draw.percent(60);
    const std::vector<ValueId> u = seeded ? build.seeds("u") : std::vector<ValueId>{};
    build.read(y);
    if (y.size() > 1 && draw.percent(33)) {
      // One result alone: the others' gradients are absent, not zero.
      const auto one = static_cast<std::size_t>(draw.integer(0, std::ssize(y) - 1));
      script.backward({&y[one], 1}, seeded ? std::span<const ValueId>(&u[one], 1) : std::span<const ValueId>());
    } else {
      script.backward(y, u);
    }
    build.read_gradients();
  }
  Verdict judge(Session& session, const Script& script) const override {
    return judge_first_derivative(session, script);
  }
};

}  // namespace

const Property& vjp_property() {
  static const Vjp property;
  return property;
}

}  // namespace gradproof
