#include <algorithm>
#include <array>
#include <cmath>

#include "properties/all.h"
#include "properties/conduct.h"
#include "properties/program/blame.h"
#include "properties/program/grow.h"
#include "properties/program/trial.h"

namespace gradproof {

namespace {

using program::Program;
using program::Value;

constexpr std::size_t most_calls = 40;
constexpr std::size_t kept_for_the_subject = 12;  // with what brings values into its shapes and domains
constexpr double most_gradient = 0x1p20;

// The first cases are short; later ones are of every length alike.
std::size_t draw_length(RandomDraw& draw) {
  constexpr std::array<std::pair<Index, Index>, 4> lengths{{{2, 5}, {6, 10}, {11, 20}, {21, 38}}};
  const Index longest = std::clamp<Index>(draw.size() / 25, 0, 3);
  const auto [low, high] = lengths[static_cast<std::size_t>(draw.integer(0, longest))];
  return static_cast<std::size_t>(draw.integer(low, high));
}

bool any_elements(const Value& value) { return !value.elements.empty(); }

class RandomProgram final : public Property {
 public:
  std::string_view id() const override { return "program"; }
  std::string_view statement() const override {
    return "in a random program of up to 40 calls every value and every gradient lies in its enclosure";
  }
  std::string_view not_applicable(const Subject& subject) const override { return unmet(subject, {}); }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    const std::vector<std::string> comments = script.comments;
    draw.want_nothing();
    draw.keep_moderate(true);
    constexpr int attempts = 3;
    for (int i = 0; i < attempts; ++i) {
      script.clear();
      script.comments = comments;
      Program made(subject, draw, script);
      grow(subject, draw, made);
      sweep(subject, draw, script, made);
      const bool moderate = program::is_moderate(program::trial(*subject.registry, script), most_gradient);
      if (moderate && program::is_inside(*subject.registry, subject.dtype, script)) return;
    }
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations& seen = session.observe(script);
    Verdict verdict = but_for_digits(session.judge().judge(script, seen));
    if (verdict.outcome == Outcome::fail && keeps_more(seen, verdict)) {
      verdict.outcome = Outcome::inconclusive;
      verdict.severity = Severity::none;
      verdict.reason = "the engine keeps for its gradients what was written over";
    }
    if (verdict.outcome != Outcome::fail || verdict.entries_outside == 0) return verdict;
    const std::string first = program::first_wrong(session, script);
    if (!first.empty()) verdict.reason += ", first " + first;
    return verdict;
  }

 private:
  // The subject is called once at least, somewhere in the middle.
  static void grow(const Subject& subject, RandomDraw& draw, Program& made) {
    const std::size_t length = draw_length(draw);
    const auto place = static_cast<std::size_t>(draw.integer(0, static_cast<Index>(length) - 1));
    bool called = false;
    made.limit_calls(most_calls - kept_for_the_subject);
    for (std::size_t tries = 0; made.calls() < length && tries < 4 * length; ++tries) {
      if (!called && made.calls() >= place) {
        made.limit_calls(most_calls);
        called = made.call(*subject.entry);
        if (called) continue;
        made.limit_calls(most_calls - kept_for_the_subject);
      }
      const Index roll = draw.integer(0, 99);
      if (roll < 15) {
        made.call_view();
      } else if (roll < 28) {
        made.write_in_place();
      } else if (roll < 32) {
        made.detach();
      } else {
        made.call_any();
      }
    }
    made.limit_calls(most_calls);
    // Some samplers seldom draw what keeps clear of ties and domains' ends.
    for (int i = 0; i < 8 && !called; ++i) called = made.call(*subject.entry);
  }

  static std::vector<const Value*> roots_of(const Program& made, RandomDraw& draw) {
    std::vector<const Value*> open;
    const Value* last = nullptr;
    for (const Value& value : made.values()) {
      if (!value.requires_grad || value.leaf || !any_elements(value)) continue;
      if (value.uses == 0) open.push_back(&value);
      last = &value;
    }
    if (open.empty() && last != nullptr) open.push_back(last);
    constexpr std::size_t most_roots = 4;
    while (open.size() > most_roots) open.erase(open.begin() + draw.integer(0, std::ssize(open) - 2));
    return open;
  }

  static void sweep(const Subject& subject, RandomDraw& draw, Script& script, Program& made) {
    const std::vector<const Value*> roots = roots_of(made, draw);
    if (roots.empty()) return;
    std::vector<ValueId> ids;
    std::vector<ValueId> seeds;
    for (const Value* root : roots) {
      TensorSpec spec;
      spec.dtype = subject.dtype;
      spec.shape = root->shape;
      spec.device = subject.device;
      ids.push_back(root->id);
      seeds.push_back(draw.seed(script, spec, draw.percent(70) ? SeedKind::random : SeedKind::ones, made.next("u")));
    }
    std::vector<ValueId> leaves;
    std::vector<ValueId> kept;
    const bool keeps = draw.percent(60);
    for (const Value& value : made.values()) {
      if (!value.requires_grad) continue;
      if (value.leaf) leaves.push_back(value.id);
      // Of several results one that the sweep does not reach is no matter of programs (LibTorch 1.13 stumbles there).
      const bool alone = script.steps[script.step_of(value.id)].result_count == 1;
      if (!value.leaf && keeps && alone && !value.written) kept.push_back(value.id);
    }
    const bool accumulates = subject.engine == nullptr || subject.engine->second_sweep == SecondSweep::accumulate;
    const Index way = draw.integer(0, 2);
    if (way == 0 && !leaves.empty()) return ask(script, ids, seeds, leaves);
    for (const ValueId value : kept) script.retain_grad(value);
    if (way == 1 && accumulates) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        script.backward({&ids[i], 1}, {&seeds[i], 1}, {}, i + 1 < ids.size() ? GP_RETAIN_GRAPH : 0);
      }
    } else {
      script.backward(ids, seeds);
    }
    // In the order of the sweep: where one is wrong, the first tells where it became so.
    std::reverse(kept.begin(), kept.end());
    for (const ValueId value : kept) script.read(script.grad_of(value));
    for (const ValueId leaf : leaves) script.read(script.grad_of(leaf));
  }

  static void ask(Script& script, std::span<const ValueId> roots, std::span<const ValueId> seeds,
                  std::span<const ValueId> leaves) {
    const ValueId first = script.grad(roots, seeds, leaves, GP_ALLOW_UNUSED);
    script.names.resize(script.value_count);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      const ValueId grad = first + static_cast<ValueId>(i);
      script.names[grad] = "g" + std::to_string(grad);
      script.read(grad);
    }
  }

  // What an engine keeps is its business, as long as it notices: `lifecycle-saved` is about that.
  static bool keeps_more(const Observations& seen, const Verdict& verdict) {
    const gp_observation* item = seen.at(verdict.evidence.step);
    return verdict.severity == Severity::misbehaving && item != nullptr && item->status == GP_ERROR &&
           item->error == GP_SAVED_MODIFIED;
  }
};

}  // namespace

const Property& program_property() {
  static const RandomProgram property;
  return property;
}

}  // namespace gradproof
