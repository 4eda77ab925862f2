// The reference tape against LibTorch, and gradient against value. Times are of whole programs, prepared once:
// tensors made from bytes, operators, the sweep, what is read.
#include <fmt/format.h>

#include "bench/bench.h"
#include "bench/programs.h"
#include "engine/interpreter.h"

namespace gradproof {

namespace {

constexpr std::size_t chain_length = 1000;

struct Times {
  double gradient = 0;
  double value = 0;
  double engine = 0;
};

Times time(Bench& bench, Script gradient, Script value) {
  const std::vector<Loaded> with = loaded(std::move(gradient));
  const std::vector<Loaded> without = loaded(std::move(value));
  PreparedSet ours(bench.reference(), with);
  PreparedSet ours_value(bench.reference(), without);
  if (bench.libtorch() == nullptr) {
    const auto ns = interleave({[&] { ours.run(); }, [&] { ours_value.run(); }}, bench.effort());
    return {ns[0], ns[1], 0};
  }
  PreparedSet theirs(*bench.libtorch(), with);
  const auto ns = interleave({[&] { ours.run(); }, [&] { ours_value.run(); }, [&] { theirs.run(); }}, bench.effort());
  return {ns[0], ns[1], ns[2]};
}

// `per`: what a call is divided by, `unit` of that many ns.
std::string ratio_text(double ratio, double ours, double theirs, double per, std::string_view unit) {
  return fmt::format("{:.2f}× ({:.3g} against {:.3g} {})", ratio, ours / per, theirs / per, unit);
}

void add_faster(Bench& bench, std::string what, const Times& times, double target, double per, std::string_view unit) {
  const double ratio = times.engine / times.gradient;
  bench.add({.what = std::move(what),
             .measured = ratio_text(ratio, times.gradient, times.engine, per, unit),
             .value = ratio,
             .better = Row::Better::at_least,
             .target = target});
}

void add_over_value(Bench& bench, std::string what, const Times& times, double per, std::string_view unit) {
  const double ratio = times.gradient / times.value;
  bench.add({.what = std::move(what),
             .measured = ratio_text(ratio, times.gradient, times.value, per, unit),
             .value = ratio,
             .better = Row::Better::at_most,
             .target = 3.5});
}

void bench_chain(Bench& bench, gp_dtype dtype) {
  const std::string name = fmt::format("tanh chain of {} nodes, {}", chain_length, name_of(dtype));
  const std::string against = "reference against LibTorch, " + name + ", per node";
  const std::string over = "reference gradient over value, " + name;
  const bool faster = bench.wants(against);
  const bool over_value = bench.wants(over, false);
  if (!faster && !over_value) return;
  const Times times = time(bench, tanh_chain(dtype, chain_length), tanh_chain(dtype, chain_length, Sweep::none));
  if (faster) add_faster(bench, against, times, 10, chain_length, "ns");
  if (over_value) add_over_value(bench, over, times, chain_length, "ns");
}

void bench_product(Bench& bench) {
  const std::string against = "reference against LibTorch, matmul 256×256 f64, one thread";
  const std::string over = "reference gradient over value, matmul 256×256 f64";
  const bool faster = bench.wants(against);
  const bool over_value = bench.wants(over, false);
  if (!faster && !over_value) return;
  const Times times = time(bench, square_product(GP_F64, 256), square_product(GP_F64, 256, Sweep::none));
  if (faster) add_faster(bench, against, times, 0.8, 1e6, "ms");
  if (over_value) add_over_value(bench, over, times, 1e6, "ms");
}

template <class T>
std::size_t bytes_of_chain(const Registry& registry, gp_dtype dtype, std::size_t length, Sweep sweep) {
  const Loaded chain(tanh_chain(dtype, length, sweep));
  Interpreter<T> interpreter(registry, registry.catalogue<T>(), EngineInfo{});
  interpreter.prepare(chain.program());
  interpreter.run(chain.data());
  return interpreter.tape().arena().bytes_used();
}

// What one node more takes.
template <class T>
double bytes_per_node(const Registry& registry, gp_dtype dtype, Sweep sweep) {
  const std::size_t once = bytes_of_chain<T>(registry, dtype, chain_length, sweep);
  const std::size_t twice = bytes_of_chain<T>(registry, dtype, 2 * chain_length, sweep);
  return static_cast<double>(twice - once) / static_cast<double>(chain_length);
}

}  // namespace

void bench_reference(Bench& bench) {
  const std::string first = "reference against LibTorch, example 1";
  if (bench.wants(first)) {
    const Script script =
        example(GRADPROOF_SOURCE_DIR "/fixtures/examples/1-vector-seed.tape", bench.registry().schemas());
    const std::vector<Loaded> programs = loaded(script);
    PreparedSet ours(bench.reference(), programs);
    PreparedSet theirs(*bench.libtorch(), programs);
    const auto ns = interleave({[&] { ours.run(); }, [&] { theirs.run(); }}, bench.effort());
    add_faster(bench, first, {ns[0], 0, ns[1]}, 10, 1e3, "µs");
  }
  bench_chain(bench, GP_F32);
  bench_chain(bench, GP_F64);
  bench_product(bench);
}

void bench_memory(Bench& bench) {
  const std::string what = "bytes per tape node, tanh of one element";
  if (!bench.wants(what, false)) return;
  const auto both = [&]<class T>(const T&, gp_dtype dtype) {
    return fmt::format("{:.0f} / {:.0f}", bytes_per_node<T>(bench.registry(), dtype, Sweep::recorded),
                       bytes_per_node<T>(bench.registry(), dtype, Sweep::backward));
  };
  bench.add({.what = what + " (recorded / swept too)",
             .measured = fmt::format("f32 {}, ball of f64 {}", both(float{}, GP_F32), both(Ball<double>{}, GP_F64))});
}

}  // namespace gradproof
