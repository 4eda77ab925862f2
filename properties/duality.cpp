#include <fmt/format.h>

#include <cmath>

#include "properties/all.h"
#include "properties/forward.h"

namespace gradproof {

namespace {

// <a, b> with a read from the engine and b exact: its value, what the enclosures of a's entries leave open, and
// the same for their midpoints.
struct Product {
  long double value = 0;
  long double radius = 0;
  long double middle = 0;
  long double size = 0;  // Σ |a b|
  std::size_t terms = 0;
};

void add_product(Product& sum, Session& session, const Observations& seen, const gp_observation& item,
                 const std::vector<double>& by) {
  if (item.status != GP_VALUE) return;  // an absent tangent or gradient is zero
  for (std::uint64_t i = 0; i < item.elements && i < by.size(); ++i) {
    const long double factor = static_cast<long double>(by[i]);
    const Judge::Ball64 ball = session.judge().enclosure(item.step, i);
    const long double term = static_cast<long double>(seen.element(item, i)) * factor;
    sum.value += term;
    sum.size += std::fabs(term);
    ++sum.terms;
    if (factor == 0) continue;
    sum.radius += ball.rad * std::fabs(factor);
    sum.middle += ball.mid * factor;
  }
}

class Duality final : public Property {
 public:
  std::string_view id() const override { return "duality"; }
  std::string_view statement() const override { return "forward and reverse mode agree: <Jv, u> = <v, J'u>"; }
  std::string_view not_applicable(const Subject& subject) const override {
    return unmet(subject, {.forward_mode = true});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const std::vector<ValueId> y = build.apply("y");
    script.backward(y, build.seeds("u"));
    build.read_gradients();
    const std::vector<ValueId> dual = apply_duals(build, build.call.leaves, "v", "d", "yd");
    build.read(tangents_of(build, dual, "Jv"));
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    Verdict verdict = session.judge().judge(script, seen);
    if (verdict.outcome != Outcome::pass && verdict.outcome != Outcome::inconclusive) return verdict;
    Product forward;
    Product reverse;
    std::uint32_t step = 0;
    for (ValueId value = 0; value < script.value_count; ++value) {
      const auto read = read_of(script, value);
      const gp_observation* item = read ? seen.at(*read) : nullptr;
      if (item == nullptr) continue;
      if (const auto leaf = owner_of_gradient(script, value)) {
        // v is named after the leaf's place among those that require a gradient.
        if (const auto v = tangent_for(script, *leaf))
          add_product(reverse, session, seen, *item, contents_of(script, *v));
      } else if (script.steps[script.step_of(value)].kind == GP_JVP) {
        const std::string name = script.name(value);
        if (!name.starts_with("Jv")) continue;
        if (const auto u = value_named(script, "u" + name.substr(2))) {
          step = *read;
          add_product(forward, session, seen, *item, contents_of(script, *u));
        }
      }
    }
    if (step != 0 && is_whole(script)) compare(forward, reverse, step, verdict);
    return verdict;
  }

 private:
  // Both products have all their terms: a script that was cut down may have lost some.
  static bool is_whole(const Script& script) {
    for (ValueId value = 0; value < script.value_count; ++value) {
      const std::string name = script.name(value);
      const int kind = script.steps[script.step_of(value)].kind;
      const auto partner = [&](std::string_view prefix, std::size_t skip) {
        return value_named(script, std::string(prefix) + name.substr(skip));
      };
      if (kind == GP_JVP && name.starts_with("Jv") && !partner("u", 2)) return false;
      if (kind != GP_TENSOR || !name.starts_with("u")) continue;
      const auto tangent = partner("Jv", 1);
      if (!tangent || !read_of(script, *tangent)) return false;
    }
    for (const gp_step& step : script.steps) {
      if (step.kind != GP_DUAL) continue;
      const auto leaf = static_cast<ValueId>(script.args_of(step)[0].u.index);
      if (requires_grad(script, leaf) && gradient_reads_of(script, leaf).empty()) return false;
    }
    return true;
  }
  // The tangent of the dual made of a leaf.
  static std::optional<ValueId> tangent_for(const Script& script, ValueId leaf) {
    for (const gp_step& step : script.steps) {
      if (step.kind == GP_DUAL && script.args_of(step)[0].u.index == leaf) {
        return static_cast<ValueId>(script.args_of(step)[1].u.index);
      }
    }
    return std::nullopt;
  }

  static void compare(const Product& forward, const Product& reverse, std::uint32_t step, Verdict& verdict) {
    constexpr long double unit = std::numeric_limits<long double>::epsilon();
    const auto terms = static_cast<long double>(forward.terms + reverse.terms + 2);
    const long double slack = forward.radius + reverse.radius + std::fabs(forward.middle - reverse.middle) +
                              terms * unit * (forward.size + reverse.size);
    const long double apart = std::fabs(forward.value - reverse.value);
    if (!std::isfinite(slack) || !std::isfinite(apart) || apart <= slack) return;
    verdict.outcome = Outcome::fail;
    verdict.severity = Severity::wrong;
    verdict.reason = "forward and reverse mode disagree";
    verdict.evidence.step = step;
    verdict.evidence.what = "<Jv, u>";
    verdict.evidence.expected =
        fmt::format("{:.9g} ± {:.2g} (as <v, J'u>)", static_cast<double>(reverse.value), static_cast<double>(slack));
    verdict.evidence.got = fmt::format("{:.9g}", static_cast<double>(forward.value));
    verdict.evidence.excess_radii = slack > 0 ? static_cast<double>(apart / slack) : HUGE_VAL;
  }
};

}  // namespace

const Property& duality_property() {
  static const Duality property;
  return property;
}

}  // namespace gradproof
