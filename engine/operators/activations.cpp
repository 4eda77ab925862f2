// Activations that are functions of σ(x) = 1/(1 + e^-x), and piecewise linear ones.
#include "engine/operators/families.h"
#include "engine/operators/stable.h"
#include "engine/registry.h"

namespace gradproof {

namespace {

void add_logistic(Registry& registry) {
  // σ' = σ(x) σ(-x); engines take y (1 - y), which cancels where x >> 0
  registry.elementwise({.schema = "sigmoid(Tensor self) -> Tensor",
                        .special = {{0, 0}, {0, 17}, {0, -17}, {0, -88}, {0, 37}},
                        .source = "DLMF 4.2"},
                       value([](auto x) { return sigmoid(x); }, [](auto x) { return plain_sigmoid(x); }),
                       partial([](auto x, auto) { return sigmoid_slope(x); }, [](auto, auto y) { return y * (1 - y); },
                               weighted([](auto, auto y, auto g) { return g * (1 - y) * y; })));
  // (log σ)' = σ(-x); engines take 1 - σ(x)
  registry.elementwise({.schema = "log_sigmoid(Tensor self) -> Tensor",
                        .special = {{0, 0}, {0, 17}, {0, -17}, {0, -88}, {0, 88}},
                        .source = "DLMF 4.2"},
                       value([](auto x) { return minimum(x, number(x, 0)) - log1p(exp(-abs(x))); }),
                       partial([](auto x, auto) { return sigmoid(-x); }, [](auto x, auto) { return 1 - sigmoid(x); }));
  // (x σ)' = σ(x) (1 + x σ(-x)); engines take 1 - σ(x) for σ(-x)
  registry.elementwise({.schema = "silu(Tensor self) -> Tensor",
                        .special = {{0, 0}, {0, -1.2784645427610738}, {0, 17}, {0, -17}, {0, -88}},
                        .source = "Elfwing, Uchibe, Doya 2018"},
                       value([](auto x) { return x * sigmoid(x); }, [](auto x) { return x / (1 + stored(exp(-x))); }),
                       partial([](auto x, auto) { return sigmoid(x) * (1 + x * sigmoid(-x)); },
                               [](auto x, auto) {
                                 const auto s = plain_sigmoid(x);
                                 return s * (1 + x * (1 - s));
                               },
                               weighted([](auto x, auto, auto g) {
                                 const auto s = plain_sigmoid(x);
                                 return g * s * (1 + x * (1 - s));
                               })));
}

void add_softplus(Registry& registry) {
  // Beyond its threshold softplus is the identity: a jump of e^-threshold/beta, by definition. On the
  // threshold LibTorch's slope is σ (x > threshold: 1), the slope of that slope 0 (x < threshold: σ'): the
  // minimum leaves the second choice open.
  registry.elementwise({.schema = "softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor",
                        .special = {{0, 0}, {0, 20}, {0, -17}, {0, -88}},
                        .scalars = {1, 20, 2, 0.5},
                        .source = "LibTorch 2.11, Softplus",
                        .note = "x itself where beta x > threshold"},
                       value([](auto x, auto beta, auto threshold) {
                         const auto z = beta * x;
                         return select(less(threshold, z), x, log1p(exp(z)) / beta);
                       }),
                       partial([](auto x, auto beta, auto threshold, auto) {
                         const auto z = beta * x;
                         return select(less(threshold, z), 1, sigmoid(minimum(z, threshold)));
                       }));
}

void add_rectifiers(Registry& registry) {
  registry.elementwise({.schema = "relu(Tensor self) -> Tensor", .kinks = {{0, 0}}, .source = "Nair, Hinton 2010"},
                       value([](auto x) { return maximum(x, number(x, 0)); }),
                       partial([](auto x, auto) { return select(less(0, x), number(x, 1), 0); }));
  registry.elementwise({.schema = "leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor",
                        .kinks = {{0, 0}},
                        .scalars = {0.01, 0.25, 0, 1, -0.5},
                        .source = "Maas, Hannun, Ng 2013"},
                       value([](auto x, auto slope) { return select(less(0, x), x, slope * x); }),
                       partial([](auto x, auto slope, auto) { return select(less(0, x), 1, slope); }));
  // The exponential is taken of 0 where it is not used, lest it overflow. At 0 LibTorch's slope is the left
  // one (elu_backward: x <= 0), the slope of that slope the right one (elu_double_backward: x < 0): the minimum
  // leaves the second choice open. Written in place, what remains is the result: scale α (e^(k x) - 1) + scale α.
  registry.elementwise({.schema = "elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor",
                        .kinks = {{0, 0}},
                        .special = {{0, -17}, {0, -88}},
                        .scalars = {1, 0.5, 2, 1.6732632423543772},
                        .source = "Clevert, Unterthiner, Hochreiter 2016"},
                       value([](auto x, auto alpha, auto scale,
                                auto k) { return select(less(0, x), scale * x, alpha * scale * expm1(k * x)); },
                             [](auto x, auto alpha, auto scale, auto k) {
                               return select(less(0, x), scale * x, alpha * scale * (exp(k * x) - 1));
                             }),
                       partial(
                           [](auto x, auto alpha, auto scale, auto k, auto) {
                             const auto right = less(0, x);
                             return select(right, scale, alpha * scale * k * exp(k * minimum(x, number(x, 0))));
                           },
                           [](auto x, auto alpha, auto scale, auto k, auto y) {
                             return select(less(0, x), scale, k * (y + alpha * scale));
                           }));
}

// √(2/π) (x + 0.044715 x³)
template <class V>
V gelu_inner(const V& x) {
  return constant<sqrt_two_over_pi>(x) * (x + literal(x, "0.044715") * stored(stored(x * x) * x));
}
template <class V>
V gelu_inner_slope(const V& x) {
  return constant<sqrt_two_over_pi>(x) * (1 + 3 * literal(x, "0.044715") * (x * x));
}

// Whether a formula stands for what an engine computes in f32.
template <class V>
bool in_f32(const V&) {
  return false;
}
template <class T>
requires requires { typename Scalar<T>::Dtype; }
bool in_f32(const T&) { return format_of<typename Scalar<T>::Dtype>().computed_in_f32(); }
template <class T>
bool in_f32(const Var<T>&) {
  return in_f32(T{});
}

// Abramowitz and Stegun 7.1.26, erf z = 1 - (a₁t + … + a₅t⁵) e^-z² with t = 1/(1 + pz) and an absolute error up
// to 1.5e-7: oneDNN's eltwise_gelu_erf, which LibTorch calls for contiguous f32 tensors of two elements and more,
// and ATen/cpu/vec's erf of f32. It decides nothing of other dtypes, and is not admitted there.
template <class T>
T rough_erf(const T& x) {
  if (!in_f32(x)) return erf(x);
  const T z = abs(x);
  const T t = 1 / (1 + literal(x, "0.3275911") * z);
  const T series =
      t * (literal(x, "0.254829592") +
           t * (t * (literal(x, "1.421413741") + t * (t * literal(x, "1.061405429") - literal(x, "1.453152027"))) -
                literal(x, "0.284496736")));
  return select(less(x, 0), number(x, -1), 1) * (1 - series * exp(-stored(x * x)));
}

void add_gelu(Registry& registry) {
  // x Φ(x), Φ = erfc(-x/√2)/2; engines take (1 + erf(x/√2))/2, which cancels where x << 0
  registry.elementwise({.schema = "gelu(Tensor self, *, str approximate='none') -> Tensor",
                        .variant = "approximate=none",
                        .special = {{0, 0}, {0, -0.7517915246935645}, {0, -5}, {0, 5}, {0, -13}},
                        .source = "Hendrycks, Gimpel 2016"},
                       value([](auto x) { return x * (erfc(-(x * constant<inv_sqrt2>(x))) / 2); },
                             [](auto x) { return x / 2 * (1 + erf(x * constant<inv_sqrt2>(x))); },
                             [](auto x) { return x / 2 * (1 + rough_erf(x * constant<inv_sqrt2>(x))); }),
                       partial(
                           [](auto x, auto) {
                             const auto density = constant<inv_sqrt_2pi>(x) * exp(-stored(x * x) / 2);
                             return erfc(-(x * constant<inv_sqrt2>(x))) / 2 + x * density;
                           },
                           [](auto x, auto) {
                             const auto density = constant<inv_sqrt_2pi>(x) * exp(-stored(x * x) / 2);
                             return (1 + erf(x * constant<inv_sqrt2>(x))) / 2 + x * density;
                           },
                           [](auto x, auto) {
                             const auto density = constant<inv_sqrt_2pi>(x) * exp(-stored(x * x) / 2);
                             return (1 + rough_erf(x * constant<inv_sqrt2>(x))) / 2 + x * density;
                           }));
  // x σ(2z), z the inner polynomial; engines take x (1 + tanh z)/2
  registry.elementwise({.schema = "gelu(Tensor self, *, str approximate='none') -> Tensor",
                        .variant = "approximate=tanh",
                        .special = {{0, 0}, {0, -0.7524614220710162}, {0, -5}, {0, 5}, {0, -13}},
                        .source = "Hendrycks, Gimpel 2016"},
                       value([](auto x) { return x * sigmoid(2 * gelu_inner(x)); },
                             [](auto x) { return x / 2 * (1 + tanh(gelu_inner(x))); }),
                       partial(
                           [](auto x, auto) {
                             const auto z = 2 * gelu_inner(x);
                             const auto s = sigmoid(z);
                             return s + x * (2 * gelu_inner_slope(x)) * s * sigmoid(-z);
                           },
                           [](auto x, auto) {
                             const auto t = tanh(gelu_inner(x));
                             return (1 + t) / 2 + x / 2 * (1 - t * t) * gelu_inner_slope(x);
                           }));
}

}  // namespace

void add_activations(Registry& registry) {
  add_logistic(registry);
  add_softplus(registry);
  add_rectifiers(registry);
  add_gelu(registry);
}

}  // namespace gradproof
