// (x - mean)/√(var + eps) over some dims, which the normalizations of neural networks are made of.
#pragma once

#include "engine/composite.h"
#include "engine/operators/norms.h"

namespace gradproof {

// x, off by as much as the second input. Where one way to compute it has overflowed, others need not have.
struct Covered : CopyRules {
  static constexpr const char* schema = "_covered(Tensor self, Tensor by) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> by = tape.contiguous(real_input(node, 1));
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    for (Index i = 0; i < x.numel; ++i) {
      out.real()[i] = widened(x.real()[i], by.real()[i]);
      if constexpr (HasHull<T>) {
        if (!x.real()[i].is_finite()) out.real()[i] = no_answer<T>(Unbounded::overflow);
      }
    }
    set_outputs(tape, node, {out});
  }
};

// The mean and 1/√(var + eps) of a lane, as any of these makes them:
//   two passes                              what the balls carry
//   one pass (Welford, Chan)                mean off by u S (n + 4 + 2 ln n)/n with S = Σ|x| (moments.cpp), Σ(x -
//   mean)² by
//                                           n u √(Σ(x - mean)² Σx²)
//   Σx²/n - mean², where `raw`              Σ(x - mean)² off by (2n + 2) u Σx²: n u Σx² of the sum, mean² n twice as
//   far
// Chan, Golub, LeVeque, "Algorithms for computing the sample variance", The American Statistician 37 (1983).
template <class T>
struct LaneMoments {
  T mean;
  T inverse_deviation;

  LaneMoments(const Lane<T>& lane, const T& eps, bool raw) : mean(Scalar<T>::leaf(0)), inverse_deviation(mean) {
    const T n = count_as_number<T>(lane.length);
    const auto length = static_cast<double>(lane.length);
    mean = sum_of(lane) / n;
    if constexpr (HasHull<T>) {
      Accumulator<T> sizes;
      for (Index k = 0; k < lane.length; ++k) sizes.add(abs(lane[k]));
      const auto roundings = static_cast<Index>(std::ceil(length + 4 + 2 * std::log(length)));
      mean = widened(mean, count_as_number<T>(roundings) * unit_roundoff<T>() * (sizes.result() / n));
    }
    Accumulator<T> squares;
    Accumulator<T> raw_squares;
    for (Index k = 0; k < lane.length; ++k) {
      const T off = lane[k] - mean;
      squares.add_product(off, off);
      raw_squares.add_product(lane[k], lane[k]);
    }
    T sum = abs(squares.result());
    if constexpr (HasHull<T>) {
      const T all = raw_squares.result();
      T by = n * unit_roundoff<T>() * sqrt(sum * all);
      if (raw) by = by + (2 * n + 2) * unit_roundoff<T>() * all;
      sum = maximum(widened(sum, by), Scalar<T>::leaf(0));
    }
    inverse_deviation = 1 / sqrt(sum / n + eps);
  }
};

// (x̂, mean, r) with r = 1/√(var + eps), x̂ = (x - mean) r. Arguments: dims, eps, and whether engines may take raw
// squares for var and fold r into weight and bias.
struct Normalize {
  static constexpr const char* schema =
      "_normalize(Tensor self, int[] dim, float eps, bool folds) -> (Tensor, Tensor, Tensor)";

