// The slopes of binary_cross_entropy, element by element, with the denominators that LibTorch puts in.
#pragma once

#include "engine/formulas.h"
#include "engine/registry.h"

namespace gradproof {

// The least denominator that LibTorch divides by: 1e-12 as a float, 9223372/2⁶³, in f64 too.
template <class V>
V least_denominator(const V& x) {
  return number(x, 9223372) / 2097152 / 2097152 / 2097152;
}

// What LibTorch adds to denominators; nothing where mathematics alone is asked for.
template <class T>
requires requires { Scalar<T>::integer(0); }
T added_denominator(const T& x) {
  if (!format_of<typename Scalar<T>::Dtype>().rounds()) return number(x, 0);
  return literal(x, "1e-12");
}
template <class T>
Var<T> added_denominator(const Var<T>& x) {
  return x.tape().number(added_denominator(T{}));
}
inline Probe added_denominator(const Probe&) { return {}; }

struct Binary {
  static constexpr bool symmetric = false;
  static constexpr std::string_view value = "_binary_cross_entropy";
  static constexpr std::string_view self_slope = "_bce_slope";
  static constexpr std::string_view target_slope = "_bce_target_slope";
};

// Slopes g (x - t)/(x (1 - x)) and g (log(1 - x) - log x). The derivative of the first in x,
// (x² (1 - t) + t (1 - x)²)/(x (1 - x))², LibTorch takes as (x² - 2xt + t)/((x + ε)² (1 - x + ε)²), and that in g over
// (x + ε) (1 - x + ε) (binary_cross_entropy_double_backward and _grad_output, ε = 1e-12).
inline void add_binary_slopes(Registry& registry) {
  registry.elementwise(
      {.schema = "_bce_slope(Tensor self, Tensor target, Tensor grad) -> Tensor",
       .domain = {closed(0.015625, 0.984375), closed(0, 1)},
       .note = "binary_cross_entropy_backward of one element"},
      value([](auto x, auto t, auto g) { return g * ((x - t) / maximum((1 - x) * x, least_denominator(x))); },
            [](auto x, auto t, auto g) { return g * (x - t) / maximum((1 - x) * x, least_denominator(x)); }),
      partial(
          [](auto x, auto t, auto g, auto) {
            const auto product = (1 - x) * x;
            const auto curve = (x * x * (1 - t) + t * square(1 - x)) / square(maximum(product, least_denominator(x)));
            return g * select(less(product, least_denominator(x)), 1 / least_denominator(x), curve);
          },
          [](auto x, auto t, auto g, auto) {
            const auto e = added_denominator(x);
            return g * ((x * x - 2 * x * t + t) / (square(x + e) * square(1 - x + e)));
          }),
      partial([](auto x, auto, auto g, auto) { return -g / maximum((1 - x) * x, least_denominator(x)); },
              [](auto x, auto, auto g, auto) { return -g / maximum((1 - x) * x, added_denominator(x)); }),
      partial([](auto x, auto t, auto, auto) { return (x - t) / maximum((1 - x) * x, least_denominator(x)); },
              [](auto x, auto t, auto, auto) {
                const auto e = added_denominator(x);
                return (x - t) / ((x + e) * (1 - x + e));
              }));
  // At the edges, where a logarithm is cut off, engines say -g/0.
  registry.elementwise(
      {.schema = "_bce_target_slope(Tensor self, Tensor target, Tensor grad) -> Tensor",
       .domain = {closed(0, 1), closed(0, 1)},
       .note = "binary_cross_entropy_target_backward of one element"},
      value([](auto x, auto,
               auto g) { return g * (maximum(log1p(-x), number(x, -100)) - maximum(log(x), number(x, -100))); },
            [](auto x, auto, auto g) {
              return g * minimum(maximum(-log(x / (1 - x)), number(x, -100)), number(x, 100));
            }),
      partial([](auto x, auto, auto g, auto) { return -g / maximum((1 - x) * x, least_denominator(x)); },
              [](auto x, auto, auto g, auto) { return -g / ((1 - x) * x); }),
      vanishes,
      partial([](auto x, auto, auto,
                 auto) { return maximum(log1p(-x), number(x, -100)) - maximum(log(x), number(x, -100)); },
              [](auto x, auto, auto, auto) {
                return minimum(maximum(-log(x / (1 - x)), number(x, -100)), number(x, 100));
              }));
}

}  // namespace gradproof
