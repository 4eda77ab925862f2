// Powers, roots, and what is left of a number without its sign.
#include <array>

#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/registry.h"
#include "engine/sampling.h"

namespace gradproof {

namespace {

// 0^e is 1, 0 or infinite: its slope along e is 0 for e >= 0.
template <class V>
V exponent_slope(const V& x, const V& e, const V& y) {
  const auto zero = equal(x, 0);
  return select(zero, select(less(e, 0), -y, 0), y * log(select(zero, 1, x)));
}

// Negative bases have integer exponents.
void sample_pow(Draw& draw) {
  constexpr std::array whole{2.0, 3.0, 1.0, 0.0, -1.0, -2.0, 4.0};
  constexpr std::array fractional{0.5, -0.5, 2.5, 0.1, 1.5};
  const bool fraction = draw.one_in(3);
  draw.tensor("self", draw.shape(0, 4), fraction ? closed(0, infinity) : all_reals);
  draw.set_real("exponent", fraction ? draw.pick(fractional) : draw.pick(whole));
}

void add_power_functions(Registry& registry) {
  // (x^e)' = e x^(e-1); the slope of x^0 is 0, at 0 too
  registry.elementwise({.schema = "pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor",
                        .special = {{0, 0}, {0, 1}, {0, -1}},
                        .source = "IEEE 754-2019 9.2",
                        .note = "NaN for a negative base and a fractional exponent",
                        .sample = sample_pow},
                       value([](auto x, auto e) { return pow(x, e); }),
                       partial([](auto x, auto e, auto) { return e * pow(x, select(equal(e, 0), 1, e) - 1); }));
  // x^e = e^(e log x): slopes e x^(e-1) and x^e log x
  registry.elementwise({.schema = "pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor",
                        .domain = {closed(0, infinity), all_reals},
                        .special = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 2}},
                        .source = "IEEE 754-2019 9.2"},
                       value([](auto x, auto e) { return pow(x, e); }), partial([](auto x, auto e, auto) {
                         return e * pow(x, select(equal(x, 0), select(equal(e, 0), 1, e), e) - 1);
                       }),
                       partial([](auto x, auto e, auto y) { return exponent_slope(x, e, y); }));
  registry.elementwise({.schema = "pow.Scalar(Scalar self, Tensor exponent) -> Tensor",
                        .special = {{0, 0}, {0, 1}},
                        .scalars = {2, 0.5, 10, 1, 0, 3},
                        .source = "IEEE 754-2019 9.2"},
                       value([](auto c, auto e) { return pow(c, e); }),
                       partial([](auto c, auto e, auto y) { return exponent_slope(c, e, y); }));
}

// Powers in f64. Where the arguments are of another dtype the result is not: the reference has one.
template <class T>
void need_f64(const CompositeCall<T>& /*call*/) {
  if constexpr (std::is_same_v<typename Scalar<T>::Dtype, float>) {
    throw EngineError(GP_UNSUPPORTED, "float_power of numbers that are not f64");
  }
}
void add_float_powers(Registry& registry) {
  constexpr std::string_view note = "of f64; its result is f64 for every dtype, so that calls are not drawn";
  registry.composite({.schema = "float_power.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor", .note = note},
                     [](const auto& call) {
                       need_f64(call);
                       return call("pow.Tensor_Tensor", {call[0], call[1]});
                     });
  registry.composite({.schema = "float_power.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor", .note = note},
                     [](const auto& call) {
                       need_f64(call);
                       return call("pow.Tensor_Scalar", call[0], {call.arg(0)});
                     });
  registry.composite({.schema = "float_power.Scalar(Scalar self, Tensor exponent) -> Tensor", .note = note},
                     [](const auto& call) {
                       need_f64(call);
                       return call("pow.Scalar", call[0], {call.arg(0)});
                     });
}

void add_roots(Registry& registry) {
  // (√x)' = 1/(2√x)
  registry.elementwise(
      {.schema = "sqrt(Tensor self) -> Tensor",
       .domain = {closed(0, infinity)},
       .special = {{0, 0}, {0, 1}},
       .source = "IEEE 754"},
      value([](auto x) { return sqrt(x); }),
      partial([](auto, auto y) { return 1 / (2 * y); }, weighted([](auto, auto y, auto g) { return g / (2 * y); })));
  // (1/√x)' = -y³/2
  registry.elementwise({.schema = "rsqrt(Tensor self) -> Tensor",
                        .domain = {open(0, infinity)},
                        .special = {{0, 0}, {0, 1}},
                        .source = "IEEE 754"},
                       value([](auto x) { return 1 / sqrt(x); }),
                       partial([](auto, auto y) { return -(y * (y * y)) / 2; },
                               weighted([](auto, auto y, auto g) { return -g / 2 * (y * (y * y)); })));
}

void add_signs(Registry& registry) {
  registry.elementwise({.schema = "abs(Tensor self) -> Tensor", .kinks = {{0, 0}}, .source = "IEEE 754"},
                       value([](auto x) { return abs(x); }),
                       partial([](auto x, auto) { return select(less(x, 0), number(x, -1), 1); }));
  registry.elementwise({.schema = "sign(Tensor self) -> Tensor", .jumps = {{0, 0}}, .source = "LibTorch 2.11, sign"},
                       value([](auto x) { return select(less(0, x), 1, select(less(x, 0), number(x, -1), 0)); }),
                       vanishes);
}

}  // namespace

void add_powers(Registry& registry) {
  add_power_functions(registry);
  add_float_powers(registry);
  add_roots(registry);
  add_signs(registry);
}

}  // namespace gradproof