  template <class T>
  static DimSet dims(const Node<T>& node) {
    return dim_set(node.args[0].integers, node.in(0).ndim);
  }
  // Engines compute x r - mean r, too: each product rounds. Where they fold, mean r rounds once more.
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Shape sizes = reduced_sizes(x.sizes(), dims(node), true);
    const Tensor<T> out = tape.allocate(Kind::real, x.sizes());
    const Tensor<T> means = tape.allocate(Kind::real, sizes);
    const Tensor<T> inverse = tape.allocate(Kind::real, sizes);
    const bool folds = flag(node, 2);
    const bool admitted = tape.admitted;
    for_each_lane(tape.arena(), x, dims(node), [&](Index o, const Lane<T>& lane) {
      const LaneMoments<T> moments(lane, node.args[1].real, folds && admitted);
      const T& r = moments.inverse_deviation;
      means.real()[o] = Scalar<T>::materialize(moments.mean);
      inverse.real()[o] = Scalar<T>::materialize(r);
      for (Index k = 0; k < lane.length; ++k) {
        T y = (lane[k] - moments.mean) * r;
        if (admitted) {
          const T parts = abs(lane[k]) + (folds ? 2 : 1) * abs(moments.mean);
          y = widened(y, unit_roundoff<T>() * (parts * r));
        }
        out.real()[&lane[k] - x.real()] = Scalar<T>::materialize(y);
      }
    });
    set_outputs(tape, node, {out, means, inverse});
  }

  // Of x̂: (g - Σg/n - x̂ Σ g x̂/n) r; of the mean: g/n; of r: -g r² x̂/n
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const DimSet over = dims(node);
    const Sizes sizes = node.in(0).sizes();
    const Var<T> n = tape.number(count_as_number<T>(count_reduced(sizes, over)));
    const Var<T> r = output(tape, node, 2);
    const Var<T> y = (input(tape, node, 0) - output(tape, node, 1)) * r;
    const auto sum = [&](const Var<T>& term) { into[0] = sum_of_some(into[0], term); };
    if (grads[0]) {
      const Var<T> g = grads[0];
      Var<T> slope = (g - sum_over(g, over, true) / n - y * (sum_over(g * y, over, true) / n)) * r;
      if (tape.admitted && HasHull<T>) {
        const Var<T> off = tape.constant(off_by_raw_sums(tape, node, y.value(), g.value()));
        slope = call_rule<Covered>(tape, {slope, off}, {});
      }
      sum(slope);
    }
    // By 1/n, each element for itself: what is differentiated again is rounded before it is summed.
    if (grads[1]) sum(expand_to(grads[1], sizes) * (1 / n));
    if (grads[2]) sum(-(grads[2] * r * r / n) * y);
  }
  // LibTorch's rows: with s = Σ g x, d = Σ g, b = (d m - s) r³/n, c = -b m - d r/n they return r g + b x + c. The sums
  // are off by (n + 2) u Σ|g x| and n u |m| Σ|g|, which move b, and so the result by that times |x - m|; b x, b m, d
  // r/n and r g round, with what they are made of, at most 5 times.
  template <class T>
  static Tensor<T> off_by_raw_sums(Tape<T>& tape, const Node<T>& node, const Tensor<T>& normalized,
                                   const Tensor<T>& grad) {
    const Tensor<T> x = tape.contiguous(node.in(0));
    const Tensor<T> y = tape.contiguous(normalized);
    const Tensor<T> g = tape.contiguous(grad);
    const Tensor<T> by = tape.allocate(Kind::real, x.sizes());
    const T u = unit_roundoff<T>();
    for_each_lane(tape.arena(), x, dims(node), [&](Index o, const Lane<T>& lane) {
      const T n = count_as_number<T>(lane.length);
      const T m = abs(node.out(1).real()[o]);
      const T r = node.out(2).real()[o];
      const auto beside = [&](const Tensor<T>& other, Index k) { return other.real()[&lane[k] - x.real()]; };
      Accumulator<T> products;
      Accumulator<T> sizes;
      Accumulator<T> centred;
      Accumulator<T> sum;
      for (Index k = 0; k < lane.length; ++k) {
        const T gk = beside(g, k);
        products.add(abs(gk * lane[k]));
        sizes.add(abs(gk));
        centred.add(gk * beside(y, k));
        sum.add(gk);
      }
      const T slope = r * r / n;
      const T b = abs(centred.result()) * slope;
      const T moved = (n + 2) * (products.result() + m * sizes.result()) * slope;
      const T constant = abs(sum.result()) * r / n;
      for (Index k = 0; k < lane.length; ++k) {
        const T parts = b * (abs(lane[k]) + m) + constant + abs(r * beside(g, k));
        by.real()[&lane[k] - x.real()] = u * (moved * abs(beside(y, k)) + 5 * parts);
      }
    });
    return by;
  }

  // Engines sum t (x - m) in dr, which is the same but for roundings: by (n + 2) u r³ Σ|t (x - m)|/n.
  template <class T>
  static Tensor<T> off_by_raw_tangents(Tape<T>& tape, const Node<T>& node, const Tensor<T>& tangent) {
    const Tensor<T> y = tape.contiguous(node.out(0));
    const Tensor<T> t = tape.contiguous(tangent);
    const Tensor<T> by = tape.allocate(Kind::real, node.out(2).sizes());
    for_each_lane(tape.arena(), y, dims(node), [&](Index o, const Lane<T>& lane) {
      const T n = count_as_number<T>(lane.length);
      const T r = node.out(2).real()[o];
      Accumulator<T> sizes;
      for (Index k = 0; k < lane.length; ++k) sizes.add(abs(t.real()[&lane[k] - y.real()] * lane[k]));
      by.real()[o] = (n + 2) * unit_roundoff<T>() * (r * r * (sizes.result() / n));
    });
    return by;
  }
  // dm = Σt/n, dr = -r³ Σ(x - m)(t - dm)/n, dx̂ = (t - dm) r + (x - m) dr
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const DimSet over = dims(node);
    const Var<T> n = tape.number(count_as_number<T>(count_reduced(node.in(0).sizes(), over)));
    const Var<T> r = output(tape, node, 2);
    const Var<T> centred = input(tape, node, 0) - output(tape, node, 1);
    const Var<T> t = tangents[0];
    into[1] = sum_over(t, over, true) / n;
    const Var<T> off = t - into[1];
    into[2] = -(r * r * r * (sum_over(off * centred, over, true) / n));
    if (tape.admitted && HasHull<T>) into[2] = into[2] + noise(tape, off_by_raw_tangents(tape, node, t.value()));
    into[0] = off * r + centred * into[2];
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saved_input(0) | saved_output(1) | saved_output(2);
  }
};

