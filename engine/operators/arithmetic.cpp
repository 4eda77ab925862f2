// Sums, differences and interpolation.
#include "engine/operators/families.h"
#include "engine/registry.h"

namespace gradproof {

namespace {

void add_sums(Registry& registry) {
  // (a + α b)' = 1, α
  registry.elementwise(
      {.schema = "add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", .source = "IEEE 754"},
      value([](auto x, auto y, auto alpha) { return x + alpha * y; }), passes,
      partial([](auto, auto, auto alpha, auto) { return alpha; }));
  registry.elementwise(
      {.schema = "add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", .source = "IEEE 754"},
      value([](auto x, auto y, auto alpha) { return x + alpha * y; }), passes);
  registry.elementwise(
      {.schema = "sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", .source = "IEEE 754"},
      value([](auto x, auto y, auto alpha) { return x - alpha * y; }), passes,
      partial([](auto, auto, auto alpha, auto) { return -alpha; }));
  registry.elementwise(
      {.schema = "sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", .source = "IEEE 754"},
      value([](auto x, auto y, auto alpha) { return x - alpha * y; }), passes);
  registry.elementwise({.schema = "neg(Tensor self) -> Tensor", .source = "IEEE 754"}, value([](auto x) { return -x; }),
                       negates);
}

// a + w (b - a), from the end that is nearer: exact at both.
template <class V>
V lerp(const V& a, const V& b, const V& w) {
  return select(less(w, literal(w, "0.5")), a + w * (b - a), b - (1 - w) * (b - a));
}
// LibTorch, native/Lerp.h: from the far end where w < -1/2, which cancels.
template <class V>
V lerp_by_size(const V& a, const V& b, const V& w) {
  return select(less(abs(w), literal(w, "0.5")), a + w * (b - a), b - (1 - w) * (b - a));
}

void add_interpolation(Registry& registry) {
  registry.elementwise({.schema = "lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor",
                        .scalars = {0.25, 0.75, 0.5, 0, 1, 1.5, -0.5},
                        .source = "LibTorch 2.11, Lerp.h"},
                       // derivatives.yaml: auto_linear
                       tangent([](auto, auto, auto w, auto da, auto db, auto) { return lerp_by_size(da, db, w); }),
                       value([](auto a, auto b, auto w) { return lerp(a, b, w); },
                             [](auto a, auto b, auto w) { return a + w * (b - a); },
                             [](auto a, auto b, auto w) { return b - (1 - w) * (b - a); }),
                       partial([](auto, auto, auto w, auto) { return 1 - w; }),
                       partial([](auto, auto, auto w, auto) { return w; }));
  registry.elementwise({.schema = "lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor",
                        .special = {{2, 0}, {2, 0.5}, {2, 1}},
                        .source = "LibTorch 2.11, Lerp.h"},
                       // derivatives.yaml: at::lerp(self_t, end_t, weight) + weight_t * (end - self)
                       tangent([](auto a, auto b, auto w, auto da, auto db, auto dw, auto) {
                         return lerp_by_size(da, db, w) + dw * (b - a);
                       }),
                       value([](auto a, auto b, auto w) { return lerp(a, b, w); },
                             [](auto a, auto b, auto w) { return a + w * (b - a); },
                             [](auto a, auto b, auto w) { return b - (1 - w) * (b - a); }),
                       partial([](auto, auto, auto w, auto) { return 1 - w; }),
                       partial([](auto, auto, auto w, auto) { return w; }),
                       partial([](auto a, auto b, auto, auto) { return b - a; }));
}

}  // namespace

void add_arithmetic(Registry& registry) {
  add_sums(registry);
  add_interpolation(registry);
}

}  // namespace gradproof
