// exp, log and their kin.
#include "engine/operators/families.h"
#include "engine/registry.h"

namespace gradproof {

namespace {

void add_exponentials(Registry& registry) {
  registry.elementwise(
      {.schema = "exp(Tensor self) -> Tensor", .special = {{0, 0}, {0, 88}, {0, -87}}, .source = "DLMF 4.2"},
      value([](auto x) { return exp(x); }), partial([](auto, auto y) { return y; }));
  // (2^x)' = 2^x ln 2
  registry.elementwise(
      {.schema = "exp2(Tensor self) -> Tensor", .special = {{0, 0}, {0, 127}, {0, -126}}, .source = "DLMF 4.2"},
      value([](auto x) { return exp2(x); }),
      partial([](auto x, auto y) { return y * constant<ln2>(x); },
              weighted([](auto x, auto y, auto g) { return g * y * constant<ln2>(x); })));
  // (e^x - 1)' = e^x; engines take y + 1, which cancels where x << 0
  registry.elementwise(
      {.schema = "expm1(Tensor self) -> Tensor", .special = {{0, 0}, {0, 88}, {0, -17}}, .source = "DLMF 4.2"},
      value([](auto x) { return expm1(x); }),
      partial([](auto x, auto) { return exp(x); }, [](auto, auto y) { return y + 1; }));
}

void add_logarithms(Registry& registry) {
  registry.elementwise(
      {.schema = "log(Tensor self) -> Tensor",
       .domain = {open(0, infinity)},
       .special = {{0, 0}, {0, 1}},
       .source = "DLMF 4.7"},
      value([](auto x) { return log(x); }),
      partial([](auto x, auto) { return 1 / x; }, weighted([](auto x, auto, auto g) { return g / x; })));
  registry.elementwise({.schema = "log2(Tensor self) -> Tensor",
                        .domain = {open(0, infinity)},
                        .special = {{0, 0}, {0, 1}},
                        .source = "DLMF 4.7"},
                       value([](auto x) { return log2(x); }),
                       partial([](auto x, auto) { return 1 / (x * constant<ln2>(x)); },
                               weighted([](auto x, auto, auto g) { return g / (x * constant<ln2>(x)); })));
  registry.elementwise({.schema = "log10(Tensor self) -> Tensor",
                        .domain = {open(0, infinity)},
                        .special = {{0, 0}, {0, 1}},
                        .source = "DLMF 4.7"},
                       value([](auto x) { return log10(x); }),
                       partial([](auto x, auto) { return 1 / (x * constant<ln10>(x)); },
                               weighted([](auto x, auto, auto g) { return g / (x * constant<ln10>(x)); })));
  // log1p(a + h) = log1p(a) + h/(1 + a) + O(h²)
  registry.elementwise(
      {.schema = "log1p(Tensor self) -> Tensor",
       .domain = {open(-1, infinity)},
       .special = {{0, -1}, {0, 0}},
       .source = "DLMF 4.7"},
      value([](auto x) { return log1p(x); }),
      partial([](auto x, auto) { return 1 / (1 + x); }, weighted([](auto x, auto, auto g) { return g / (1 + x); })));
}

}  // namespace

void add_exponential(Registry& registry) {
  add_exponentials(registry);
  add_logarithms(registry);
}

}  // namespace gradproof
