// Norms of vectors, and differences to take them of, as functions of variables that several operators are written in.
#pragma once

#include "engine/operators/sums.h"

namespace gradproof {

// A constant around 0 that reaches as far as `by`: what a sum may be off beside its own roundings.
template <class T>
Var<T> noise(Tape<T>& tape, const Tensor<T>& by) {
  const Tensor<T> out = tape.allocate(Kind::real, by.sizes());
  for (Index i = 0; i < by.numel; ++i) out.real()[i] = widened(Scalar<T>::leaf(0), by.real()[i]);
  return tape.constant(out);
}

// Where y certainly is 0, as a mask.
template <class T>
Var<T> zeros_of(Tape<T>& tape, const Var<T>& y) {
  const Tensor<T> value = tape.contiguous(y.value());
  const Tensor<T> mask = tape.allocate(Kind::boolean, value.sizes());
  for (Index i = 0; i < mask.numel; ++i) mask.booleans()[i] = truth(equal(value.real()[i], 0) == Truth::yes);
  return tape.constant(mask);
}

// 0, of which nothing is known as soon as it is differentiated, where the mask says so.
struct Vertex {
  static constexpr const char* schema = "_vertex(Tensor self, Tensor mask) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    set_outputs(tape, node, {zeros(tape, node.in(0).sizes()).value()});
  }
  template <class T>
  static Var<T> slope(Tape<T>& tape, const Node<T>& node) {
    const Tensor<T> out = tape.allocate(Kind::real, node.in(0).sizes());
    const Tensor<T> mask = tape.contiguous(expand_to(input(tape, node, 1), node.in(0).sizes()).value());
    for (Index i = 0; i < out.numel; ++i) {
      out.real()[i] = mask.booleans()[i] == Truth::no ? Scalar<T>::leaf(0) : no_answer<T>(Unbounded::domain);
    }
    return tape.constant(out);
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>*, const bool*, Var<T>* into) {
    into[0] = slope(tape, node);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>*, Var<T>* into) {
    into[0] = slope(tape, node);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

// f(y without its zeros), but 0 at the vertex of a norm, where y is 0: a subgradient, which engines take for the slope.
// The slope itself has none there, along x or along what it is multiplied by.
template <class T, class F>
Var<T> off_vertex(Tape<T>& tape, const Var<T>& y, const Var<T>& x, const Var<T>& by, F&& f) {
  const Var<T> zero = zeros_of(tape, y);
  return select(zero, call_rule<Vertex>(tape, {x, zero}, {}) + call_rule<Vertex>(tape, {by, zero}, {}),
                f(select(zero, 1, y)));
}
template <class T, class F>
Var<T> sum_off_vertex(Tape<T>& tape, const Var<T>& y, const Var<T>& x, const Var<T>& t, DimSet dims, bool keepdim,
                      F&& f) {
  const Var<T> zero = zeros_of(tape, y);
  const Var<T> wide = spread(zero, x.sizes(), dims);
  const Var<T> vertex = call_rule<Vertex>(tape, {x, wide}, {}) + call_rule<Vertex>(tape, {t, wide}, {});
  return select(zero, sum_over(vertex, dims, keepdim), f(select(zero, 1, y)));
}

// √x for x >= 0, of slope 0 at 0.
struct RootOrZero {
  static constexpr const char* schema = "_root_or_zero(Tensor self) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    for (Index i = 0; i < x.numel; ++i) out.real()[i] = Scalar<T>::materialize(sqrt(abs(x.real()[i])));
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = off_vertex(tape, output(tape, node), input(tape, node, 0), grads[0],
                         [&](const Var<T>& y) { return grads[0] / (y * 2); });
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = off_vertex(tape, output(tape, node), input(tape, node, 0), tangents[0],
                         [&](const Var<T>& y) { return tangents[0] / (2 * y); });
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_output(0);
  }
};

// Σ|x|^p. Where it leaves the range and no x does, the root of it need not: an engine may scale, or sum in a wider
// format.
template <class T>
class PowerSum {
 public:
  void add_square(const T& x) {
    see(x);
    sum_.add_product(x, x);
  }
  void add_power(const T& x, const T& p) {
    see(x);
    sum_.add(pow(abs(x), p));
  }
  T result() const {
    T sum = abs(sum_.result());
    if constexpr (HasHull<T>) {
      if (in_range_ && !sum.is_finite()) return no_answer<T>(Unbounded::overflow);
    }
    return sum;
  }

 private:
  void see(const T& x) {
    if constexpr (HasHull<T>) in_range_ = in_range_ && x.is_finite();
  }

