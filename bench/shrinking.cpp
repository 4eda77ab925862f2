// How small failures become, and how long that takes: the first failure that each property which must catch a mutant
// finds of each of its operators.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "bench/bench.h"
#include "campaign/isolate.h"
#include "campaign/shrink_failure.h"
#include "campaign/verdict_codec.h"
#include "fixtures/mutants/mutants.h"
#include "script/parse.h"
#include "script/print.h"

namespace gradproof {
namespace {

constexpr std::uint64_t cases_tried = 40;

struct Shrunk {
  std::string what{};
  double steps = 0;  // what is done: calls, sweeps; not tensors, gradients looked up, reads
  double elements = 0;
  double seconds = 0;
  std::string script{};
};

double done_in(const Script& script) {
  return static_cast<double>(std::count_if(script.steps.begin(), script.steps.end(), [](const gp_step& step) {
    return step.kind != GP_TENSOR && step.kind != GP_READ && step.kind != GP_GRAD_OF;
  }));
}

struct Trial {
  const MutantInfo* mutant = nullptr;
  const Entry* entry = nullptr;
  const Property* property = nullptr;
};

std::vector<Trial> trials(const Registry& registry) {
  std::vector<Trial> all;
  for (const MutantInfo& mutant : all_mutants()) {
    if (mutant.equivalent || mutant.device != GP_CPU) continue;
    for (const Entry& entry : registry.entries()) {
      if (std::find(mutant.operators.begin(), mutant.operators.end(), entry.id()) == mutant.operators.end()) continue;
      for (const std::string& id : mutant.caught_by) all.push_back({&mutant, &entry, find_property(id)});
    }
  }
  return all;
}

// The first failing case, shrunk: steps, elements, nanoseconds, the script. Nothing where none fails.
void shrink_first(const Registry& registry, const Trial& trial, std::string& record) {
  const auto engine = make_mutant(trial.mutant->name, registry);
  Session session(registry, *engine);
  const Subject subject{&registry, trial.entry, GP_F64, GP_CPU, &engine->info(), nullptr};
  if (!trial.property->not_applicable(subject).empty()) return;
  for (std::uint64_t index = 0; index < cases_tried; ++index) {
    Script script;
    generate_case({1, "bench", trial.entry->id(), trial.property->id(), subject.dtype, index}, *trial.property, subject,
                  script);
    Verdict verdict = trial.property->judge(session, script);
    if (verdict.outcome != Outcome::fail) continue;
    const auto began = std::chrono::steady_clock::now();
    const Script small = shrink_failure(registry, *trial.property, *trial.entry, session, script, verdict);
    append_real(record, std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    append_real(record, done_in(small));
    append_real(record, static_cast<double>(size_of(small).elements));
    append_text(record, print(small, &registry.schemas()));
    return;
  }
}

// In workers, for some mutants end the process.
std::vector<Shrunk> shrunk_mutants(const Registry& registry) {
  const std::vector<Trial> all = trials(registry);
  std::vector<Shrunk> out;
  const auto take = [&](std::uint64_t number, std::string_view record) {
    if (record.empty()) return;
    const Trial& trial = all[static_cast<std::size_t>(number)];
    ByteReader reader(record);
    Shrunk shrunk;
    shrunk.what = fmt::format("{}: {} of {}", trial.mutant->name, trial.property->id(), trial.entry->id());
    shrunk.seconds = reader.real();
    shrunk.steps = reader.real();
    shrunk.elements = reader.real();
    shrunk.script = reader.text();
    out.push_back(std::move(shrunk));
  };
  const OpenJob open = [&] {
    return Job([&](std::uint64_t number, std::string& record) {
      shrink_first(registry, all[static_cast<std::size_t>(number)], record);
    });
  };
  run_isolated(all.size(), open, {take, [](std::uint64_t, const Death&) {}});
  return out;
}

// Forty calls, of which the one in the middle has a wrong gradient.
std::string forty_steps() {
  std::string text =
      "a = leaf f64[2,3] 0.7 1.9 -2.3 4.1 0.3 0.9\nb = leaf f64[2,3] 1.5 -0.5 0.25 0.75 2 -1.25\nt0 = mul(a, b)\n";
  constexpr std::array calls{"sin({})", "add({}, b)", "cos({})", "mul({}, a)"};
  for (std::size_t i = 1; i < 40; ++i) {
    const std::string before = fmt::format("t{}", i - 1);
    const std::string call = fmt::format(fmt::runtime(i == 20 ? "tanh({})" : calls[i % calls.size()]), before);
    text += fmt::format("t{} = {}\n", i, call);
  }
  return text + "backward t39 seed f64[2,3] 1 1 1 1 1 1\nread a.grad\n";
}

void bench_forty_steps(Bench& bench) {
  const std::string what = "shrinking a program of 40 calls";
  if (!bench.wants(what, false)) return;
  const Registry& registry = bench.registry();
  const auto engine = make_mutant("tanh-factor", registry);
  Session session(registry, *engine);
  const Script script = parse(forty_steps(), registry.schemas());
  const Property& property = *find_property("vjp");
  const Entry* entry = nullptr;
  for (const Entry& each : registry.entries()) {
    if (each.id() == "tanh") entry = &each;
  }
  Verdict verdict = property.judge(session, script);
  if (verdict.outcome != Outcome::fail || entry == nullptr) {
    return bench.add({.what = what, .skipped = "its fault is not found: " + verdict.reason});
  }
  const auto began = std::chrono::steady_clock::now();
  const Script small = shrink_failure(registry, property, *entry, session, script, verdict);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  bench.add({.what = what,
             .measured = fmt::format("{:.3f} s, to {:.0f} calls and sweeps and {} element", seconds, done_in(small),
                                     size_of(small).elements),
             .value = seconds,
             .better = Row::Better::at_most,
             .target = 5,
             .unit = " s"});
}

}  // namespace

void bench_shrinking(Bench& bench) {
  bench_forty_steps(bench);
  const std::string what = "shrinking the mutants' failures";
  if (!bench.wants(what, false)) return;
  const std::vector<Shrunk> all = shrunk_mutants(bench.registry());
  const auto row = [&](const char* of, double Shrunk::*which, double target, const char* unit, const char* format) {
    std::vector<double> values;
    for (const Shrunk& shrunk : all) values.push_back(shrunk.*which);
    const double worst = *std::max_element(values.begin(), values.end());
    const double middle = median(values);
    bench.add({.what = what + ", " + of + ": median, worst of " + std::to_string(all.size()),
               .measured = fmt::format(fmt::runtime(format), middle, worst),
               .value = middle,
               .better = Row::Better::at_most,
               .target = target,
               .unit = unit});
  };
  row("steps", &Shrunk::steps, 3, "", "{:.0f}, {:.0f}");
  row("elements", &Shrunk::elements, 4, "", "{:.0f}, {:.0f}");
  row("seconds", &Shrunk::seconds, 5, " s", "{:.3f}, {:.2f}");
  std::vector<Shrunk> largest = all;
  std::sort(largest.begin(), largest.end(), [](const Shrunk& a, const Shrunk& b) {
    return std::pair(a.steps, a.elements) > std::pair(b.steps, b.elements);
  });
  const char* told = std::getenv("GRADPROOF_BENCH_SCRIPTS");
  for (const Shrunk& shrunk : largest) {
    if (told != nullptr) fmt::print("# {} ({:.3f} s)\n{}\n", shrunk.what, shrunk.seconds, shrunk.script);
  }
}

}  // namespace gradproof
