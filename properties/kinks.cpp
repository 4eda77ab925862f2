#include <algorithm>
#include <array>
#include <cmath>

#include "oracle/describe.h"
#include "properties/all.h"
#include "properties/conduct.h"
#include "properties/forward.h"

namespace gradproof {

namespace {

// The same numbers, at a kink, alone and many times, in several layouts. Derivatives of the lone call are read as one,
// one2, …, of the others as many, strided and turned.
class Kinks final : public Property {
 public:
  std::string_view id() const override { return "kinks"; }
  std::string_view statement() const override {
    return "at a kink the slope is one of those admitted, and the same wherever in a tensor the element lies";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    const std::string_view reason = unmet(subject, {});
    if (!reason.empty()) return reason;
    const Record& record = subject.entry->record;
    if (!subject.entry->elementwise || record.sample != nullptr) return "not elementwise";
    if (record.kinks.empty() && !record.ties_matter) return "no kink";
    const auto& args = subject.entry->schema.args;
    const bool mask =
        std::any_of(args.begin(), args.end(), [](const SchemaArg& arg) { return arg.name == "condition"; });
    return mask ? "takes a mask" : "";
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    // Records name kinks where the arguments have their defaults.
    draw.want(Axis::optional, OptionalClass::all_left_out);
    draw.want(Axis::shape, ShapeClass::one);
    Build build(subject, draw, script);
    const std::vector<double> at = point(build);
    constexpr std::array<Index, 6> counts{2, 3, 5, 9, 17, 35};
    const Index count = draw.pick(counts);
    const double weight = draw.moderate(subject.dtype);
    const bool forward = (subject.engine == nullptr || subject.engine->forward_mode) && draw.percent(40);
    const auto add = [&](std::string_view name, std::vector<Index> shape, std::vector<Index> strides) {
      TensorSpec spec = build.spec(shape, true);
      spec.strides = std::move(strides);
      forward ? tangent(build, name, spec, at, weight) : gradient(build, name, spec, at, weight);
    };
    add("one", {1}, {});
    add("many", {count}, {});
    add("strided", {count}, {2});
    add("turned", {3, count}, {1, 3});
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    const Adjusted alone = until_alone(script, seen);
    Verdict verdict = session.judge().judge(alone.script, alone.seen);
    const bool open = verdict.outcome == Outcome::inconclusive;  // the kink itself: several slopes would do
    if (!verdict.decided() && !open) return verdict;
    if (verdict.outcome == Outcome::fail && verdict.severity != Severity::inaccurate) return verdict;
    bool compared = false;
    for (std::uint32_t step = 0; step < script.steps.size(); ++step) {
      const auto partner = partner_of(script, step);
      if (!partner) continue;
      const gp_observation* one = seen.at(*partner);
      const gp_observation* many = seen.at(step);
      if (one == nullptr || many == nullptr || one->status != GP_VALUE || many->status != GP_VALUE) continue;
      if (one->elements != 1) continue;
      const Judge::Ball64 ball = session.judge().enclosure(*partner, 0);
      if (!std::isfinite(ball.rad)) continue;
      compared = true;
      Verdict same = judge_same(script, seen, *one, *many, ball);
      if (same.outcome == Outcome::fail) return same;
    }
    if (open && compared) {
      verdict.outcome = Outcome::pass;
      verdict.reason.clear();
      verdict.entries_undecided = 0;
    }
    return verdict;
  }

 private:
  static constexpr std::array<std::string_view, 3> others{"many", "strided", "turned"};

  // A number for each tensor: one on a kink, or all the same.
  static std::vector<double> point(Build& build) {
    const Record& record = build.subject.entry->record;
    const gp_dtype dtype = build.subject.dtype;
    const auto domain = [&](std::size_t arg) { return arg < record.domain.size() ? record.domain[arg] : all_reals; };
    std::vector<double> at;
    for (std::size_t i = 0; i < build.call.tensors.size(); ++i) at.push_back(build.draw.moderate(dtype, domain(i)));
    if (record.ties_matter && (record.kinks.empty() || build.draw.percent(50))) {
      std::fill(at.begin(), at.end(), at.front());
    } else {
      const Landmark& kink = build.draw.pick(record.kinks);
      const auto arg = static_cast<std::size_t>(kink.arg);
      if (arg < at.size()) at[arg] = within(dtype, domain(arg), kink.at);
    }
    return at;
  }

