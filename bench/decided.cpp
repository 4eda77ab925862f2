// How many random programs are decided, by their length, with affine forms and with balls alone.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "bench/bench.h"
#include "properties/all.h"

namespace gradproof {

namespace {

constexpr std::uint64_t first_case = 9;  // from here on they are of every length
constexpr std::array<std::size_t, 4> longest{5, 10, 20, 40};

struct Decided {
  std::uint64_t programs = 0;
  std::uint64_t with_forms = 0;
  std::uint64_t with_balls = 0;
};
using ByLength = std::array<Decided, longest.size()>;

std::set<std::string> operators_of(const Registry& registry, Engine& engine) {
  std::set<std::string> names;
  for (const Entry& entry : registry.entries()) {
    for (const std::string& name : {entry.schema.name, entry.schema.name + "_"}) {
      if (engine.schemas().find(name, entry.schema.overload) == nullptr) continue;
      names.insert(name + (entry.schema.overload.empty() ? "" : ".") + entry.schema.overload);
    }
  }
  return names;
}

ByLength decided(const Bench& bench, Engine& engine) {
  ByLength counts;
  const Registry& registry = bench.registry();
  const std::set<std::string> operators = operators_of(registry, engine);
  Session with(registry, engine);
  Session without(registry, engine);
  without.judge().use_forms(false);
  const Property& property = program_property();
  for (const Entry& entry : registry.entries()) {
    for (const gp_dtype dtype : {GP_F32, GP_F64}) {
      const Subject subject{&registry, &entry, dtype, GP_CPU, &engine.info(), &operators};
      if (!operators.contains(entry.schema.full_name()) || !property.not_applicable(subject).empty()) continue;
      for (std::uint64_t i = 0; i < 4; ++i) {
        Script script;
        generate_case({1, engine.info().name, entry.id(), property.id(), dtype, first_case + i}, property, subject,
                      script);
        const auto calls = static_cast<std::size_t>(std::count_if(
            script.steps.begin(), script.steps.end(), [](const gp_step& step) { return step.kind == GP_CALL; }));
        const auto at =
            static_cast<std::size_t>(std::lower_bound(longest.begin(), longest.end() - 1, calls) - longest.begin());
        const Verdict verdict = property.judge(with, script);
        if (verdict.outcome == Outcome::unsupported) continue;
        ++counts[at].programs;
        counts[at].with_forms += verdict.decided() ? 1 : 0;
        counts[at].with_balls += property.judge(without, script).decided() ? 1 : 0;
      }
    }
  }
  return counts;
}

}  // namespace

void bench_decided(Bench& bench) {
  for (const bool libtorch : {false, true}) {
    const std::string name = libtorch ? "LibTorch" : "the reference";
    if (!bench.wants("programs decided, " + name, libtorch)) continue;
    const ByLength counts = decided(bench, libtorch ? *bench.libtorch() : bench.reference());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const Decided& one = counts[i];
      if (one.programs == 0) continue;
      const auto percent = [&](std::uint64_t part) {
        return 100 * static_cast<double>(part) / static_cast<double>(one.programs);
      };
      bench.add({.what = fmt::format("programs decided, {}, {} to {} calls", name, i == 0 ? 1 : longest[i - 1] + 1,
                                     longest[i]),
                 .measured = fmt::format("{:.1f} % of {}; {:.1f} % without affine forms", percent(one.with_forms),
                                         one.programs, percent(one.with_balls))});
    }
  }
}

}  // namespace gradproof
