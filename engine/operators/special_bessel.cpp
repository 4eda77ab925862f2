// Bessel functions of orders 0 and 1.
#include "engine/operators/families.h"
#include "engine/operators/special.h"
#include "engine/sampling.h"
#include "engine/structural.h"

namespace gradproof {

namespace {

// y/x, y = I₁(x) = x/2 + x³/16 + …: at 0 as far as third derivatives of I₁ need
template <class V>
V quotient(const V& y, const V& x) {
  const auto origin = equal(x, 0);
  return select(origin, number(x, 1) / 2 + x * x / 16, y / select(origin, 1, x));
}
// -1 and 1, either and their mean at 0
template <class V>
V side(const V& x) {
  return select(less(x, 0), number(x, -1), 1);
}

// (e^-|x| I₁)' = i0e - sgn(x) i1e - i1e/x; an operator on a tape, for its own derivative jumps at 0, where what its
// terms do by themselves must not be mixed.
template <class T>
requires requires { Scalar<T>::integer(0); }
T i1e_slope(const T& x) { return i0e(x) - side(x) * i1e(x) - quotient(i1e(x), x); }
template <class T>
Var<T> i1e_slope(const Var<T>& x) {
  return x.tape().call(x.tape().catalogue().named("_i1e_slope"), std::array{x});
}
inline Probe i1e_slope(Probe x) { return x; }

// i0e' - s f' - (f' - f/x)/x with f = i1e, s = sgn(x) and i0e' = f - s i0e; -s + 15 x/8 at 0
template <class V>
V i1e_curvature(const V& x, const V& slope) {
  const auto origin = equal(x, 0);
  const V s = side(x);
  const V away = select(origin, 1, x);
  const V inner = (slope - i1e(x) / away) / away;
  return select(origin, 15 * x / 8 - s, i1e(x) - s * i0e(x) - s * slope - inner);
}

void add_modified(Registry& registry) {
  const std::vector<Landmark> around{{0, 0}, {0, 8}, {0, -8}};
  // I₀' = I₁, I₁' = I₀ - I₁/x; with the factor e^-|x| of i0e and i1e also -sgn(x) times themselves
  registry.elementwise({.schema = "i0(Tensor self) -> Tensor", .special = around, .source = "DLMF 10.29"},
                       value([](auto x) { return i0(x); }), partial([](auto x, auto) { return i1(x); }));
  registry.elementwise({.schema = "special_i1(Tensor self) -> Tensor", .special = around, .source = "DLMF 10.29"},
                       value([](auto x) { return i1(x); }),
                       partial([](auto x, auto y) { return i0(x) - quotient(y, x); }));
  registry.elementwise(
      {.schema = "special_i0e(Tensor self) -> Tensor", .kinks = {{0, 0}}, .special = around, .source = "DLMF 10.29"},
      value([](auto x) { return i0e(x); }), partial([](auto x, auto y) { return i1e(x) - side(x) * y; }));
  registry.elementwise({.schema = "special_i1e(Tensor self) -> Tensor",
                        .special = around,
                        .source = "DLMF 10.29",
                        .note = "its second derivative jumps at 0"},
                       value([](auto x) { return i1e(x); }), partial([](auto x, auto) { return i1e_slope(x); }));
  registry.elementwise(
      {.schema = "_i1e_slope(Tensor self) -> Tensor", .kinks = {{0, 0}}, .special = around, .source = "DLMF 10.29"},
      value([](auto x) { return i1e_slope(x); }), partial([](auto x, auto y) { return i1e_curvature(x, y); }));
}

// Of these no engine has derivatives.
template <Special f>
struct OnlyValue {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    for (Index i = 0; i < x.numel; ++i) out.real()[i] = Scalar<T>::materialize(special<f>(x.real()[i]));
    set_outputs(tape, node, {out});
  }
};
void sample_self(Draw& draw) { draw.tensor("self", draw.shape(0, 3)); }
void sample_x(Draw& draw) { draw.tensor("x", draw.shape(0, 3)); }

template <Special f>
void add_value(Registry& registry, const char* schema, const Domain& domain, void (*sample)(Draw&) = &sample_self) {
  registry.structural<OnlyValue<f>>({.schema = schema,
                                     .domain = {domain},
                                     .special = {{0, 0}, {0, 5}, {0, 2}, {0, 8}},
                                     .source = "DLMF 10.2, 10.25",
                                     .note = "LibTorch has no derivative",
                                     .sample = sample});
}

}  // namespace

void add_special_bessel(Registry& registry) {
  add_modified(registry);
  add_value<Special::bessel_j0>(registry, "special_bessel_j0(Tensor self) -> Tensor", all_reals);
  add_value<Special::bessel_j1>(registry, "special_bessel_j1(Tensor self) -> Tensor", all_reals);
  add_value<Special::bessel_y0>(registry, "special_bessel_y0(Tensor self) -> Tensor", open(0, infinity));
  add_value<Special::bessel_y1>(registry, "special_bessel_y1(Tensor self) -> Tensor", open(0, infinity));
  add_value<Special::i0>(registry, "special_modified_bessel_i0(Tensor self) -> Tensor", all_reals);
  add_value<Special::i1>(registry, "special_modified_bessel_i1(Tensor self) -> Tensor", all_reals);
  add_value<Special::bessel_k0>(registry, "special_modified_bessel_k0(Tensor self) -> Tensor", open(0, infinity));
  add_value<Special::bessel_k1>(registry, "special_modified_bessel_k1(Tensor self) -> Tensor", open(0, infinity));
  add_value<Special::bessel_k0e>(registry, "special_scaled_modified_bessel_k0(Tensor x) -> Tensor", open(0, infinity),
                                 &sample_x);
  add_value<Special::bessel_k1e>(registry, "special_scaled_modified_bessel_k1(Tensor x) -> Tensor", open(0, infinity),
                                 &sample_x);
}

}  // namespace gradproof
