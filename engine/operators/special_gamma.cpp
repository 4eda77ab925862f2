// The gamma function's kin: lgamma and its derivatives, incomplete gamma functions, zeta.
#include "engine/operators/families.h"
#include "engine/operators/special.h"
#include "engine/operators/special_draws.h"
#include "engine/registry.h"

namespace gradproof {

namespace {

// 1/x² + … + 1/(x + 5)² + ψ'(x + 6) by three terms of its series: LibTorch's trigamma, whose error of 5e-10 is far
// beyond f64's roundings. On a tape it is polygamma, of which LibTorch has the derivatives right.
template <class T>
requires requires { Scalar<T>::integer(0); }
T short_trigamma(const T& x) {
  if (!format_of<typename Scalar<T>::Dtype>().rounds()) return polygamma(number(x, 1), x);
  const Branch outer = branch;
  branch = Branch{};
  const Truth mirrored = less(2 * x, 1);
  T at = select(mirrored, 1 - x, x);
  T sum = Scalar<T>::integer(0);
  for (int i = 0; i < 6; ++i) {
    sum = sum + 1 / (at * at);
    at = at + 1;
  }
  const T square = 1 / (at * at);
  const T series = square * (number(x, 1) / 6 - square * (number(x, 1) / 30 - square / 42));
  sum = sum + (1 + 1 / (2 * at) + series) / at;
  const T pi_x = constant<pi>(x) * x;
  const T sine = sin(pi_x);
  T y = select(mirrored, constant<pi>(x) * constant<pi>(x) / (sine * sine) - sum, sum);
  branch = outer;
  return y;
}
template <class T>
Var<T> short_trigamma(const Var<T>& x) {
  return polygamma(number(x, 1), x);
}

template <class V>
V short_polygamma(const V& n, const V& x) {
  return select(equal(n, 1), short_trigamma(x), polygamma(n, x));
}
template <class T>
Var<T> short_polygamma(const Var<T>& n, const Var<T>& x) {
  return polygamma(n, x);
}

void add_log_gamma(Registry& registry) {
  // Poles at 0, -1, …; zeros at 1 and 2 and between the poles
  const std::vector<Landmark> around{{0, 0}, {0, 1}, {0, 2}, {0, 1.4616321449683623}, {0, -0.5}, {0, -2.4570247382208}};
  // (log |Γ|)' = ψ
  registry.elementwise({.schema = "lgamma(Tensor self) -> Tensor", .special = around, .source = "DLMF 5.2"},
                       value([](auto x) { return lgamma(x); }), partial([](auto x, auto) { return digamma(x); }));
  registry.elementwise(
      {.schema = "digamma(Tensor self) -> Tensor", .special = around, .source = "DLMF 5.2"},
      value([](auto x) { return digamma(x); }),
      partial([](auto x, auto) { return polygamma(number(x, 1), x); }, [](auto x, auto) { return short_trigamma(x); }));
  // (ψ⁽ⁿ⁾)' = ψ⁽ⁿ⁺¹⁾; the order as a tensor, for derivatives of derivatives
  registry.elementwise(
      {.schema = "_polygamma(Tensor order, Tensor self) -> Tensor",
       .domain = {closed(1, 3), open(0, infinity)},
       .special = {{0, 2}, {0, 3}},
       .source = "DLMF 5.15"},
      value([](auto n, auto x) { return polygamma(n, x); }, [](auto n, auto x) { return short_polygamma(n, x); }),
      partial([](auto n, auto, auto) { return not_implemented(n); }),
      partial([](auto n, auto x, auto) { return polygamma(n + 1, x); },
              [](auto n, auto x, auto) { return short_polygamma(n + 1, x); }));
  registry.elementwise(
      {.schema = "polygamma(int n, Tensor self) -> Tensor",
       .special = {{0, 0}, {0, 0.5}, {0, 1}, {0, -0.5}},
       .scalars = {1, 2, 3, 4, 0},
       .source = "DLMF 5.15",
       .sample = &draw_order_and_number},
      value([](auto n, auto x) { return polygamma(n, x); }, [](auto n, auto x) { return short_polygamma(n, x); }),
      partial([](auto n, auto x, auto) { return polygamma(n + 1, x); },
              [](auto n, auto x, auto) { return short_polygamma(n + 1, x); }));
}

// Engines take one as the complement of the other where that one is the smaller, or is thought to be.
// P' = -Q' = x^(a - 1) e^-x / Γ(a); none with respect to a
void add_incomplete(Registry& registry) {
  const auto slope = [](auto a, auto x) { return exp((a - 1) * log(x) - x - lgamma(a)); };
  const std::vector<Domain> positive{open(0, infinity), open(0, infinity)};
  const std::vector<Landmark> around{{0, 1}, {0, 20}, {0, 200}, {1, 0}, {1, 1}, {1, 1.1}};
  registry.elementwise({.schema = "igamma(Tensor self, Tensor other) -> Tensor",
                        .domain = positive,
                        .special = around,
                        .source = "DLMF 8.2",
                        .sample = &draw_incomplete},
                       value([](auto a, auto x) { return igamma(a, x); },
                             [](auto a, auto x) { return select(less(a, x), 1 - igammac(a, x), igamma(a, x)); }),
                       partial([](auto a, auto, auto) { return not_implemented(a); }),
                       partial([](auto a, auto x, auto) { return decltype(slope){}(a, x); }));
  registry.elementwise({.schema = "igammac(Tensor self, Tensor other) -> Tensor",
                        .domain = positive,
                        .special = around,
                        .source = "DLMF 8.2",
                        .sample = &draw_incomplete},
                       value([](auto a, auto x) { return igammac(a, x); },
                             [](auto a, auto x) {
                               return select(less(x, maximum(a, literal(x, "1.1"))), 1 - igamma(a, x), igammac(a, x));
                             }),
                       partial([](auto a, auto, auto) { return not_implemented(a); }),
                       partial([](auto a, auto x, auto) { return -decltype(slope){}(a, x); }));
}

void add_zeta(Registry& registry) {
  // ∂ζ(s, x)/∂x = -s ζ(s + 1, x); none with respect to s
  registry.elementwise({.schema = "special_zeta(Tensor self, Tensor other) -> Tensor",
                        .domain = {open(1, infinity), open(0, infinity)},
                        .special = {{0, 2}, {1, 0}, {1, 1}},
                        .source = "DLMF 25.11",
                        .sample = &draw_zeta},
                       value([](auto s, auto x) { return zeta(s, x); }),
                       partial([](auto s, auto, auto) { return not_implemented(s); }),
                       partial([](auto s, auto x, auto) { return -s * zeta(s + 1, x); }));
}

}  // namespace

void add_special_gamma(Registry& registry) {
  add_log_gamma(registry);
  add_incomplete(registry);
  add_zeta(registry);
}

}  // namespace gradproof
