// Trigonometric functions, their inverses, and the lengths and angles of two arguments.
#include "engine/operators/families.h"
#include "engine/operators/stable.h"
#include "engine/registry.h"

namespace gradproof {

namespace {

void add_circular(Registry& registry) {
  registry.elementwise({.schema = "sin(Tensor self) -> Tensor", .special = {{0, 0}}, .source = "DLMF 4.20"},
                       value([](auto x) { return sin(x); }), partial([](auto x, auto) { return cos(x); }));
  registry.elementwise({.schema = "cos(Tensor self) -> Tensor", .special = {{0, 0}}, .source = "DLMF 4.20"},
                       value([](auto x) { return cos(x); }), partial([](auto x, auto) { return -sin(x); }));
  // tan' = 1 + tan²; the special points lie beside a pole
  registry.elementwise({.schema = "tan(Tensor self) -> Tensor",
                        .special = {{0, 0}, {0, 1.5707963267948966}, {0, -1.5707963267948966}},
                        .source = "DLMF 4.20"},
                       value([](auto x) { return tan(x); }), partial([](auto, auto y) { return 1 + y * y; }));
}

void add_inverse_circular(Registry& registry) {
  // asin' = 1/√((1 - x)(1 + x)); engines take 1/√(1 - x²), which cancels beside ±1
  registry.elementwise({.schema = "asin(Tensor self) -> Tensor",
                        .domain = {closed(-1, 1)},
                        .special = {{0, -1}, {0, 0}, {0, 1}},
                        .source = "DLMF 4.24"},
                       value([](auto x) { return asin(x); }),
                       partial([](auto x, auto) { return 1 / sqrt((1 - x) * (1 + x)); },
                               [](auto x, auto) { return 1 / sqrt(1 - x * x); }));
  registry.elementwise({.schema = "acos(Tensor self) -> Tensor",
                        .domain = {closed(-1, 1)},
                        .special = {{0, -1}, {0, 0}, {0, 1}},
                        .source = "DLMF 4.24"},
                       value([](auto x) { return acos(x); }),
                       partial([](auto x, auto) { return -1 / sqrt((1 - x) * (1 + x)); },
                               [](auto x, auto) { return -(1 / sqrt(1 - x * x)); }));
  // atan' = 1/(1 + x²), without overflow and with
  registry.elementwise({.schema = "atan(Tensor self) -> Tensor", .special = {{0, 0}}, .source = "DLMF 4.24"},
                       value([](auto x) { return atan(x); }),
                       partial([](auto x, auto) { return square(1 / hypot(number(x, 1), x)); },
                               [](auto x, auto) { return 1 / (1 + stored(x * x)); }));
}

// With r² = x² + y²; at r = 0 neither has a derivative: NaN or the subgradient 0.
void add_polar(Registry& registry) {
  // ∂ atan2(y, x) = (x, -y)/r²
  registry.elementwise(
      {.schema = "atan2(Tensor self, Tensor other) -> Tensor", .special = {{0, 0}, {1, 0}}, .source = "DLMF 4.23"},
      value([](auto y, auto x) { return atan2(y, x); }),
      partial(
          [](auto y, auto x, auto) {
            const auto r = hypot(y, x);
            return select(less(0, r), (x / r) / r, 0 * r);
          },
          [](auto y, auto x, auto) { return x * (1 / (stored(y * y) + stored(x * x))); },
          weighted([](auto y, auto x, auto, auto g) { return g * x * (1 / (stored(y * y) + stored(x * x))); })),
      partial(
          [](auto y, auto x, auto) {
            const auto r = hypot(y, x);
            return select(less(0, r), -((y / r) / r), 0 * r);
          },
          [](auto y, auto x, auto) { return -y * (1 / (stored(y * y) + stored(x * x))); },
          weighted([](auto y, auto x, auto, auto g) { return g * -y * (1 / (stored(y * y) + stored(x * x))); })));
  // ∂ hypot(x, y) = (x, y)/r
  registry.elementwise(
      {.schema = "hypot(Tensor self, Tensor other) -> Tensor",
       .special = {{0, 0}, {1, 0}},
       .source = "IEEE 754-2019 9.2"},
      value([](auto x, auto y) { return hypot(x, y); }),
      partial([](auto x, auto, auto r) { return select(less(0, r), x / r, 0 * r); },
              weighted([](auto x, auto, auto r, auto g) { return select(less(0, r), g * x / r, 0 * g); })),
      partial([](auto, auto y, auto r) { return select(less(0, r), y / r, 0 * r); },
              weighted([](auto, auto y, auto r, auto g) { return select(less(0, r), g * y / r, 0 * g); })));
}

}  // namespace

void add_trigonometric(Registry& registry) {
  add_circular(registry);
  add_inverse_circular(registry);
  add_polar(registry);
}

}  // namespace gradproof
