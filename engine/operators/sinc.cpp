// sin(πx)/(πx), whose slopes cancel beside 0: there their power series are taken.
#include "engine/composite.h"
#include "engine/operators/families.h"
#include "engine/operators/samplers.h"

namespace gradproof {

namespace {

template <class V>
concept PlainNumber = requires {
  Scalar<V>::integer(0);
};

template <class V>
V hull_of_two(const V& a, const V& b) {
  return select(Truth::unknown, a, b);
}

// Both are smooth in z; where |z| is small the series, elsewhere the closed form.
template <PlainNumber V, class Series, class Closed>
V by_size(const V& z, Series series, Closed closed) {
  const Branch outer = branch;
  branch = Branch{};
  const Truth small = less(abs(z), 1);
  V y = small == Truth::yes ? series() : small == Truth::no ? closed() : hull_of_two(series(), closed());
  branch = outer;
  return y;
}
constexpr int terms = 30;  // for |z| < 1 the rest is below 2^-256

// f(z) = (z cos z - sin z)/z² = -(z/3)(1 - z²/(2·5) (1 - z²/(4·7) (1 - …)))
template <PlainNumber V>
V sinc_slope(const V& z) {
  return by_size(
      z,
      [&] {
        V sum = number(z, 1);
        for (int k = terms; k > 0; --k) sum = 1 - z * z * sum / number(z, 2 * k * (2 * k + 3));
        return -(z / 3) * sum;
      },
      [&] { return (cos(z) - sin(z) / z) / z; });
}
template <class T>
Var<T> sinc_slope(const Var<T>& z) {
  return z.tape().call(z.tape().catalogue().named("_sinc_slope"), std::span<const Var<T>>(&z, 1));
}
inline Probe sinc_slope(Probe z) { return z; }

// f'(z) = ((2 - z²) sin z - 2 z cos z)/z³ = -1/3 (1 - 3z²/(1·2·5) (1 - 5z²/(3·4·7) (1 - 7z²/(5·6·9) (1 - …))))
template <PlainNumber V>
V sinc_curvature(const V& z) {
  return by_size(
      z,
      [&] {
        V sum = number(z, 1);
        for (int k = terms; k > 0; --k)
          sum = 1 - z * z * number(z, 2 * k + 1) * sum / number(z, (2 * k - 1) * 2 * k * (2 * k + 3));
        return -sum / 3;
      },
      [&] { return (2 * (sin(z) / z - cos(z)) / z - sin(z)) / z; });
}
template <class T>
Var<T> sinc_curvature(const Var<T>& z) {
  return z.tape().call(z.tape().catalogue().named("_sinc_curvature"), std::span<const Var<T>>(&z, 1));
}
inline Probe sinc_curvature(Probe z) { return z; }

}  // namespace

void add_sinc(Registry& registry) {
  registry.elementwise(
      {.schema = "_sinc_curvature(Tensor self) -> Tensor", .special = {{0, 0}}, .note = "f' of _sinc_slope"},
      value([](auto z) { return sinc_curvature(z); }),
      // f'' = (z/2)(f' + s) - (3 f' + s)/z with s = sin z/z: cancels beside 0, in third derivatives of sinc
      partial([](auto z, auto y) {
        const auto zero = equal(z, 0);
        const auto w = select(zero, 1, z);
        const auto s = sin(w) / w;
        return select(zero, z / 5, w / 2 * (y + s) - (3 * y + s) / w);
      }));
  registry.elementwise(
      {.schema = "_sinc_slope(Tensor self) -> Tensor", .special = {{0, 0}}, .note = "(z cos z - sin z)/z²"},
      value([](auto z) { return sinc_slope(z); }), partial([](auto z, auto) { return sinc_curvature(z); }));
  // slope π f(πx); engines take (πx cos πx - sin πx)/(πx²), 0 at 0
  for (const std::string_view schema : {"sinc(Tensor self) -> Tensor", "special_sinc(Tensor self) -> Tensor"}) {
    registry.elementwise(
        {.schema = schema, .special = {{0, 0}, {0, 0.25}, {0, 1}, {0, -1}}, .source = "LibTorch 2.11, sinc"},
        value([](auto x) {
          const auto zero = equal(x, 0);
          const auto z = constant<pi>(x) * select(zero, 1, x);
          return select(zero, 1, sin(z) / z);
        }),
        partial([](auto x, auto) { return constant<pi>(x) * sinc_slope(constant<pi>(x) * x); },
                [](auto x, auto) {
                  const auto zero = equal(x, 0);
                  const auto w = select(zero, 1, x);
                  const auto z = constant<pi>(x) * w;
                  return select(zero, -(square(constant<pi>(x)) * x / 3),
                                (z * cos(z) - sin(z)) / (constant<pi>(x) * (w * w)));
                }));
  }
}

}  // namespace gradproof