  Accumulator<T> sum_{};
  bool in_range_ = true;
};

// √Σx²
struct EuclideanNorm {
  static constexpr const char* schema = "_norm2(Tensor self, int[]? dim, bool keepdim, ScalarType? dtype) -> Tensor";
  using Args = AlongDims;

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    reduce<Args>(tape, node, [](const Lane<T>& lane) {
      PowerSum<T> sum;
      for (Index k = 0; k < lane.length; ++k) sum.add_square(lane[k]);
      T root = sqrt(sum.result());
      // Of one element engines take the size, whose square may leave the range.
      if constexpr (HasHull<T>) {
        if (lane.length == 1) return hull(root, abs(lane[0]));
      }
      return root;
    });
  }
  // (x/y) g, or x (g/y), where the one or the other may leave the range
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    const Var<T> x = input(tape, node, 0);
    const Shape kept = reduced_sizes(x.sizes(), dims, true);
    const Var<T> y = reshape_to(output(tape, node), kept);
    const Var<T> g = reshape_to(grads[0], kept);
    into[0] = off_vertex(tape, y, x, g, [&](const Var<T>& nonzero) {
      const auto direction = [&] { return g * (x / expand_to(nonzero, x.sizes())); };
      const auto scaled = [&] { return x * (g / nonzero); };
      return either(tape, node, tape.plain(node, grads, 1), direction, scaled);
    });
  }
  // Σ (x/y) t, or (Σ x t)/y
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    const bool keepdim = Args::keepdim(node);
    const Var<T> x = input(tape, node, 0);
    const Var<T> y = output(tape, node);
    const Var<T> products = sum_over(tangents[0] * x, dims, keepdim);
    into[0] = sum_off_vertex(tape, y, x, tangents[0], dims, keepdim, [&](const Var<T>& nonzero) {
      const auto first = [&] { return sum_over(x / spread(nonzero, x.sizes(), dims) * tangents[0], dims, keepdim); };
      const auto last = [&] { return products / nonzero; };
      return either(tape, node, tape.plain(node, tangents, 1), first, last);
    });
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

// (Σ|x|^p)^(1/p) for p not 0, 1, 2 or infinite.
struct PowerNorm {
  static constexpr const char* schema =
      "_norm_p(Tensor self, int[]? dim, bool keepdim, ScalarType? dtype, Scalar p) -> Tensor";
  using Args = AlongDims;

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const T p = node.args[3].real;
    reduce<Args>(tape, node, [&](const Lane<T>& lane) {
      PowerSum<T> sum;
      for (Index k = 0; k < lane.length; ++k) sum.add_power(lane[k], p);
      return pow(sum.result(), 1 / p);
    });
  }

  // x |x|^(p-2), which is 0 at 0 for p > 1; engines say so for p < 1, too. It has no slope there for p < 2.
  template <class T>
  static Var<T> signed_power(Tape<T>& tape, const Var<T>& x, const Arg<T>& p) {
    const Var<T> zero = zeros_of(tape, x);
    const Var<T> size = abs(select(zero, 1, x));
    if (p.number > 2) return select(zero, 0, x * pow(size, tape.number(p.real - 2)));
    const Var<T> power = pow(size, tape.number(p.real - 1));
    return select(zero, call_rule<Vertex>(tape, {x, zero}, {}), select(less(x, 0), -power, power));
  }
  // x |x|^(p-2) / y^(p-1), the gradient multiplied in at the end or in between
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    const Arg<T>& p = node.args[3];
    const Var<T> x = input(tape, node, 0);
    const Shape kept = reduced_sizes(x.sizes(), dims, true);
    const Var<T> g = reshape_to(grads[0], kept);
    into[0] = off_vertex(tape, reshape_to(output(tape, node), kept), x, g, [&](const Var<T>& y) {
      const auto by_ratio = [&] { return g * signed_power(tape, x / y, p); };
      const auto by_powers = [&] {
        if (p.number < 1) return signed_power(tape, x, p) * g * pow(y, tape.number(1 - p.real));
        return signed_power(tape, x, p) * (g / pow(y, tape.number(p.real - 1)));
      };
      return either(tape, node, tape.plain(node, grads, 1), by_ratio, by_powers);
    });
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    const bool keepdim = Args::keepdim(node);
    const Arg<T>& p = node.args[3];
    const Var<T> x = input(tape, node, 0);
    const Var<T> sum = sum_over(tangents[0] * signed_power(tape, x, p), dims, keepdim);
    into[0] = sum_off_vertex(tape, output(tape, node), x, tangents[0], dims, keepdim, [&](const Var<T>& y) {
      const auto by_ratio = [&] {
        return sum_over(signed_power(tape, x / spread(y, x.sizes(), dims), p) * tangents[0], dims, keepdim);
      };
      const auto by_powers = [&] {
        if (p.number < 1) return sum * pow(y, tape.number(1 - p.real));
        return sum / pow(y, tape.number(p.real - 1));
      };
      return either(tape, node, tape.plain(node, tangents, 1), by_ratio, by_powers);
    });
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(0);
  }
};

