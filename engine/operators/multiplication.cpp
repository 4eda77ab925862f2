// Products and quotients of numbers.
#include "engine/operators/families.h"
#include "engine/registry.h"

namespace gradproof {

void add_multiplication(Registry& registry) {
  registry.elementwise({.schema = "mul.Tensor(Tensor self, Tensor other) -> Tensor", .source = "IEEE 754"},
                       value([](auto x, auto y) { return x * y; }), partial([](auto, auto y, auto) { return y; }),
                       partial([](auto x, auto, auto) { return x; }));
  registry.elementwise({.schema = "mul.Scalar(Tensor self, Scalar other) -> Tensor", .source = "IEEE 754"},
                       value([](auto x, auto c) { return x * c; }), partial([](auto, auto c, auto) { return c; }));
  // (x/y)' = 1/y, -x/y²; engines take -(x/y)/y or -x/(y·y)
  registry.elementwise(
      {.schema = "div.Tensor(Tensor self, Tensor other) -> Tensor", .special = {{1, 0}}, .source = "IEEE 754"},
      // derivatives.yaml: (self_t - other_t * result) / other; an infinity where the sum of both terms is NaN
      tangent([](auto, auto y, auto v, auto w, auto q) { return (v - w * q) / y; }),
      value([](auto x, auto y) { return x / y; }),
      partial([](auto, auto y, auto) { return 1 / y; }, weighted([](auto, auto y, auto, auto g) { return g / y; })),
      partial([](auto, auto y, auto q) { return -(q / y); }, [](auto x, auto y, auto) { return -x / (y * y); },
              weighted([](auto, auto y, auto q, auto g) { return -g * (q / y); }),
              weighted([](auto x, auto y, auto, auto g) { return -(g * x) / (y * y); })));
  registry.elementwise(
      {.schema = "div.Scalar(Tensor self, Scalar other) -> Tensor",
       .scalars = {1, 2, -0.5, 3, 0.1},
       .source = "IEEE 754"},
      value([](auto x, auto c) { return x / c; }, [](auto x, auto c) { return x * (1 / c); }),
      partial([](auto, auto c, auto) { return 1 / c; }, weighted([](auto, auto c, auto, auto g) { return g / c; })));
  registry.elementwise(
      {.schema = "reciprocal(Tensor self) -> Tensor", .special = {{0, 0}}, .source = "IEEE 754"},
      value([](auto x) { return 1 / x; }),
      partial([](auto, auto y) { return -(y * y); }, weighted([](auto, auto y, auto g) { return -(g * y) * y; })));
  registry.elementwise(
      {.schema = "square(Tensor self) -> Tensor", .source = "IEEE 754"}, value([](auto x) { return x * x; }),
      partial([](auto x, auto) { return 2 * x; }, weighted([](auto x, auto, auto g) { return g * 2 * x; })));
  registry.elementwise({.schema = "addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
                        .source = "IEEE 754"},
                       // derivatives.yaml: self_t + maybe_multiply(tensor1_t * tensor2, value) + ...
                       tangent([](auto, auto a, auto b, auto c, auto v, auto va, auto vb, auto) {
                         return v + (va * b) * c + (vb * a) * c;
                       }),
                       value([](auto x, auto a, auto b, auto v) { return x + v * (a * b); },
                             [](auto x, auto a, auto b, auto v) { return x + (v * a) * b; }),
                       passes,
                       partial([](auto, auto, auto b, auto v, auto) { return b * v; },
                               weighted([](auto, auto, auto b, auto v, auto, auto g) { return g * b * v; })),
                       partial([](auto, auto a, auto, auto v, auto) { return a * v; },
                               weighted([](auto, auto a, auto, auto v, auto, auto g) { return g * a * v; })));
}

}  // namespace gradproof
