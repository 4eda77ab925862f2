// Every operator's vjp cases: what judging them costs (enclosing, comparing, planting) over the engine's own runs of
// them. Each operator has a child process, for an engine may crash on a case.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "bench/bench.h"
#include "properties/all.h"

namespace gradproof {

namespace {

constexpr std::uint64_t case_count = 8;
constexpr std::size_t most_expensive = 10;
constexpr int rounds = 5;  // a thousand measurements take a quarter of a minute

// Nanoseconds of all cases together.
struct Cost {
  double judging = 0;
  double engine = 0;
};
struct Measured {
  std::string id;
  Cost cost;
};

Cost cost_of(Bench& bench, const Subject& subject) {
  Engine& engine = *bench.libtorch();
  Judge judge(bench.registry(), engine.info());
  std::vector<Script> scripts(case_count);
  std::vector<Observations> seen(case_count);
  std::vector<gp_program> programs(case_count);
  std::vector<std::unique_ptr<PreparedProgram>> prepared(case_count);
  for (std::uint64_t i = 0; i < case_count; ++i) {
    // From the tenth on cases have their full size.
    generate_case({1, engine.info().name, subject.entry->id(), "vjp", subject.dtype, 10 + i}, vjp_property(), subject,
                  scripts[i]);
    programs[i] = scripts[i].view();
    prepared[i] = engine.prepare(programs[i]);
    prepared[i]->run(programs[i].data, seen[i]);
    if (judge.judge(scripts[i], seen[i]).outcome == Outcome::unsupported) return {};
  }
  Observations again;
  const auto ns = interleave({[&] {
                                for (std::uint64_t i = 0; i < case_count; ++i) judge.judge(scripts[i], seen[i]);
                              },
                              [&] {
                                for (std::uint64_t i = 0; i < case_count; ++i) {
                                  prepared[i]->run(programs[i].data, again);
                                }
                              }},
                             {rounds, bench.effort().batch / 4});
  return {ns[0], ns[1]};
}

// Nothing where the child died, or the engine does not have the operator.
std::optional<Cost> cost_in_child(Bench& bench, const Subject& subject) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no process");
  if (child == 0) {
    Cost cost;
    try {
      cost = cost_of(bench, subject);
    } catch (const std::exception&) {
    }
    const bool told = write(ends[1], &cost, sizeof cost) == sizeof cost;
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  Cost cost;
  const bool whole = read(ends[0], &cost, sizeof cost) == sizeof cost;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!whole || cost.engine == 0) return std::nullopt;
  return cost;
}

void add_row(Bench& bench, std::string what, const Cost& cost, std::uint64_t cases, Row::Better better) {
  const double per = 1e3 * static_cast<double>(cases);
  bench.add({.what = std::move(what),
             .measured = fmt::format("{:.2f}× ({:.3g} against {:.3g} µs a case)", cost.judging / cost.engine,
                                     cost.judging / per, cost.engine / per),
             .value = cost.judging / cost.engine,
             .better = better,
             .target = 1});
}

}  // namespace

void bench_catalogue(Bench& bench) {
  for (const gp_dtype dtype : {GP_F32, GP_F64}) {
    const std::string what = fmt::format("judging vjp over the engine's runs, {} rounds, {}", rounds, name_of(dtype));
    if (!bench.wants(what)) continue;
    std::vector<Measured> all;
    Cost sum;
    for (const Entry& entry : bench.registry().entries()) {
      const Subject subject{&bench.registry(), &entry, dtype, GP_CPU, &bench.libtorch()->info()};
      if (!vjp_property().not_applicable(subject).empty()) continue;
      const std::optional<Cost> cost = cost_in_child(bench, subject);
      if (!cost) continue;
      sum.judging += cost->judging;
      sum.engine += cost->engine;
      all.push_back({entry.id(), *cost});
    }
    add_row(bench, fmt::format("{}, all {} operators", what, all.size()), sum, all.size() * case_count,
            Row::Better::at_most);
    std::sort(all.begin(), all.end(),
              [](const Measured& a, const Measured& b) { return a.cost.judging > b.cost.judging; });
    if (all.size() > most_expensive) all.resize(most_expensive);
    for (const Measured& one : all)
      add_row(bench, fmt::format("{}, {}", what, one.id), one.cost, case_count, Row::Better::reported);
  }
}

}  // namespace gradproof