// How many are not 0; of slope 0.
struct CountNorm {
  static constexpr const char* schema = "_norm0(Tensor self, int[]? dim, bool keepdim, ScalarType? dtype) -> Tensor";
  using Args = AlongDims;

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    reduce<Args>(tape, node, [](const Lane<T>& lane) {
      Accumulator<T> sum;
      for (Index k = 0; k < lane.length; ++k) {
        sum.add(select(equal(lane[k], 0), Scalar<T>::leaf(0), Scalar<T>::leaf(1)));
      }
      return sum.result();
    });
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>&, const Var<T>*, const bool*, Var<T>*) {}
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>*, Var<T>* into) {
    into[0] = zeros(tape, node.out().sizes());
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

// The p-norm of x over `dims`.
template <class T>
Var<T> vector_norm(const Var<T>& x, const Arg<T>& p, DimSet dims, bool keepdim) {
  Tape<T>& tape = x.tape();
  const Arg<T> along = list_arg(tape, dims_of(dims, x.ndim()));
  const Arg<T> keep = flag_arg<T>(keepdim);
  const double order = p.is_none() ? 2 : p.number;
  if (order == 1) return sum_over(abs(x), dims, keepdim);
  if (order == 2) return call_rule<EuclideanNorm>(tape, {x}, {along, keep, Arg<T>{}});
  if (order == 0) return call_rule<CountNorm>(tape, {x}, {along, keep, Arg<T>{}});
  if (std::isinf(order)) return named(order > 0 ? "amax" : "amin", {abs(x)}, {along, keep});
  return call_rule<PowerNorm>(tape, {x}, {along, keep, Arg<T>{}, p});
}

// (g, -g). Engines make the gradients of dist's two arguments apart: differentiated again, either comes down to their
// difference on its own way, and both are rounded before they meet. On that way, through x/y and Σ g x, a number is
// rounded n + 8 times at most.
struct Apart {
  static constexpr const char* schema = "_apart(Tensor self) -> (Tensor, Tensor)";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = copied(tape, real_input(node, 0));
    const Tensor<T> negative = tape.allocate(Kind::real, x.sizes());
    for (Index i = 0; i < x.numel; ++i) negative.real()[i] = -x.real()[i];
    set_outputs(tape, node, {x, negative});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    if (!grads[0] || !grads[1]) {
      into[0] = grads[0] ? grads[0] : -grads[1];
      return;
    }
    into[0] = grads[0] - grads[1];
    if (!tape.admitted || !HasHull<T>) return;
    const Tensor<T> a = tape.contiguous(grads[0].value());
    const Tensor<T> b = tape.contiguous(grads[1].value());
    const Tensor<T> by = tape.allocate(Kind::real, a.sizes());
    const T roundings = count_as_number<T>(node.in(0).numel + 8) * unit_roundoff<T>();
    for (Index i = 0; i < by.numel; ++i) by.real()[i] = roundings * (abs(a.real()[i]) + abs(b.real()[i]));
    into[0] = into[0] + noise(tape, by);
  }
  template <class T>
  static void jvp(Tape<T>&, const Node<T>&, const Var<T>* tangents, Var<T>* into) {
    into[0] = tangents[0];
    into[1] = -tangents[0];
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

struct Difference {
  static constexpr const char* schema = "_difference(Tensor self, Tensor other) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const bool recorded = std::exchange(tape.grad_enabled, false);
    const Var<T> off = tape.constant(real_input(node, 0)) - tape.constant(real_input(node, 1));
    tape.grad_enabled = recorded;
    set_outputs(tape, node, {off.value()});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const std::array<VarImpl<T>*, 1> inputs{grads[0].impl()};
    const Node<T>& apart = tape.run(rule_operator<T, Apart>(), inputs, {});
    for (std::size_t i = 0; i < 2; ++i) into[i] = sum_to(output(tape, apart, i), node.in(i).sizes());
  }
  template <class T>
  static void jvp(Tape<T>&, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Sizes sizes = node.out().sizes();
    if (tangents[0] && tangents[1]) {
      into[0] = tangents[0] - tangents[1];
    } else {
      into[0] = expand_to(tangents[0] ? tangents[0] : -tangents[1], sizes);
    }
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

}  // namespace gradproof
