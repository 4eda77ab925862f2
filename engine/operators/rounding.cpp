// Functions that are constant between jumps: integers near a number, quotients without their fraction, and what is
// left of a number.
#include "engine/operators/rounding.h"

#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/samplers.h"
#include "engine/structural.h"

namespace gradproof {

namespace {

constexpr std::string_view exact_source = "rounds nothing";

template <class Rounding>
void add_integer(Registry& registry, std::string_view schema, const std::vector<Landmark>& jumps) {
  registry.elementwise({.schema = schema, .jumps = jumps, .source = exact_source},
                       value([](auto x) { return to_integer<Rounding>(x); }), vanishes);
}

// 10^n, as an engine's pow() has it.
template <class Call>
auto power_of_ten(const Call& call, double n) {
  return call.of(std::pow(10.0, n));
}
// round(10^n x)/10^n
template <class Call>
auto rounded_decimals(const Call& call, Index n) {
  if (n == 0) return call("round", call[0]);
  const char* there = n > 0 ? "mul.Scalar" : "div.Scalar";
  const char* back = n > 0 ? "div.Scalar" : "mul.Scalar";
  const auto scale = power_of_ten(call, std::fabs(static_cast<double>(n)));
  return call(back, call("round", call(there, call[0], {scale})), {scale});
}
void sample_decimals(Draw& draw) {
  draw.tensor("self", draw.shape(0, 4));
  draw.set_int("decimals", draw.integer(-1, 3));
}

void add_integers(Registry& registry) {
  add_integer<Below>(registry, "floor(Tensor self) -> Tensor", {{0, 0}, {0, 1}, {0, -1}});
  add_integer<Above>(registry, "ceil(Tensor self) -> Tensor", {{0, 0}, {0, 1}, {0, -1}});
  add_integer<TowardsZero>(registry, "trunc(Tensor self) -> Tensor", {{0, 1}, {0, -1}, {0, 2}});
  add_integer<TowardsZero>(registry, "fix(Tensor self) -> Tensor", {{0, 1}, {0, -1}, {0, 2}});
  add_integer<Nearest>(registry, "round(Tensor self) -> Tensor", {{0, 0.5}, {0, -0.5}, {0, 1.5}, {0, 2.5}});
  registry.composite({.schema = "round.decimals(Tensor self, *, int decimals) -> Tensor",
                      .source = "LibTorch 2.11, round_decimals_kernel",
                      .sample = sample_decimals},
                     [](const auto& call) { return rounded_decimals(call, call.integer(0)); });
  registry.composite({.schema = "special_round(Tensor self, *, int decimals=0) -> Tensor",
                      .source = "LibTorch 2.11, round_decimals_kernel",
                      .sample = sample_decimals},
                     [](const auto& call) { return rounded_decimals(call, call.integer(0)); });
  registry.elementwise(
      {.schema = "frac(Tensor self) -> Tensor", .jumps = {{0, 1}, {0, -1}, {0, 2}}, .source = exact_source},
      value([](auto x) { return x - to_integer<TowardsZero>(x); }), passes);
}

// x mod y = x - n y: slopes 1 and -n wherever n does not jump.
void add_remainders(Registry& registry) {
  const std::vector<double> divisors{1, 2, -1, 0.5, 3, -2.5, 0.1};
  registry.elementwise({.schema = "fmod.Tensor(Tensor self, Tensor other) -> Tensor",
                        .special = {{0, 0}, {1, 0}},
                        .source = exact_source},
                       // derivatives.yaml: self_t - other_t * self_p.div(other_p, "trunc")
                       value([](auto x, auto y) { return fmod_of(x, y); }), passes,
                       partial([](auto x, auto y, auto) { return -whole_quotient<TowardsZero>(x, y); }));
  registry.elementwise({.schema = "fmod.Scalar(Tensor self, Scalar other) -> Tensor",
                        .special = {{0, 0}},
                        .scalars = divisors,
                        .source = exact_source},
                       value([](auto x, auto y) { return fmod_of(x, y); }), passes);
  registry.elementwise({.schema = "remainder.Tensor(Tensor self, Tensor other) -> Tensor",
                        .special = {{0, 0}, {1, 0}},
                        .source = "LibTorch 2.11, remainder_kernel"},
                       value([](auto x, auto y) { return remainder_of(x, y); }), passes,
                       partial([](auto x, auto y, auto) { return -whole_quotient<Below>(x, y); }));
  registry.elementwise({.schema = "remainder.Scalar(Tensor self, Scalar other) -> Tensor",
                        .special = {{0, 0}},
                        .scalars = divisors,
                        .source = "LibTorch 2.11, remainder_kernel"},
                       value([](auto x, auto y) { return remainder_of(x, y); }), passes);
  registry.elementwise({.schema = "remainder.Scalar_Tensor(Scalar self, Tensor other) -> Tensor",
                        .special = {{0, 0}},
                        .scalars = {1, 2, -1, 0.5, 3, -2.5, 7},
                        .source = "LibTorch 2.11, remainder_kernel"},
                       value([](auto x, auto y) { return remainder_of(x, y); }),
                       partial([](auto x, auto y, auto) { return -whole_quotient<Below>(x, y); }));
}

// With an infinity engines say what x - fmod(x, y) does, NaN or -1 / inf = -1, as Python's // has it.
template <class Rounding>
void add_quotient(Registry& registry, std::string_view variant) {
  registry.elementwise({.schema = "div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
                        .variant = variant,
                        .special = {{0, 0}, {1, 0}},
                        .source = "IEEE 754"},
                       value([](auto x, auto y) { return whole_quotient<Rounding>(x, y); },
                             [](auto x, auto y) { return x - x + (y - y) + whole_quotient<Rounding>(x, y); }),
                       vanishes, vanishes);
  registry.elementwise({.schema = "div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor",
                        .variant = variant,
                        .special = {{0, 0}},
                        .scalars = {1, 2, -1, 0.5, 3, -2.5, 0.1},
                        .source = "IEEE 754"},
                       value([](auto x, auto y) { return whole_quotient<Rounding>(x, y); },
                             [](auto x, auto y) { return x - x + (y - y) + whole_quotient<Rounding>(x, y); }),
                       vanishes);
}

void sample_no_mode(Draw& draw) {
  sample_pair(draw);
  draw.set_none("rounding_mode");
}
void sample_no_mode_number(Draw& draw) {
  constexpr std::array divisors{1.0, 2.0, -0.5, 3.0, 0.1};
  draw.tensor("self", draw.shape(0, 4));
  draw.set_real("other", draw.pick(divisors));
  draw.set_none("rounding_mode");
}

// No derivative in LibTorch.
template <bool with_scalar>
struct FloorDivide {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    Var<T> divisor;
    if constexpr (with_scalar) {
      divisor = tape.number(node.args[0].real);
    } else {
      divisor = input(tape, node, 1);
    }
    set_outputs(tape, node, {whole_quotient<Below>(input(tape, node, 0), divisor).value()});
  }
};

void add_quotients(Registry& registry) {
  add_quotient<Below>(registry, "rounding_mode=floor");
  add_quotient<TowardsZero>(registry, "rounding_mode=trunc");
  registry.composite({.schema = "div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor",
                      .variant = "rounding_mode=",
                      .special = {{1, 0}},
                      .source = "IEEE 754",
                      .sample = sample_no_mode},
                     [](const auto& call) {
                       return call("div.Tensor", {call[0], call[1]});
                     });
  registry.composite({.schema = "div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor",
                      .variant = "rounding_mode=",
                      .source = "IEEE 754",
                      .sample = sample_no_mode_number},
                     [](const auto& call) { return call("div.Scalar", call[0], {call.arg(0)}); });
  registry.structural<FloorDivide<false>>({.schema = "floor_divide(Tensor self, Tensor other) -> Tensor",
                                           .special = {{1, 0}},
                                           .source = "IEEE 754",
                                           .note = "no derivative in LibTorch",
                                           .sample = sample_pair});
  registry.structural<FloorDivide<true>>({.schema = "floor_divide.Scalar(Tensor self, Scalar other) -> Tensor",
                                          .source = "IEEE 754",
                                          .note = "no derivative in LibTorch",
                                          .sample = sample_with_number});
}

}  // namespace

void add_rounding(Registry& registry) {
  add_integers(registry);
  add_remainders(registry);
  add_quotients(registry);
}

}  // namespace gradproof
