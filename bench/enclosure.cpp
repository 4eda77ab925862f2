// The enclosure against the engine's own run of the same programs, both prepared once.
#include <fmt/format.h>

#include "bench/bench.h"
#include "bench/programs.h"
#include "engine/interpreter.h"
#include "engine/scalars/environment.h"

namespace gradproof {

namespace {

constexpr std::size_t program_count = 100;

// As a judge runs it: in the default floating-point environment, all admitted formulas.
template <class D>
class BallSet {
 public:
  BallSet(const Registry& registry, const std::vector<Loaded>& programs) : programs_(&programs) {
    for (const Loaded& program : programs) {
      auto made = std::make_unique<Interpreter<Ball<D>>>(registry, registry.catalogue<Ball<D>>(), EngineInfo{});
      made->tape().admitted = true;
      made->prepare(program.program());
      interpreters_.push_back(std::move(made));
    }
  }
  void run() {
    const FloatEnvironment environment;
    for (std::size_t i = 0; i < interpreters_.size(); ++i) interpreters_[i]->run((*programs_)[i].data());
  }

 private:
  const std::vector<Loaded>* programs_;
  std::vector<std::unique_ptr<Interpreter<Ball<D>>>> interpreters_{};
};

template <class D>
void compare(Bench& bench, const std::string& what, std::vector<Script> scripts, double target) {
  const std::vector<Loaded> programs = loaded(std::move(scripts));
  BallSet<D> balls(bench.registry(), programs);
  PreparedSet engine(*bench.libtorch(), programs);
  const auto ns = interleave({[&] { balls.run(); }, [&] { engine.run(); }}, bench.effort());
  const double ratio = ns[0] / ns[1];
  const double per = 1e3 * static_cast<double>(programs.size());
  bench.add({.what = what,
             .measured = fmt::format("{:.3g}× ({:.3g} against {:.3g} µs)", ratio, ns[0] / per, ns[1] / per),
             .value = ratio,
             .better = Row::Better::at_most,
             .target = target});
}

std::vector<Script> random_programs(gp_dtype dtype, Index elements, std::size_t count) {
  std::vector<Script> made;
  for (std::size_t i = 0; i < count; ++i) made.push_back(random_program(i, dtype, elements));
  return made;
}

template <class D>
void bench_dtype(Bench& bench, gp_dtype dtype, double target) {
  const std::string name = fmt::format("enclosure over engine, {}, ", name_of(dtype));
  if (bench.wants(name + "programs on 1 to 16 elements")) {
    compare<D>(bench, name + "programs on 1 to 16 elements", small_random_programs(dtype, program_count), target);
  }
  if (bench.wants(name + "programs on 1,000 elements")) {
    compare<D>(bench, name + "programs on 1,000 elements", random_programs(dtype, 1000, 20), 20);
  }
  if (bench.wants(name + "programs on 100,000 elements")) {
    compare<D>(bench, name + "programs on 100,000 elements", random_programs(dtype, 100000, 3), 20);
  }
  if (bench.wants(name + "matmul 64×64")) compare<D>(bench, name + "matmul 64×64", {square_product(dtype, 64)}, 20);
}

}  // namespace

void bench_enclosure(Bench& bench) {
  bench_dtype<float>(bench, GP_F32, 0.1);
  bench_dtype<double>(bench, GP_F64, 0.5);
}

}  // namespace gradproof