  static ValueId filled(Build& build, const TensorSpec& spec, double value, std::string_view name) {
    const ValueId made = build.script.tensor(spec, name);
    const gp_tensor tensor = build.script.tensors.back();
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) build.script.set_element(tensor, i, value);
    return made;
  }
  static std::vector<ValueId> inputs(Build& build, const TensorSpec& spec, const std::vector<double>& at) {
    std::vector<ValueId> made;
    made.reserve(at.size());
    for (const double value : at) made.push_back(filled(build, spec, value, {}));
    return made;
  }
  static void gradient(Build& build, std::string_view name, const TensorSpec& spec, const std::vector<double>& at,
                       double weight) {
    const std::vector<ValueId> x = inputs(build, spec, at);
    const ValueId y = apply(build.script, build.call, std::string(name) + "_y", x).front();
    const ValueId u = filled(build, build.spec(spec.shape), weight, {});
    const ValueId first = build.script.grad({&y, 1}, {&u, 1}, x, 0);
    build.script.names.resize(build.script.value_count);
    for (std::size_t i = 0; i < x.size(); ++i) {
      build.script.names[first + i] = numbered(name, i);
      build.script.read(first + static_cast<ValueId>(i));
    }
  }
  static void tangent(Build& build, std::string_view name, const TensorSpec& spec, const std::vector<double>& at,
                      double weight) {
    std::vector<ValueId> x = inputs(build, spec, at);
    for (ValueId& value : x) value = build.script.dual(value, filled(build, build.spec(spec.shape), weight, {}));
    const ValueId y = apply(build.script, build.call, std::string(name) + "_y", x).front();
    build.script.read(build.script.jvp(y, name));
  }

  // The lone call comes first.
  static Adjusted until_alone(const Script& script, const Observations& seen) {
    std::uint32_t end = 0;
    for (std::uint32_t step = 0; step < script.steps.size(); ++step) {
      if (script.steps[step].kind == GP_READ && script.name(value_read(script, step)).starts_with("one"))
        end = step + 1;
    }
    Adjusted alone(script, seen);
    alone.script.steps.resize(end);
    std::erase_if(alone.seen.items, [end](const gp_observation& item) { return item.step >= end; });
    return alone;
  }
  // Where the lone call's derivative is read that this step reads many of.
  static std::optional<std::uint32_t> partner_of(const Script& script, std::uint32_t step) {
    if (script.steps[step].kind != GP_READ) return std::nullopt;
    const std::string name = script.name(value_read(script, step));
    for (const std::string_view other : others) {
      if (!name.starts_with(other)) continue;
      const auto one = value_named(script, "one" + name.substr(other.size()));
      return one ? read_of(script, *one) : std::nullopt;
    }
    return std::nullopt;
  }

  // Both are within one enclosure, that of the slope which the lone call has: so far apart at most.
  static Verdict judge_same(const Script& script, const Observations& seen, const gp_observation& one,
                            const gp_observation& many, const Judge::Ball64& ball) {
    const double alone = seen.element(one, 0);
    for (std::uint64_t i = 0; i < many.elements; ++i) {
      const double got = seen.element(many, i);
      if (got == alone || (std::isnan(got) && std::isnan(alone))) continue;
      const long double apart = std::fabs(static_cast<long double>(got) - static_cast<long double>(alone));
      if (std::isfinite(apart) && apart <= 2 * ball.rad) continue;
      Verdict verdict = misbehaves(many.step, "the slope at a kink is another at another place", describe_ball(ball),
                                   describe_number(got));
      verdict.severity = Severity::wrong;
      verdict.evidence.what = describe_entry(script, seen, many.step, i);
      verdict.evidence.excess_radii = HUGE_VAL;
      return verdict;
    }
    return {};
  }
  static std::string describe_number(double value) { return describe_ball({value, 0}); }
};

}  // namespace

const Property& kinks_property() {
  static const Kinks property;
  return property;
}

}  // namespace gradproof
