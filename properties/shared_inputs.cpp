#include <rapidcheck/Random.h>

#include <algorithm>
#include <array>
#include <map>

#include "properties/all.h"
#include "properties/nested.h"
#include "properties/redraw.h"

namespace gradproof {

namespace {

// Whether any call of the operator takes two floating tensors: told by some that are drawn, always the same.
bool takes_two(const Subject& subject) {
  thread_local std::map<const Entry*, bool> known;
  const auto found = known.find(subject.entry);
  if (found != known.end()) return found->second;
  RandomDraw draw(rc::Random(1), 50);
  bool two = false;
  for (int i = 0; i < 12 && !two; ++i) {
    Script script;
    two = draw_call(subject, draw, script).tensors.size() > 1;
  }
  return known[subject.entry] = two;
}

class SharedInputs final : public Property {
 public:
  std::string_view id() const override { return "shared-inputs"; }
  std::string_view statement() const override {
    return "a tensor that a call takes several times, as it is or transposed, gets the sum of what each place gives";
  }
  std::string_view not_applicable(const Subject& subject) const override {
    const std::string_view reason = unmet(subject, {});
    if (!reason.empty()) return reason;
    return takes_two(subject) ? "" : "takes one floating tensor";
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build = build_fitting(subject, draw, script, 8, [](const Build& one) {
      return !pairs_of(one, Fit::same).empty() || !pairs_of(one, Fit::transposed).empty();
    });
    const std::vector<Pair> same = pairs_of(build, Fit::same);
    const std::vector<Pair> transposed = pairs_of(build, Fit::transposed);
    if (!transposed.empty() && (same.empty() || draw.percent(25))) {
      const Pair pair = draw.pick(transposed);
      const std::array<gp_arg, 3> args{script.arg(build.call.tensors[pair.kept]), script.arg_int(-2),
                                       script.arg_int(-1)};
      const ValueId turned = script.call(script.op("transpose", "int"), args, 1, "turned");
      share(build, pair.shared, turned);
      return differentiate(build, std::array{Mode::reverse});
    }
    if (!same.empty()) share_same(build, draw.pick(same));
    const bool twice = draw.percent(30) && unmet(subject, {.create_graph = true}).empty();
    differentiate(build, draw_modes(subject, draw, twice ? 2 : 1));
  }
  Verdict judge(Session& session, const Script& script) const override { return judge_nested(session, script); }

 private:
  // The call takes the tensor `kept`, a leaf, in the place of `shared`.
  struct Pair {
    std::size_t kept = 0;
    std::size_t shared = 0;
  };
  enum class Fit { same, transposed };

  static bool fit(std::vector<Index> kept, const std::vector<Index>& shared, Fit how) {
    if (how == Fit::same) return kept == shared;
    if (kept.size() < 2) return false;
    std::swap(kept[kept.size() - 1], kept[kept.size() - 2]);
    return kept == shared;
  }
  static bool same_domain(const Build& build, std::size_t a, std::size_t b) {
    const Domain one = build.call.domains[a].value_or(all_reals);
    const Domain other = build.call.domains[b].value_or(all_reals);
    return one.low == other.low && one.high == other.high;
  }
  // Of a tensor whose elements the sampler chose another may not take the place: it may be singular.
  static bool is_fixed(const Build& build, std::size_t tensor) { return !build.call.domains[tensor]; }
  static std::vector<Pair> pairs_of(const Build& build, Fit how) {
    std::vector<Pair> pairs;
    for (std::size_t i = 0; i < build.call.tensors.size(); ++i) {
      for (std::size_t j = 0; j < build.call.tensors.size(); ++j) {
        if (i == j || !requires_grad(build.script, build.call.tensors[i]) || is_fixed(build, j)) continue;
        if (fit(build.call.shapes[i], build.call.shapes[j], how) && same_domain(build, i, j)) pairs.push_back({i, j});
      }
    }
    return pairs;
  }

  static void share(Build& build, std::size_t shared, ValueId instead) {
    put_in_place(build.script, build.call, shared, instead);
    const auto at = static_cast<std::ptrdiff_t>(shared);
    build.call.tensors.erase(build.call.tensors.begin() + at);
    build.call.shapes.erase(build.call.shapes.begin() + at);
    build.call.domains.erase(build.call.domains.begin() + at);
  }
  // In one place, or in all that it fits.
  static void share_same(Build& build, const Pair& pair) {
    const ValueId kept = build.call.tensors[pair.kept];
    const ValueId chosen = build.call.tensors[pair.shared];
    const std::vector<Pair> pairs = pairs_of(build, Fit::same);
    const bool all = build.draw.percent(30);
    for (std::size_t j = build.call.tensors.size(); j-- > 0;) {
      const bool fits = std::any_of(pairs.begin(), pairs.end(),
                                    [&](const Pair& one) { return one.kept == pair.kept && one.shared == j; });
      if (fits && (all || build.call.tensors[j] == chosen)) share(build, j, kept);
    }
  }
};

}  // namespace

const Property& shared_inputs_property() {
  static const SharedInputs property;
  return property;
}

}  // namespace gradproof
