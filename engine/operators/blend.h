// Weighted sums over tables: averages of windows, interpolation. Two bilinear operators closed under differentiation.
//
//   y[b, c, row(e)] += w[b, e] x[b, c, col(e)] for every entry e with a place on both sides
#pragma once

#include <vector>

#include "engine/operators/spans.h"
#include "engine/operators/sums.h"
#include "engine/operators/taps.h"

namespace gradproof {

// One row of entries for each b, or the same for all.
struct Entries {
  Index batch = 1;
  Index channels = 1;
  Index in = 1;
  Index out = 1;
  Table rows{};
  Table cols{};
  Index factors = 1;  // of each weight, in whatever order an engine multiplies them and x

  std::size_t count() const { return rows.size() / static_cast<std::size_t>(batch == 0 ? 1 : batch); }
  Entries transposed() const { return {batch, channels, out, in, cols, rows, factors}; }

  // The entries of b that have both places, grouped by their row.
  struct Row {
    Index row;
    std::size_t first;
    std::size_t count;
  };
  struct Order {
    std::vector<std::size_t> entries{};
    std::vector<Row> rows{};
  };
  Order ordered(Index b) const;
};

// Entries of one table of taps, for every plane alike.
Entries entries_of(const Taps& taps, Index planes);

struct BlendWeights;

// Inputs x [b, c, in] and w [b, e], of any shape of as many elements. Arguments: rows, cols, [b, c, in, out], size of
// y.
struct Blend : BilinearRules {
  static constexpr const char* schema =
      "_blend(Tensor self, Tensor weights, int[] rows, int[] cols, int[] numbers, int[] size) -> Tensor";

  template <class T>
  static Entries entries(const Node<T>& node) {
    const Sizes n = node.args[2].integers;
    const auto table = [](Sizes values) { return Table(values.begin(), values.end()); };
    return {n[0], n[1], n[2], n[3], table(node.args[0].integers), table(node.args[1].integers), n[4]};
  }
  template <class Op, class T>
  static Var<T> call_as(const Var<T>& a, const Var<T>& b, const Entries& entries, Sizes sizes) {
    Tape<T>& tape = a.tape();
    const std::array<Index, 5> numbers{entries.batch, entries.channels, entries.in, entries.out, entries.factors};
    return call_rule<Op>(
        tape, {a, b},
        {list_arg(tape, entries.rows), list_arg(tape, entries.cols), list_arg(tape, numbers), list_arg(tape, sizes)});
  }
  template <class T>
  static Var<T> call(const Var<T>& x, const Var<T>& w, const Entries& entries, Sizes sizes) {
    return call_as<Blend>(x, w, entries, sizes);
  }

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> w = tape.contiguous(real_input(node, 1));
    const Entries by = entries(node);
    const Tensor<T> out = tape.allocate(Kind::real, node.args[3].integers);
    std::fill_n(out.real(), out.numel, Scalar<T>::leaf(0));
    std::vector<T> weights;
    std::vector<T> values;
    for (Index b = 0; b < by.batch; ++b) {
      const Entries::Order order = by.ordered(b);
      const std::size_t first_entry = static_cast<std::size_t>(b) * by.count();
      if constexpr (std::is_same_v<T, Defined>) {
        // A weight that rests on memory nobody wrote comes with places that do.
        const T* first = w.real() + first_entry;
        const bool written = std::all_of(first, first + by.count(), [](const T& weight) { return weight.written; });
        T* to = out.real() + b * by.channels * by.out;
        if (!written) std::fill_n(to, by.channels * by.out, Defined{0, false});
        if (!written) continue;
      }
      weights.clear();
      for (const std::size_t e : order.entries) weights.push_back(w.real()[first_entry + e]);
      values.resize(weights.size());
      for (Index c = 0; c < by.channels; ++c) {
        const T* from = x.real() + (b * by.channels + c) * by.in;
        T* to = out.real() + (b * by.channels + c) * by.out;
        for (std::size_t k = 0; k < values.size(); ++k) values[k] = from[by.cols[first_entry + order.entries[k]]];
        for (const Entries::Row& row : order.rows) {
          const T sum = dot_of_stored_steps(weights.data() + row.first, values.data() + row.first, row.count);
          to[row.row] =
              Scalar<T>::materialize(by.factors == 1 ? sum : associated(sum, weights, values, row, by.factors));
        }
      }
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into);
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool* wants) {
    // Weights that nothing flows into are nobody's to change.
    return wants[1] ? saved_input(0) | (wants[0] ? saved_input(1) : 0) : saves_nothing;
  }

