// What an engine's special functions are off: the measurement that engine/scalars/special_budgets.h rests on.
//   gradproof_bench --special NAME-VERSION.so
// For each function, dtype and range: the least value_u that a budget would need beside each argument_u, that is
// max (|y - f| - η - argument_u·u|x f'|) / (u|f|) over random points, exact f and f' by Arb.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>
#include <random>

#include "adapters/module.h"
#include "bench/bench.h"
#include "engine/scalars/special.h"

namespace gradproof {

namespace {

using Real = ArbBall<Exact>;
using Random = std::mt19937_64;
constexpr std::size_t points = 4000;
constexpr std::array<double, 6> argument_budgets{0, 1, 2, 4, 8, 16};

struct Range {
  double low;
  double high;
  bool logarithmic = false;
};
struct Measured {
  Special f;
  std::string_view op;
  std::vector<Range> x;
  std::vector<Range> a{{0, 0}};  // as many as x, or one for all
  bool integer_a = false;
  double parameter_u = 0;  // taken off beforehand: igamma's prefix xᵃ e^-x/Γ(a) rounds what depends on a
};

double draw(Random& random, const Range& range) {
  const double t = std::uniform_real_distribution<double>(0, 1)(random);
  if (!range.logarithmic) return range.low + (range.high - range.low) * t;
  return std::copysign(std::exp2(std::log2(std::fabs(range.low)) * (1 - t) + std::log2(std::fabs(range.high)) * t),
                       range.low);
}

struct Sample {
  std::vector<double> a;
  std::vector<double> x;
  std::vector<double> y;
};

// The engine's values at the sample's points; false where it lacks the operator.
bool evaluate(Engine& engine, const Measured& what, gp_dtype dtype, Sample& sample) {
  Script script;
  const TensorSpec spec{.dtype = dtype, .shape = {static_cast<Index>(sample.x.size())}};
  const auto tensor = [&](const std::vector<double>& numbers, std::string_view name) {
    const ValueId value = script.tensor(spec, name);
    for (std::size_t i = 0; i < numbers.size(); ++i) script.set_element(script.tensor_of(value), i, numbers[i]);
    return script.arg(value);
  };
  std::vector<gp_arg> args;
  if (what.integer_a) args.push_back(script.arg_int(static_cast<Index>(sample.a[0])));
  if (!what.integer_a && what.a[0].high != 0) args.push_back(tensor(sample.a, "a"));
  args.push_back(tensor(sample.x, "x"));
  script.read(script.call(script.op(what.op, ""), args));
  const gp_program program = script.view();
  Observations seen;
  engine.prepare(program)->run(program.data, seen);
  if (seen.items.empty() || seen.items[0].status != GP_VALUE) return false;
  sample.y.resize(sample.x.size());
  for (std::size_t i = 0; i < sample.x.size(); ++i) sample.y[i] = seen.element(seen.items[0], i);
  return true;
}

struct Worst {
  std::array<double, argument_budgets.size()> value{};
  double at = 0;
  double at_a = 0;
};

void note(const Measured& what, double a, double x, double y, gp_dtype dtype, Worst& worst) {
  const ArbPrecision bits(256);
  const NumberFormat& format = format_of(dtype);
  const auto at = [&](double offset, double offset_a = 0) {
    return special(what.f, Real::exactly(a) + Real::exactly(offset_a), Real::exactly(x) + Real::exactly(offset));
  };
  const Real exact = at(0);
  const double h = std::ldexp(std::fabs(x), -60);
  const double slope = (at(h) - at(-h)).upper() / (2 * h);
  const double value = std::fabs(exact.upper());
  if (!std::isfinite(y) || !exact.is_finite() || value > format.max || value < 1e-37) return;
  const double h_a = std::ldexp(a, -60);
  const double slope_a = what.parameter_u > 0 ? (at(0, h_a) - at(0, -h_a)).upper() / (2 * h_a) : 0;
  const double off =
      std::fabs((Real::exactly(y) - exact).upper()) - what.parameter_u * format.u * std::fabs(a * slope_a);
  for (std::size_t k = 0; k < argument_budgets.size(); ++k) {
    const double rest = (off - format.eta - argument_budgets[k] * format.u * std::fabs(x * slope)) / (format.u * value);
    if (rest <= worst.value[k]) continue;
    worst.value[k] = rest;
    if (k == 0) worst.at = x, worst.at_a = a;
  }
}

void measure(Engine& engine, const Measured& what, gp_dtype dtype) {
  Random random(7);
  for (std::size_t r = 0; r < what.x.size(); ++r) {
    const Range& range_a = what.a[what.a.size() == 1 ? 0 : r];
    Sample sample;
    for (std::size_t i = 0; i < points; ++i) {
      const auto rounded = [&](double v) { return dtype == GP_F32 ? static_cast<double>(static_cast<float>(v)) : v; };
      sample.x.push_back(rounded(draw(random, what.x[r])));
      sample.a.push_back(what.integer_a ? range_a.low : rounded(draw(random, range_a)));
    }
    if (!evaluate(engine, what, dtype, sample)) {
      fmt::print("{:34} {}  not there\n", what.op, dtype == GP_F32 ? "f32" : "f64");
      return;
    }
    Worst worst;
    for (std::size_t i = 0; i < points; ++i) note(what, sample.a[i], sample.x[i], sample.y[i], dtype, worst);
    fmt::print("{:34} {} [{:g}, {:g}] a [{:g}, {:g}] ", what.op, dtype == GP_F32 ? "f32" : "f64", what.x[r].low,
               what.x[r].high, range_a.low, range_a.high);
    for (std::size_t k = 0; k < argument_budgets.size(); ++k) fmt::print(" {:.3g}", worst.value[k]);
    fmt::print("   worst at {:.9g}, {:.9g}\n", worst.at_a, worst.at);
    std::fflush(stdout);
  }
}

std::vector<Measured> measured() {
  const std::vector<Range> line{{-20, 20}, {-3, 3}, {1e-6, 1e6, true}, {-1e-6, -1e3, true}};
  const std::vector<Range> half{{0.001, 10}, {10, 60}, {1e-8, 1e4, true}};
  return {
      {Special::lgamma, "lgamma", {{0.001, 3}, {3, 60}, {1e-8, 1e8, true}, {-20, 0}, {-200, 0}}},
      {Special::digamma, "digamma", {{0.001, 3}, {1.4, 1.5}, {3, 60}, {1e-8, 1e8, true}, {-20, 0}, {-200, 0}}},
      {Special::polygamma, "polygamma", {{0.001, 10}, {1e-4, 1e6, true}, {-20, 0}}, {{1, 1}}, true},
      {Special::polygamma, "polygamma", {{0.001, 10}, {1e-3, 1e3, true}, {-20, 0}}, {{2, 2}}, true},
      {Special::polygamma, "polygamma", {{0.001, 10}, {1e-3, 1e3, true}, {-20, 0}}, {{5, 5}}, true},
      {Special::erfinv, "erfinv", {{-1, 1}, {-0.7, 0.7}, {0.99, 1}, {1e-8, 0.9, true}}},
      {Special::erfcx, "special_erfcx", {{-9, 9}, {0, 60}, {1e-6, 1e6, true}}},
      {Special::ndtri, "special_ndtri", {{0, 1}, {0.4, 0.6}, {1e-30, 0.5, true}}},
      {Special::i0, "i0", line},
      {Special::i0e, "special_i0e", line},
      {Special::i1, "special_i1", line},
      {Special::i1e, "special_i1e", line},
      {Special::i0, "special_modified_bessel_i0", line},
      {Special::i1, "special_modified_bessel_i1", line},
      {Special::bessel_j0, "special_bessel_j0", {{-5, 5}, {-30, 30}, {1e-6, 1e4, true}}},
      {Special::bessel_j1, "special_bessel_j1", {{-5, 5}, {-30, 30}, {1e-6, 1e4, true}}},
      {Special::bessel_y0, "special_bessel_y0", half},
      {Special::bessel_y1, "special_bessel_y1", half},
      {Special::bessel_k0, "special_modified_bessel_k0", half},
      {Special::bessel_k1, "special_modified_bessel_k1", half},
      {Special::bessel_k0e, "special_scaled_modified_bessel_k0", half},
      {Special::bessel_k1e, "special_scaled_modified_bessel_k1", half},
      {Special::igamma,
       "igamma",
       {{0.0625, 16}, {1e-3, 20, true}, {16, 64}},
       {{0.125, 8}, {0.125, 8}, {20, 60}},
       false,
       2},
      {Special::igammac,
       "igammac",
       {{0.0625, 16}, {1e-3, 20, true}, {16, 64}},
       {{0.125, 8}, {0.125, 8}, {20, 60}},
       false,
       2},
      {Special::zeta, "special_zeta", {{0, 10}, {1e-3, 1e3, true}, {0, 10}}, {{1.01, 10}, {1.01, 5}, {1.01, 60}}},
  };
}

}  // namespace

void measure_special(const std::filesystem::path& module) {
  const std::unique_ptr<Engine> engine = load_module(module);
  fmt::print("{} {}: value_u beside argument_u {}\n", engine->info().name, engine->info().version,
             fmt::join(argument_budgets, ", "));
  for (const Measured& what : measured()) {
    for (const gp_dtype dtype : {GP_F32, GP_F64}) measure(*engine, what, dtype);
  }
}

}  // namespace gradproof