// x, which counts as made of the other inputs as well, without a slope along them: the results of one operator need a
// gradient together.
struct Beside : CopyRules {
  static constexpr const char* schema = "_beside(Tensor self, Tensor? a, Tensor? b) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    set_outputs(tape, node, {copied(tape, node.in(0))});
  }
};

// --- the steps of all ---

template <class T>
struct Normalized {
  Var<T> value;
  Var<T> mean;
  Var<T> inverse_deviation;
};
template <class T>
Normalized<T> normalized(const Var<T>& x, DimSet over, const Arg<T>& eps, bool folds) {
  Tape<T>& tape = x.tape();
  const Shape dims = dims_of(over, x.ndim());
  const std::array<VarImpl<T>*, 1> inputs{x.impl()};
  const Node<T>& node =
      tape.run(rule_operator<T, Normalize>(), inputs, kept_args(tape, {list_arg(tape, dims), eps, flag_arg<T>(folds)}));
  return {output(tape, node, 0), output(tape, node, 1), output(tape, node, 2)};
}

// y w + b, of which either may be left out. An engine that folds adds x (r w) + (b - m (r w)): b rounds once more.
template <class T>
Var<T> affine(Var<T> y, const Var<T>& weight, const Var<T>& bias, Sizes sizes, bool folds) {
  if (weight) y = y * reshape_to(weight, sizes);
  if (!bias) return y;
  Tape<T>& tape = y.tape();
  if (!folds || !tape.admitted || !HasHull<T>) return y + reshape_to(bias, sizes);
  return y + reshape_to(bias, sizes) * tape.number(widened(Scalar<T>::leaf(1), unit_roundoff<T>()));
}

// A tensor without what it was made by.
template <class T>
Var<T> detached(const Var<T>& x) {
  return x.tape().constant(x.value());
}
template <class T>
Var<T> optional(const CompositeCall<T>& call, std::size_t tensor) {
  return call.has(tensor) ? call[tensor] : Var<T>{};
}
template <class T>
void need_sizes(const Var<T>& x, Sizes sizes, const char* what) {
  if (x && !same_sizes(x.sizes(), sizes)) {
    throw EngineError(GP_SHAPE, std::string(what) + " of shape " + to_text(x.sizes()) + ", not " + to_text(sizes));
  }
}
// [1, c, 1, …] for the channels of x
inline Shape channels_of(Sizes x) {
  Shape sizes = filled_shape(x.size(), 1);
  sizes[1] = x[1];
  return sizes;
}

}  // namespace gradproof
