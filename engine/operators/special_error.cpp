// Inverse and scaled error functions, the normal distribution.
#include "engine/operators/families.h"
#include "engine/operators/special.h"
#include "engine/operators/special_draws.h"
#include "engine/operators/stable.h"
#include "engine/registry.h"

namespace gradproof {

namespace {

void add_inverse(Registry& registry) {
  // erf y = x, y' = √π/2 e^(y²). Newton's steps, which LibTorch takes where it lacks MKL, solve it for an erf y that is
  // rounded, hence for another x: 3·(x/3).
  registry.elementwise({.schema = "erfinv(Tensor self) -> Tensor",
                        .domain = {open(-1, 1)},
                        .special = {{0, 0}, {0, 0.7}, {0, -0.7}, {0, 1}, {0, -1}},
                        .source = "DLMF 7.17",
                        .sample = &draw_within_one},
                       value([](auto x) { return erfinv(x); }, [](auto x) { return erfinv(3 * (x / 3)); }),
                       partial([](auto x, auto y) { return exp(stored(y * y)) / constant<two_over_sqrt_pi>(x); }));
  // Φ(y) = x, y' = √(2π) e^(y²/2)
  registry.elementwise({.schema = "special_ndtri(Tensor self) -> Tensor",
                        .domain = {open(0, 1)},
                        .special = {{0, 0}, {0, 0.5}, {0, 0.1353352832366127}, {0, 1}},
                        .source = "DLMF 7.17"},
                       value([](auto x) { return ndtri(x); }),
                       partial([](auto x, auto y) { return exp(stored(y * y) / 2) / constant<inv_sqrt_2pi>(x); }));
}

void add_scaled(Registry& registry) {
  // (e^(x²) erfc x)' = 2x y - 2/√π, which cancels where x >> 0
  registry.elementwise({.schema = "special_erfcx(Tensor self) -> Tensor",
                        .special = {{0, 0}, {0, -6.1}, {0, -9.3}, {0, 5}},
                        .source = "DLMF 7.2"},
                       value([](auto x) { return erfcx(x); }),
                       partial([](auto x, auto y) { return 2 * x * y - constant<two_over_sqrt_pi>(x); }));
}

void add_log_ndtr(Registry& registry) {
  // log Φ(x), by Φ(x) = e^(-x²/2) erfcx(-x/√2)/2 on the left; (log Φ)' = √(2/π)/erfcx(-x/√2). Engines take
  // e^(-y - x²/2)/√(2π), which cancels where x << 0.
  registry.elementwise(
      {.schema = "special_log_ndtr(Tensor self) -> Tensor",
       .special = {{0, 0}, {0, -1}, {0, -13}, {0, -100}, {0, 5}},
       .source = "DLMF 7.2"},
      value([](auto x) {
        const auto t = x * constant<inv_sqrt2>(x);
        const auto left = less(x, -1);
        return select(left, log(erfcx(-t) / 2) - t * t, log1p(-(erfc(t) / 2)));
      }),
      partial([](auto x, auto) { return constant<sqrt_two_over_pi>(x) / erfcx(-(x * constant<inv_sqrt2>(x))); },
              [](auto x, auto y) { return exp(-(y + stored(x * x) / 2)) * constant<inv_sqrt_2pi>(x); }));
}

}  // namespace

void add_special_error(Registry& registry) {
  add_inverse(registry);
  add_scaled(registry);
  add_log_ndtr(registry);
}

}  // namespace gradproof