 private:
  // Each further product rounds where its weight is not a power of two.
  template <class T>
  static T associated(const T& sum, const std::vector<T>& weights, const std::vector<T>& values,
                      const Entries::Row& row, Index factors) {
    if constexpr (HasHull<T>) {
      Accumulator<T> sizes;
      for (std::size_t k = row.first; k < row.first + row.count; ++k) {
        const Span span = span_of(weights[k]);
        int exponent = 0;
        const double significand = std::frexp(std::fabs(span.low), &exponent);
        const bool scales = span.low == span.high && (significand == 0.5 || significand == 0);
        if (!scales) sizes.add_product(abs(weights[k]), abs(values[k]));
      }
      return widened(sum, Scalar<T>::leaf(static_cast<double>(factors - 1)) * unit_roundoff<T>() * sizes.result());
    } else {
      return sum;
    }
  }
};

// w[b, e] = Σ_c y[b, c, row(e)] x[b, c, col(e)]. Inputs x and y; arguments as Blend's, the size is w's. An engine may
// go on in the same sum over as many entries as meet in a result; all of them round.
struct BlendWeights : BilinearRules {
  static constexpr const char* schema =
      "_blend_weights(Tensor self, Tensor other, int[] rows, int[] cols, int[] numbers, int[] size) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> y = tape.contiguous(real_input(node, 1));
    const Entries by = Blend::entries(node);
    const Tensor<T> out = tape.allocate(Kind::real, node.args[3].integers);
    const std::size_t count = by.count();
    const Index beside = by.out == 0 ? 0 : static_cast<Index>(count) / by.out - 1;
    const T further = unit_roundoff<T>() * Scalar<T>::leaf(static_cast<double>(by.channels * beside));
    for (std::size_t at = 0; at < by.rows.size(); ++at) {
      const Index b = static_cast<Index>(at / std::max<std::size_t>(count, 1));
      T& to = out.real()[at];
      to = Scalar<T>::leaf(0);
      if (by.rows[at] == nowhere || by.cols[at] == nowhere) continue;
      Accumulator<T> sum = sum_of_stored_steps<T>();
      Accumulator<T> sizes;
      for (Index c = 0; c < by.channels; ++c) {
        const T& left = x.real()[(b * by.channels + c) * by.in + by.cols[at]];
        const T& right = y.real()[(b * by.channels + c) * by.out + by.rows[at]];
        sum.add_product(left, right);
        if constexpr (HasHull<T>) sizes.add_product(abs(left), abs(right));
      }
      to = Scalar<T>::materialize(widened(sum.result(), further * sizes.result()));
    }
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
    const Entries by = Blend::entries(node);
    const Var<T> x = input(tape, node, 0);
    const Var<T> y = input(tape, node, 1);
    if (wants[0]) into[0] = Blend::call(y, grads[0], by.transposed(), x.sizes());
    if (wants[1]) into[1] = Blend::call(x, grads[0], by, y.sizes());
  }
};

template <class T>
void Blend::vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool* wants, Var<T>* into) {
  const Entries by = entries(node);
  const Var<T> x = input(tape, node, 0);
  const Var<T> w = input(tape, node, 1);
  if (wants[0]) into[0] = call(grads[0], w, by.transposed(), x.sizes());
  if (wants[1]) into[1] = call_as<BlendWeights>(x, grads[0], by, w.sizes());
}

// Weights along each dim, multiplied together as `crossed` crosses the taps.
template <class T>
struct WeighedTaps {
  Taps taps{};
  std::vector<T> weights{};  // as taps.at
};
template <class T>
WeighedTaps<T> crossed(const std::vector<WeighedTaps<T>>& dims) {
  WeighedTaps<T> all = dims.front();
  for (std::size_t d = 1; d < dims.size(); ++d) {
    const WeighedTaps<T>& inner = dims[d];
    std::vector<T> weights;
    const auto outer_count = static_cast<std::size_t>(all.taps.count);
    const auto inner_count = static_cast<std::size_t>(inner.taps.count);
    Taps taps = crossed(all.taps, inner.taps);
    weights.reserve(taps.at.size());
    for (std::size_t o = 0; o < static_cast<std::size_t>(all.taps.out); ++o) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(inner.taps.out); ++i) {
        for (std::size_t s = 0; s < outer_count; ++s) {
          for (std::size_t t = 0; t < inner_count; ++t) {
            weights.push_back(all.weights[o * outer_count + s] * inner.weights[i * inner_count + t]);
          }
        }
      }
    }
    all = {std::move(taps), std::move(weights)};
  }
  return all;
}

// x, a tensor of `planes` planes, through weights that nothing flows into.
template <class T>
Var<T> blended(const Var<T>& x, const WeighedTaps<T>& by, Index planes, Sizes sizes, Index factors = 1) {
  Tape<T>& tape = x.tape();
  const Tensor<T> weights = tape.allocate(Kind::real, std::array<Index, 1>{static_cast<Index>(by.weights.size())});
  std::copy(by.weights.begin(), by.weights.end(), weights.real());
  Entries entries = entries_of(by.taps, planes);
  entries.factors = factors;
  return Blend::call(x, tape.constant(weights), entries, sizes);
}

}  // namespace gradproof
