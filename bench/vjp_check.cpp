// A whole check of one operator's vjp on 4×4 tensors: generate, run, enclose, compare, plant. Against the engine's
// own forward and backward of the same scripts, prepared once; and against PyTorch's gradcheck.
#include <fmt/format.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "bench/bench.h"
#include "properties/draw.h"
#include "properties/property.h"

namespace gradproof {

namespace {

// Both gradcheck.py and the table go by these.
constexpr std::array<std::string_view, 4> operators{"mul.Tensor", "div.Tensor", "tanh", "matmul"};
constexpr std::uint64_t case_count = 32;

class FourByFour final : public Property {
 public:
  std::string_view id() const override { return "vjp-4x4"; }
  std::string_view statement() const override { return "the vjp property, all tensors 4×4"; }
  std::string_view not_applicable(const Subject&) const override { return ""; }
  void generate(const Subject& subject, RandomDraw& draw, Script& script) const override {
    const Schema& schema = subject.entry->schema;
    TensorSpec spec{.dtype = subject.dtype, .shape = {4, 4}, .requires_grad = true};
    std::vector<gp_arg> args;
    std::vector<ValueId> leaves;
    for (const SchemaArg& arg : schema.args) {
      if (arg.type != ArgType::tensor) {
        args.push_back(script.arg_default());
        continue;
      }
      const int number = static_cast<int>(leaves.size());
      const auto at = static_cast<std::size_t>(number);
      const Record& record = subject.entry->record;
      const Aim aim{at < record.domain.size() ? record.domain[at] : all_reals, &record, number};
      leaves.push_back(draw.tensor(script, spec, aim, at == 0 ? "x" : "x2"));
      args.push_back(script.arg(leaves.back()));
    }
    const ValueId y = script.call(script.op(schema.name, schema.overload), args, 1, "y");
    spec.requires_grad = false;
    const ValueId u = draw.seed(script, spec, draw.seed_kind(), "u");
    script.read(y);
    script.backward({&y, 1}, {&u, 1});
    for (const ValueId leaf : leaves) script.read(script.grad_of(leaf));
  }
};

const Entry& entry_of(const Registry& registry, std::string_view id) {
  for (const Entry& entry : registry.entries()) {
    if (entry.id() == id) return entry;
  }
  throw std::runtime_error("the registry has no operator " + std::string(id));
}

struct Times {
  double check = 0;
  double generate = 0;
  double engine = 0;
};

Times time_operator(Bench& bench, std::string_view id, gp_dtype dtype) {
  const FourByFour property;
  Engine& engine = *bench.libtorch();
  const Subject subject{&bench.registry(), &entry_of(bench.registry(), id), dtype, GP_CPU, &engine.info()};
  const auto generate = [&](std::uint64_t index, Script& script) {
    // From the tenth on cases have their full size.
    generate_case({1, engine.info().name, id, property.id(), dtype, 10 + index % case_count}, property, subject,
                  script);
  };
  std::vector<Script> scripts(case_count);
  for (std::uint64_t i = 0; i < case_count; ++i) generate(i, scripts[i]);
  const std::vector<Loaded> programs = loaded(std::move(scripts));
  PreparedSet prepared(engine, programs);
  Session session(bench.registry(), engine);
  Script script;
  const auto each = [&](auto&& f) {
    for (std::uint64_t i = 0; i < case_count; ++i) f(i);
  };
  const auto ns = interleave({[&] {
                                each([&](std::uint64_t i) {
                                  generate(i, script);
                                  property.judge(session, script);
                                });
                              },
                              [&] { each([&](std::uint64_t i) { generate(i, script); }); }, [&] { prepared.run(); }},
                             bench.effort());
  return {ns[0] / case_count, ns[1] / case_count, ns[2] / case_count};
}

// "operator mode nanoseconds" a line, from gradcheck.py; processor time of one thread, as here.
std::map<std::string, double> gradcheck_times(const std::filesystem::path& pytorch) {
  std::string command = "PYTHONPATH='" + pytorch.string() + "' python3 '" GRADPROOF_SOURCE_DIR "/bench/gradcheck.py'";
  for (const std::string_view id : operators) command += fmt::format(" '{}'", id);
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("python3 cannot be started");
  std::map<std::string, double> total;
  std::array<char, 64> mode{};
  double ns = 0;
  int lines = 0;
  while (std::fscanf(pipe, "%63s %lf", mode.data(), &ns) == 2) {
    total[mode.data()] += ns;
    ++lines;
  }
  if (pclose(pipe) != 0 || lines != 2 * static_cast<int>(operators.size())) {
    throw std::runtime_error("bench/gradcheck.py failed; its messages are above");
  }
  return total;
}

void add_gradcheck(Bench& bench, const std::map<std::string, double>& theirs, double ours, std::string_view mode,
                   double target) {
  const double ratio = theirs.at(std::string(mode)) / ours;
  const double per = 1e3 * operators.size();
  bench.add({.what = fmt::format("whole vjp check, 4×4, f64, against gradcheck, {} mode", mode),
             .measured = fmt::format("{:.1f}× ({:.3g} against {:.4g} µs)", ratio, ours / per,
                                     theirs.at(std::string(mode)) / per),
             .value = ratio,
             .better = Row::Better::at_least,
             .target = target});
}

}  // namespace

void bench_vjp_check(Bench& bench, const std::filesystem::path& pytorch) {
  double f64 = 0;
  for (const gp_dtype dtype : {GP_F32, GP_F64}) {
    const std::string what =
        fmt::format("whole vjp check, 4×4, {}, over engine's forward and backward", name_of(dtype));
    if (!bench.wants(what)) continue;
    Times sum;
    for (const std::string_view id : operators) {
      const Times times = time_operator(bench, id, dtype);
      sum.check += times.check;
      sum.generate += times.generate;
      sum.engine += times.engine;
    }
    if (dtype == GP_F64) f64 = sum.check;
    const double per = 1e3 * operators.size();
    bench.add({.what = what,
               .measured = fmt::format("{:.2f}× ({:.3g}, {:.2g} of it generating, against {:.3g} µs)",
                                       sum.check / sum.engine, sum.check / per, sum.generate / per, sum.engine / per),
               .value = sum.check / sum.engine,
               .better = Row::Better::at_most,
               .target = 2});
  }
  if (f64 == 0) return;
  if (pytorch.empty()) {
    bench.add({.what = "whole vjp check, 4×4, f64, against gradcheck",
               .skipped = "ci/bench --with-pytorch installs PyTorch"});
    return;
  }
  const auto theirs = gradcheck_times(pytorch);
  add_gradcheck(bench, theirs, f64, "fast", 10);
  add_gradcheck(bench, theirs, f64, "slow", 50);
}

}  // namespace gradproof
