// Hyperbolic functions and their inverses.
#include "engine/operators/families.h"
#include "engine/operators/stable.h"
#include "engine/registry.h"

namespace gradproof {

namespace {

void add_forward(Registry& registry) {
  registry.elementwise({.schema = "sinh(Tensor self) -> Tensor", .special = {{0, 0}, {0, 88}}, .source = "DLMF 4.34"},
                       value([](auto x) { return sinh(x); }), partial([](auto x, auto) { return cosh(x); }));
  registry.elementwise({.schema = "cosh(Tensor self) -> Tensor", .special = {{0, 0}, {0, 88}}, .source = "DLMF 4.34"},
                       value([](auto x) { return cosh(x); }), partial([](auto x, auto) { return sinh(x); }));
  // tanh' = 1/cosh² = 4 σ'(2x); engines take 1 - y², which cancels in the tails
  registry.elementwise(
      {.schema = "tanh(Tensor self) -> Tensor", .special = {{0, 0}, {0, 9}, {0, -9}, {0, 19}}, .source = "DLMF 4.34"},
      value([](auto x) { return tanh(x); }),
      partial([](auto x, auto) { return 4 * sigmoid_slope(2 * x); }, [](auto, auto y) { return 1 - y * y; }));
}

void add_inverse(Registry& registry) {
  // asinh' = 1/√(1 + x²), without overflow and with
  registry.elementwise({.schema = "asinh(Tensor self) -> Tensor", .special = {{0, 0}}, .source = "DLMF 4.40"},
                       value([](auto x) { return asinh(x); }),
                       partial([](auto x, auto) { return 1 / hypot(number(x, 1), x); },
                               [](auto x, auto) { return 1 / sqrt(stored(x * x) + 1); }));
  // acosh' = 1/√((x - 1)(x + 1)); engines take 1/√(x² - 1), which cancels beside 1 and overflows
  registry.elementwise({.schema = "acosh(Tensor self) -> Tensor",
                        .domain = {closed(1, infinity)},
                        .special = {{0, 1}},
                        .source = "DLMF 4.40"},
                       value([](auto x) { return acosh(x); }),
                       partial([](auto x, auto) { return 1 / (sqrt(x - 1) * sqrt(x + 1)); },
                               [](auto x, auto) { return 1 / sqrt(stored(x * x) - 1); }));
  // atanh' = 1/((1 - x)(1 + x)); engines take 1/(1 - x²), which cancels beside ±1
  registry.elementwise(
      {.schema = "atanh(Tensor self) -> Tensor",
       .domain = {open(-1, 1)},
       .special = {{0, -1}, {0, 0}, {0, 1}},
       .source = "DLMF 4.40"},
      value([](auto x) { return atanh(x); }),
      partial([](auto x, auto) { return 1 / ((1 - x) * (1 + x)); }, [](auto x, auto) { return 1 / (1 - x * x); }));
}

}  // namespace

void add_hyperbolic(Registry& registry) {
  add_forward(registry);
  add_inverse(registry);
}

}  // namespace gradproof
