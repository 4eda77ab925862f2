// What one operation on one number costs in each scalar: `gradproof_bench --benchmark_filter=exp`.
#include <benchmark/benchmark.h>

#include "engine/scalars/scalar_all.h"

namespace gradproof {

namespace {

template <class T, class F>
void time_formula(benchmark::State& state, F formula) {
  // An input that the optimizer does not know, with the radius that a computed number has.
  T x = Scalar<T>::leaf(0.75) * Scalar<T>::leaf(1.1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(x);
    T y = formula(x);
    benchmark::DoNotOptimize(y);
  }
}

template <class T>
void add_scalar(const std::string& name) {
  const auto add = [&](const char* what, auto formula) {
    benchmark::RegisterBenchmark((name + "/" + what).c_str(),
                                 [formula](benchmark::State& state) { time_formula<T>(state, formula); });
  };
  add("multiply-add", [](const T& x) { return T(x * x + x); });
  add("divide", [](const T& x) { return T(x / x); });
  add("exp", [](const T& x) { return T(exp(x)); });
  add("log", [](const T& x) { return T(log(x)); });
  add("tanh", [](const T& x) { return T(tanh(x)); });
}

}  // namespace

void bench_scalars() {
  add_scalar<float>("float");
  add_scalar<double>("double");
  add_scalar<Ball<float>>("ball of f32");
  add_scalar<Ball<double>>("ball of f64");
  const FormatUnderTest f64(formats::f64);
  add_scalar<ArbBall<UnderTest>>("Arb of f64");
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace gradproof
