#include "properties/lifecycle/rules.h"

#include <array>

#include "properties/all.h"
#include "properties/conduct.h"
#include "properties/lifecycle/judge.h"

namespace gradproof {

namespace {

using lifecycle::RuleInfo;

class Rule final : public Property {
 public:
  explicit Rule(const RuleInfo& info) : info_(info) {}
  std::string_view id() const override { return info_.id; }
  std::string_view statement() const override { return info_.statement; }
  std::string_view not_applicable(const Subject& subject) const override {
    // A rule is about the engine; `lifecycle` tries every operator.
    const Schema& schema = subject.entry->schema;
    if (lifecycle::facts_of(schema.name, schema.overload) == nullptr) return "tried on the operators of the model";
    if (info_.hooks && subject.engine != nullptr && !subject.engine->hooks) return "no hooks";
    return unmet(subject, {.create_graph = info_.create_graph});
  }
  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    lifecycle::Stage stage(subject, draw, script);
    info_.generate(stage);
  }
  Verdict judge(Session& session, const Script& script) const override {
    Verdict verdict = lifecycle::judge_sequence(session, script, {.strict = info_.strict});
    if (!info_.strict || verdict.outcome == Outcome::unsupported) return verdict;
    // Told as what it is, not as a wrong number.
    Verdict conduct = judge_failed_sweeps(script, session.observe(script));
    return conduct.outcome == Outcome::fail ? conduct : verdict;
  }

 private:
  RuleInfo info_;
};

}  // namespace

const std::vector<const Property*>& lifecycle_rules() {
  using namespace lifecycle;  // NOLINT(google-build-using-namespace): the rules this is a list of
  static const std::array<Rule, 14> rules{
      Rule({"lifecycle-sums", "sweeps add up, in any order, from one graph and from several, one root or many",
            draw_sums}),
      Rule({"lifecycle-prefilled", "a gradient that was set is added to, however it lies in memory", draw_prefilled}),
      Rule({"lifecycle-zero", "a gradient zeroed or taken away starts anew; others are as they were", draw_zero}),
      Rule({"lifecycle-shared-leaves",
            "what reaches a leaf on several ways is summed; two leaves in one memory are two leaves",
            draw_shared_leaves}),
      Rule({"lifecycle-retain",
            "retain_graph keeps a graph; without it a second sweep is refused, or right where nothing was kept",
            draw_retain}),
      Rule({.id = "lifecycle-refused",
            .statement = "after a sweep that was refused or failed gradients are as before",
            .generate = draw_refused,
            .strict = true}),
      Rule({"lifecycle-inputs", "a sweep for named inputs touches no other gradient", draw_inputs}),
      Rule({.id = "lifecycle-create-graph",
            .statement = "what a sweep with create_graph makes can be used and differentiated",
            .generate = draw_create_graph,
            .create_graph = true}),
      Rule({"lifecycle-misuse", "misuse raises the error of its kind, and the engine works after it", draw_misuse}),
      Rule({.id = "lifecycle-memory",
            .statement = "no gradient, seed, input or result shares memory with another; nothing changes that nothing "
                         "wrote to",
            .generate = draw_memory,
            .strict = true}),
      Rule({"lifecycle-saved", "a write to what a sweep needs is noticed, or does no harm", draw_saved}),
      Rule({"lifecycle-views", "a write through a view reaches its base and its other views, with the right gradients",
            draw_views}),
      Rule({"lifecycle-detach", "detach cuts exactly there, and copies nothing", draw_detach}),
      Rule({.id = "lifecycle-hooks",
            .statement = "a hook acts once on all that arrives at its tensor, and on nothing else",
            .generate = draw_hooks,
            .hooks = true}),
  };
  static const std::vector<const Property*> all = [] {
    std::vector<const Property*> made;
    made.reserve(rules.size());
    for (const Rule& rule : rules) made.push_back(&rule);
    return made;
  }();
  return all;
}

}  // namespace gradproof
