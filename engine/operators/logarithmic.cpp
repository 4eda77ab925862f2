// Products with logarithms, logarithms of sums and of odds, and what else is made of exp and log.
#include "engine/operators/families.h"
#include "engine/operators/stable.h"
#include "engine/registry.h"

namespace gradproof {

namespace {

// x log y, with 0 log y = 0 unless y is a NaN.
template <class V>
V xlogy(const V& x, const V& y, const V& log_y) {
  return select(equal(x, 0), 0 * (1 + abs(minimum(maximum(y, number(y, -1)), number(y, 1)))), x * log_y);
}
// ∂/∂x = log y; where x = 0 and log y does not exist the slope along x = 0 is taken (derivatives.yaml, note on xlogy).
// Engines take g log y as xlogy(g, y).
template <class V>
auto not_positive(const V& x) {
  return equal(maximum(x, number(x, 0)), 0);
}
template <class V>
V xlogy_slope(const V& x, const V& inside, const V& log_y) {
  return select(equal(x, 0), select(not_positive(inside), 0, log_y), log_y);
}
template <class V>
V weighted_xlogy_slope(const V& x, const V& inside, const V& log_y, const V& g) {
  const V weighted = select(equal(g, 0), 0, g * log_y);
  return select(equal(x, 0), select(not_positive(inside), 0, weighted), weighted);
}

// ∂/∂y = g x/y, 0 where x = 0: for all y the value is 0 there. Engines have 0/0 at y = 0.
template <class V>
V xlogy_other(const V& x, const V& y, const V& gx) {
  const auto both = equal(abs(x) + abs(y), 0);
  return select(both, 0, gx / select(both, 1, y));
}

void add_xlogy(Registry& registry) {
  constexpr std::string_view source = "LibTorch 2.11, xlogy";
  registry.elementwise(
      {.schema = "xlogy.Tensor(Tensor self, Tensor other) -> Tensor",
       .domain = {all_reals, open(0, infinity)},
       .special = {{0, 0}, {1, 1}},
       .source = source},
      value([](auto x, auto y) { return xlogy(x, y, log(y)); }),
      partial([](auto x, auto y, auto) { return xlogy_slope(x, y, log(y)); },
              weighted([](auto x, auto y, auto, auto g) { return weighted_xlogy_slope(x, y, log(y), g); })),
      partial([](auto x, auto y, auto) { return xlogy_other(x, y, x); },
              weighted([](auto x, auto y, auto, auto g) { return xlogy_other(x, y, g * x); })));
  registry.elementwise({.schema = "xlogy.Scalar_Self(Scalar self, Tensor other) -> Tensor",
                        .domain = {open(0, infinity)},
                        .special = {{0, 1}},
                        .scalars = {0, 1, 2, -0.5, 0.1},
                        .source = source},
                       value([](auto x, auto y) { return xlogy(x, y, log(y)); }),
                       partial([](auto x, auto y, auto) { return xlogy_other(x, y, x); },
                               weighted([](auto x, auto y, auto, auto g) { return xlogy_other(x, y, g * x); })));
  registry.elementwise(
      {.schema = "xlogy.Scalar_Other(Tensor self, Scalar other) -> Tensor",
       .special = {{0, 0}},
       .scalars = {1, 2, 0.5, 0.1, 3},
       .source = source,
       .note = "other 0 is not drawn: the slope is -inf, or 0 along x = 0"},
      value([](auto x, auto y) { return xlogy(x, y, log(y)); }),
      partial([](auto x, auto y, auto) { return xlogy_slope(x, y, log(y)); },
              weighted([](auto x, auto y, auto, auto g) { return weighted_xlogy_slope(x, y, log(y), g); })));
}

void add_xlog1py(Registry& registry) {
  constexpr std::string_view source = "LibTorch 2.11, xlog1py";
  registry.elementwise(
      {.schema = "special_xlog1py(Tensor self, Tensor other) -> Tensor",
       .domain = {all_reals, open(-1, infinity)},
       .special = {{0, 0}, {1, 0}},
       .source = source},
      value([](auto x, auto y) { return xlogy(x, y, log1p(y)); }),
      partial([](auto x, auto y, auto) { return xlogy_slope(x, y + 1, log1p(y)); },
              weighted([](auto x, auto y, auto, auto g) { return weighted_xlogy_slope(x, y + 1, log1p(y), g); })),
      partial([](auto x, auto y, auto) { return xlogy_other(x, y + 1, x); },
              weighted([](auto x, auto y, auto, auto g) { return xlogy_other(x, y + 1, g * x); })));
  registry.elementwise({.schema = "special_xlog1py.self_scalar(Scalar self, Tensor other) -> Tensor",
                        .domain = {open(-1, infinity)},
                        .special = {{0, 0}},
                        .scalars = {0, 1, 2, -0.5, 0.1},
                        .source = source},
                       value([](auto x, auto y) { return xlogy(x, y, log1p(y)); }),
                       partial([](auto x, auto y, auto) { return xlogy_other(x, y + 1, x); },
                               weighted([](auto x, auto y, auto, auto g) { return xlogy_other(x, y + 1, g * x); })));
  registry.elementwise(
      {.schema = "special_xlog1py.other_scalar(Tensor self, Scalar other) -> Tensor",
       .special = {{0, 0}},
       .scalars = {1, 2, -0.5, 0.1, 3},
       .source = source,
       .note = "other -1 is not drawn: the slope is -inf, or 0 along x = 0"},
      value([](auto x, auto y) { return xlogy(x, y, log1p(y)); }),
      partial([](auto x, auto y, auto) { return xlogy_slope(x, y + 1, log1p(y)); },
              weighted([](auto x, auto y, auto, auto g) { return weighted_xlogy_slope(x, y + 1, log1p(y), g); })));
}

// |x - y|, 0 for two infinities that are one.
template <class V>
V gap(const V& x, const V& y) {
  return select(equal(x, y), number(x, 0), abs(x - y));
}

// log(e^x + e^y): slopes σ(x - y), σ(y - x)
void add_logaddexp(Registry& registry) {
  registry.elementwise(
      {.schema = "logaddexp(Tensor self, Tensor other) -> Tensor", .special = {{0, 0}, {1, 0}}, .source = "DLMF 4.2"},
      value([](auto x, auto y) { return maximum(x, y) + log1p(exp(-gap(x, y))); },
            [](auto x, auto y) { return maximum(x, y) + log(1 + exp(-gap(x, y))); }),
      partial([](auto x, auto y, auto) { return sigmoid(x - y); },
              [](auto x, auto y, auto) { return plain_sigmoid(x - y); }),
      partial([](auto x, auto y, auto) { return sigmoid(y - x); },
              [](auto x, auto y, auto) { return plain_sigmoid(y - x); }));
  registry.elementwise(
      {.schema = "logaddexp2(Tensor self, Tensor other) -> Tensor", .special = {{0, 0}, {1, 0}}, .source = "DLMF 4.2"},
      value([](auto x, auto y) { return maximum(x, y) + log1p(exp2(-gap(x, y))) / constant<ln2>(x); },
            [](auto x, auto y) { return maximum(x, y) + log1p(exp2(-gap(x, y))) * (1 / constant<ln2>(x)); },
            [](auto x, auto y) { return maximum(x, y) + log2(1 + exp2(-gap(x, y))); }),
      partial([](auto x, auto y, auto) { return 1 / (1 + stored(exp2(y - x))); }),
      partial([](auto x, auto y, auto) { return 1 / (1 + stored(exp2(x - y))); }));
}

// log(z/(1 - z)), z being x within [ε, 1 - ε] where there is an ε: slope 1/(x (1 - x)) there
void add_logit(Registry& registry) {
  for (const std::string_view schema :
       {"logit(Tensor self, float? eps=None) -> Tensor", "special_logit(Tensor self, float? eps=None) -> Tensor"}) {
    registry.elementwise({.schema = schema,
                          .domain = {closed(0, 1)},
                          .kinks = {{0, 0.25}, {0, 0.75}},
                          .special = {{0, 0}, {0, 1}, {0, 0.5}},
                          .scalars = {0.25, 1e-6, 0.1},
                          .source = "LibTorch 2.11, logit"},
                         value([](auto x, auto eps) {
                           const auto z = select(less(1, eps), x, minimum(maximum(x, eps), 1 - eps));
                           return log(z / (1 - z));
                         }),
                         partial([](auto x, auto eps, auto) {
                           const auto none = less(1, eps);
                           const auto low = select(none, -eps, eps);
                           const auto high = select(none, eps, 1 - eps);
                           const auto z = minimum(maximum(x, low), high);
                           return select(less(x, low), 0, select(less(high, x), 0, 1 / (z * (1 - z))));
                         }));
  }
}

// log σ(-x) is -softplus: an operator of its own on a tape, where its branches are two ways to compute one function.
template <class T>
requires requires { Scalar<T>::integer(0); }
T softplus_of(const T& x) { return maximum(x, number(x, 0)) + log1p(exp(-abs(x))); }
template <class T>
Var<T> softplus_of(const Var<T>& x) {
  const Var<T> negated = -x;
  return -x.tape().call(x.tape().catalogue().named("log_sigmoid"), std::span<const Var<T>>(&negated, 1));
}
inline Probe softplus_of(Probe x) { return x; }

// x t, t = tanh(softplus x); slope t + x σ(x) (1 - t²), 1 - t² = 4 σ(2s) σ(-2s) with s = softplus x
void add_mish(Registry& registry) {
  registry.elementwise(
      {.schema = "mish(Tensor self) -> Tensor",
       .special = {{0, 0}, {0, -1.1924}, {0, 17}, {0, -17}, {0, -88}, {0, 88}},
       .source = "Misra 2019"},
      value([](auto x) { return x * tanh(softplus_of(x)); }, [](auto x) { return x * tanh(log1p(stored(exp(x)))); }),
      partial(
          [](auto x, auto) {
            const auto s = softplus_of(x);
            return tanh(s) + x * sigmoid(x) * (4 * sigmoid(2 * s) * sigmoid(-2 * s));
          },
          [](auto x, auto) {
            const auto t = tanh(softplus_of(x));
            return t + x * plain_sigmoid(x) * (1 - t * t);
          }));
}

void add_entropies(Registry& registry) {
  // (-x log x)' = -(1 + log x)
  registry.elementwise(
      {.schema = "special_entr(Tensor self) -> Tensor",
       .domain = {closed(0, infinity)},
       .special = {{0, 0}, {0, 1}, {0, 0.36787944117144233}},
       .source = "LibTorch 2.11, special_entr",
       .note = "-inf below 0"},
      value([](auto x) { return select(less(x, 0), log(number(x, 0)), select(equal(x, 0), 0, -(x * log(x)))); }),
      partial([](auto x, auto) { return -(1 + log(x)); }));
  // Φ(x) = erfc(-x/√2)/2; engines take (1 + erf(x/√2))/2, which cancels where x << 0
  registry.elementwise({.schema = "special_ndtr(Tensor self) -> Tensor",
                        .special = {{0, 0}, {0, -5}, {0, 5}, {0, -13}},
                        .source = "DLMF 7.18"},
                       value([](auto x) { return erfc(-(x * constant<inv_sqrt2>(x))) / 2; },
                             [](auto x) { return (1 + erf(x * constant<inv_sqrt2>(x))) / 2; }),
                       partial([](auto x, auto) { return constant<inv_sqrt_2pi>(x) * exp(-stored(x * x) / 2); },
                               [](auto x, auto) {
                                 const auto z = x * constant<inv_sqrt2>(x);
                                 return constant<two_over_sqrt_pi>(x) * exp(-stored(z * z)) / 2 *
                                        constant<inv_sqrt2>(x);
                               }));
}

void add_scalings(Registry& registry) {
  registry.elementwise({.schema = "deg2rad(Tensor self) -> Tensor", .source = "one rounding"},
                       value([](auto x) { return x * literal(x, "0.0174532925199432958"); }),
                       partial([](auto x, auto) { return literal(x, "0.0174532925199432958"); }));
  registry.elementwise({.schema = "rad2deg(Tensor self) -> Tensor", .source = "one rounding"},
                       value([](auto x) { return x * literal(x, "57.29577951308232088"); }),
                       partial([](auto x, auto) { return literal(x, "57.29577951308232088"); }));
  // (x 2^y)' = 2^y, x 2^y ln 2; engines take 2^y first
  registry.elementwise(
      {.schema = "ldexp.Tensor(Tensor self, Tensor other) -> Tensor",
       .special = {{0, 0}, {1, 0}, {1, 10}, {1, -20}},
       .source = "LibTorch 2.11, ldexp"},
      value([](auto x, auto y) { return x * exp2(y); }, [](auto x, auto y) { return x * stored(exp2(y)); }),
      partial([](auto, auto y, auto) { return exp2(y); }),
      partial([](auto x, auto, auto r) { return r * constant<ln2>(x); },
              weighted([](auto x, auto, auto r, auto g) { return g * r * constant<ln2>(x); })));
  // (x + v a/b)' = 1, v/b, -v a/b²
  registry.elementwise(
      {.schema = "addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor",
       .special = {{2, 0}},
       .source = "IEEE 754"},
      // derivatives.yaml: self_t + value (tensor1_t / tensor2) - value (tensor2_t (tensor1/tensor2)/tensor2)
      tangent([](auto, auto a, auto b, auto c, auto dx, auto da, auto db, auto) {
        return dx + da / b * c - db * (a / b) / b * c;
      }),
      value([](auto x, auto a, auto b, auto c) { return x + c * (a / b); },
            [](auto x, auto a, auto b, auto c) { return x + c * a / b; }),
      passes, partial([](auto, auto, auto b, auto c, auto) { return c / b; }),
      partial([](auto, auto a, auto b, auto c, auto) { return -(c * (a / b) / b); },
              [](auto, auto a, auto b, auto c, auto) { return -(c * a / (b * b)); },
              weighted([](auto, auto a, auto b, auto c, auto, auto g) { return -g * (c * a / (b * b)); })));
  // α x off y
  registry.elementwise(
      {.schema = "rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", .source = "IEEE 754"},
      value([](auto x, auto y, auto alpha) { return y - alpha * x; }),
      partial([](auto, auto, auto alpha, auto) { return -alpha; }), passes);
  registry.elementwise(
      {.schema = "rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", .source = "IEEE 754"},
      value([](auto x, auto y, auto alpha) { return y - alpha * x; }),
      partial([](auto, auto, auto alpha, auto) { return -alpha; }));
}

}  // namespace

void add_logarithmic(Registry& registry) {
  add_xlogy(registry);
  add_xlog1py(registry);
  add_logaddexp(registry);
  add_logit(registry);
  add_mish(registry);
  add_entropies(registry);
  add_scalings(registry);
}

}  // namespace gradproof
