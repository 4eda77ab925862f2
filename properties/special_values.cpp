#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/scalars/number_format.h"
#include "oracle/twin.h"
#include "properties/all.h"
#include "properties/forward.h"

namespace gradproof {

namespace {

class SpecialValues final : public Property {
 public:
  std::string_view id() const override { return "special-values"; }
  std::string_view statement() const override {
    return "at zeros of either sign, ties, kinks and ends of the domain, in tails, among subnormal numbers result and "
           "derivative are as defined; of infinities and NaN elementwise results are";
  }
  std::string_view not_applicable(const Subject& subject) const override { return unmet(subject, {}); }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    constexpr std::array classes{ValueClass::some_zeros,    ValueClass::all_zeros, ValueClass::ties,
                                 ValueClass::on_landmark,   ValueClass::tail,      ValueClass::tiny,
                                 ValueClass::near_landmark, ValueClass::subnormal, ValueClass::huge};
    draw.want(Axis::values, draw.pick(classes));
    draw.want(Axis::other_values, draw.pick(classes));
    Build build(subject, draw, script);
    const Index roll = draw.integer(0, 99);
    if (roll < 20 && subject.entry->elementwise) return beyond_numbers(build);
    if (roll < 70) sprinkle(build, finite(subject.dtype));
    const bool forward = (subject.engine == nullptr || subject.engine->forward_mode) && draw.percent(30);
    const std::vector<ValueId> y = forward ? apply_duals(build, build.call.leaves, "v", "d", "y") : build.apply("y");
    build.read(y);
    if (forward) return build.read(tangents_of(build, y, "Jv"));
    script.backward(y, build.seeds("u"));
    build.read_gradients();
  }

 private:
  static std::vector<double> finite(gp_dtype dtype) {
    const double least = format_of(dtype).least_normal;
    return {-0.0, 0, least, -least, least / 8, -least / 8};
  }
  // Of infinities and NaN results alone are defined, element by element; derivatives are of numbers.
  static void beyond_numbers(Build& build) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    sprinkle(build, {inf, -inf, std::numeric_limits<double>::quiet_NaN()});
    build.read(build.apply("y"));
  }

  // What no sampler draws. Where a sampler chose the elements itself, it knew why.
  static void sprinkle(Build& build, const std::vector<double>& values) {
    const gp_dtype dtype = build.subject.dtype;
    for (std::size_t t = 0; t < build.call.tensors.size(); ++t) {
      const ValueId value = build.call.tensors[t];
      const std::optional<Domain>& domain = build.call.domains[t];
      if (!domain || build.draw.percent(30)) continue;
      const gp_tensor tensor = build.script.tensor_of(value);
      const std::vector<std::uint64_t> places = elements_of_view(build.script, tensor);
      const Index count = places.empty() ? 0 : build.draw.integer(1, 2);
      for (Index i = 0; i < count; ++i) {
        const double x = build.draw.pick(values);
        const bool inside = !std::isfinite(x) || within(dtype, *domain, x) == x;
        if (inside) build.script.set_element(tensor, build.draw.pick(places), x);
      }
    }
  }
};

}  // namespace

const Property& special_values_property() {
  static const SpecialValues property;
  return property;
}

}  // namespace gradproof
