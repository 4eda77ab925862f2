#include <map>

#include "oracle/describe.h"
#include "properties/all.h"
#include "properties/conduct.h"

namespace gradproof {

namespace {

class Purity final : public Property {
 public:
  std::string_view id() const override { return "purity"; }
  std::string_view statement() const override {
    return "sweeps change neither inputs nor seeds nor results, and no gradient shares memory with any of them or "
           "another gradient";
  }
  std::string_view not_applicable(const Subject& subject) const override { return unmet(subject, {}); }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const std::vector<ValueId> y = build.apply("y");
    const std::vector<ValueId> u = build.seeds("u");
    const auto read_all = [&] {
      build.read(build.call.tensors);
      build.read(y);
      build.read(u);
    };
    read_all();
    // A gradient that is the seed's own memory shows when the next sweep adds to it.
    const bool twice = accumulates(subject) && draw.percent(70);
    if (twice) script.backward(y, u, {}, GP_RETAIN_GRAPH);
    script.backward(y, u);
    read_all();
    build.read_gradients();
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    Verdict changed = judge_unchanged(script, seen);
    if (changed.outcome == Outcome::fail) return changed;
    Verdict shared = judge_memory(script, seen);
    if (shared.outcome == Outcome::fail) return shared;
    return but_for_digits(session.judge().judge(script, seen));
  }

 private:
  static bool accumulates(const Subject& subject) {
    return subject.engine == nullptr || subject.engine->second_sweep == SecondSweep::accumulate;
  }

  // Everything read more than once has the bits of its first reading.
  static Verdict judge_unchanged(const Script& script, const Observations& seen) {
    std::map<ValueId, const gp_observation*> first;
    for (const gp_observation& item : seen.items) {
      if (script.steps[item.step].kind != GP_READ || item.status != GP_VALUE) continue;
      const ValueId value = value_read(script, item.step);
      if (owner_of_gradient(script, value)) continue;
      const auto [at, fresh] = first.emplace(value, &item);
      if (fresh || same_bits(seen, *at->second, item)) continue;
      return misbehaves(item.step, "a backward changed " + script.name(value), "as before", "other bits");
    }
    return {};
  }

  static Verdict judge_memory(const Script& script, const Observations& seen) {
    for (const gp_observation& gradient : seen.items) {
      if (!is_gradient(script, gradient)) continue;
      for (const gp_observation& other : seen.items) {
        if (other.step == gradient.step || other.storage != gradient.storage || other.elements == 0) continue;
        if (other.status != GP_VALUE || script.steps[other.step].kind != GP_READ) continue;
        if (is_gradient(script, other) && subject_of(script, other) == subject_of(script, gradient)) continue;
        const std::string with =
            is_gradient(script, other) ? "another gradient" : script.name(value_read(script, other.step));
        return misbehaves(gradient.step, "a gradient shares memory with " + with, "memory of its own",
                          describe_step(script, gradient.step) + " shares with " + describe_step(script, other.step));
      }
    }
    return {};
  }
  static bool is_gradient(const Script& script, const gp_observation& item) {
    return script.steps[item.step].kind == GP_READ && item.status == GP_VALUE && item.storage != 0 &&
           item.elements > 0 && owner_of_gradient(script, value_read(script, item.step)).has_value();
  }
  static ValueId subject_of(const Script& script, const gp_observation& item) {
    return owner_of_gradient(script, value_read(script, item.step)).value_or(GP_NO_VALUE);
  }
};

}  // namespace

const Property& purity_property() {
  static const Purity property;
  return property;
}

}  // namespace gradproof
