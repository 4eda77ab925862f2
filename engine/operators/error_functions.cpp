// erf and erfc.
#include "engine/operators/families.h"
#include "engine/operators/stable.h"
#include "engine/registry.h"

namespace gradproof {

// erf' = 2/√π e^(-x²) = -erfc'
void add_error_functions(Registry& registry) {
  registry.elementwise(
      {.schema = "erf(Tensor self) -> Tensor", .special = {{0, 0}, {0, 4}, {0, -4}}, .source = "DLMF 7.2"},
      value([](auto x) { return erf(x); }),
      partial([](auto x, auto) { return constant<two_over_sqrt_pi>(x) * exp(-stored(x * x)); }));
  registry.elementwise(
      {.schema = "erfc(Tensor self) -> Tensor", .special = {{0, 0}, {0, 9}, {0, -4}}, .source = "DLMF 7.2"},
      value([](auto x) { return erfc(x); }),
      partial([](auto x, auto) { return -(constant<two_over_sqrt_pi>(x) * exp(-stored(x * x))); }));
}

}  // namespace gradproof
