#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "oracle/describe.h"
#include "properties/all.h"
#include "properties/conduct.h"

namespace gradproof {

namespace {

class Determinism final : public Property {
 public:
  std::string_view id() const override { return "determinism"; }
  std::string_view statement() const override { return "the same program on the same numbers gives the same bits"; }
  std::string_view not_applicable(const Subject& subject) const override {
    if (subject.engine != nullptr && !subject.engine->deterministic)
      return "results may differ from run to run, as declared";
    return unmet(subject, {.derivatives = false});
  }

  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    Build build(subject, draw, script);
    const std::vector<ValueId> all = apply(script, build.call, "y");
    build.read(all);
    if (build.call.leaves.empty()) return;
    std::vector<ValueId> roots;
    for (const std::size_t root : build.call.roots()) roots.push_back(all[root]);
    script.backward(roots, build.seeds("u"));
    build.read_gradients();
  }

  Verdict judge(Session& session, const Script& script) const override {
    const Observations first = session.observe(script);
    Verdict verdict = same_again(session, script, first);
    if (verdict.outcome == Outcome::fail && !documented(session, script)) return verdict;
    return but_for_digits(session.judge().judge(script, first));
  }

 private:
  // After an observation of the script.
  static Verdict same_again(Session& session, const Script& script, const Observations& first) {
    for (int again = 0; again < 2; ++again) {
      Observations second;
      session.observe_again(script, second);
      if (first.items.size() != second.items.size()) {
        return misbehaves(0, "another run saw other steps", fmt::format("{} observations", first.items.size()),
                          fmt::format("{} observations", second.items.size()));
      }
      for (std::size_t i = 0; i < first.items.size(); ++i) {
        if (equal(first, first.items[i], second, second.items[i])) continue;
        return misbehaves(first.items[i].step, "another run gave other bits",
                          describe_step(script, first.items[i].step), "other bits");
      }
    }
    return {};
  }

  // An engine with a mode in which it promises equal bits documents by it what else has none: in that mode the same
  // program gives the same bits, or an error says that it has no such implementation.
  static bool documented(Session& session, const Script& script) {
    constexpr const char* mode = "gradproof::deterministic";
    if (session.engine().schemas().find(mode, "") == nullptr) return false;
    Script promised = script;
    const std::uint32_t switch_mode = promised.op(mode, "");
    promised.call(switch_mode, std::array{promised.arg_bool(true)}, 0);
    std::rotate(promised.steps.begin(), promised.steps.end() - 1, promised.steps.end());
    promised.call(switch_mode, std::array{promised.arg_bool(false)}, 0);
    const Observations first = session.observe(promised);
    const bool refused = std::any_of(first.items.begin(), first.items.end(), [&](const gp_observation& item) {
      if (item.status != GP_ERROR) return false;
      const std::string_view text = first.text_of(item);
      return text.find("deterministic implementation") != std::string_view::npos ||
             text.find("not deterministic") != std::string_view::npos;
    });
    return refused || same_again(session, promised, first).outcome != Outcome::fail;
  }

  static bool equal(const Observations& a, const gp_observation& x, const Observations& b, const gp_observation& y) {
    if (x.step != y.step || x.status != y.status || x.error != y.error || x.dtype != y.dtype) return false;
    if (x.status != GP_VALUE) return true;
    if (x.ndim != y.ndim || !std::equal(x.shape, x.shape + x.ndim, y.shape)) return false;
    const auto left = a.bytes_of(x);
    const auto right = b.bytes_of(y);
    return std::equal(left.begin(), left.end(), right.begin(), right.end());
  }
};

}  // namespace

const Property& determinism_property() {
  static const Determinism property;
  return property;
}

}  // namespace gradproof
