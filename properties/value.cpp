#include "properties/all.h"
#include "properties/steps.h"

namespace gradproof {

namespace {

class Value final : public Property {
 public:
  std::string_view id() const override { return "value"; }
  std::string_view statement() const override { return "the result lies in its enclosure"; }
  std::string_view not_applicable(const Subject& subject) const override {
    return unmet(subject, {.derivatives = false});
  }
  bool takes_overlaps() const override { return true; }
  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    build.read(apply(script, build.call, "y"));
  }
};

}  // namespace

const Property& value_property() {
  static const Value property;
  return property;
}

}  // namespace gradproof
