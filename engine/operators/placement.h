// Tensors whose elements are another's, by a table of positions; and the transpose, which adds.
//
// A position is an element's number in row-major order; none is -1, and stands for a zero.
#pragma once

#include <vector>

#include "engine/operators/rules.h"

namespace gradproof {

using Table = std::vector<Index>;

constexpr Index nowhere = -1;

// Each element of `out` is the sum of the x[k] whose to[k] it is.
template <class T>
void add_into(const T* x, Sizes to, const Tensor<T>& out) {
  std::vector<Accumulator<T>> sums(static_cast<std::size_t>(out.numel), sum_of_stored_steps<T>());
  for (const Index at : to) {
    if (at != nowhere) sums[static_cast<std::size_t>(at)].add(*x);
    ++x;
  }
  T* element = out.real();
  for (const Accumulator<T>& sum : sums) *element++ = Scalar<T>::materialize(sum.result());
}

struct Place;

// y[k] = x[from[k]]. Arguments: from, size of y.
struct Pick : LinearRules {
  static constexpr const char* schema = "_pick(Tensor self, int[] from, int[] size) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> out = tape.allocate(Kind::real, node.args[1].integers);
    T* to = out.real();
    for (const Index from : node.args[0].integers) *to++ = from == nowhere ? Scalar<T>::leaf(0) : x.real()[from];
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = call_rule<Place>(tape, {grads[0]}, {node.args[0], list_arg(tape, node.in(0).sizes())});
  }
};

// Zeros, plus x[k] at each to[k]. Arguments: to, size of y.
struct Place : LinearRules {
  static constexpr const char* schema = "_place(Tensor self, int[] to, int[] size) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T> x = tape.contiguous(real_input(node, 0));
    const Tensor<T> out = tape.allocate(Kind::real, node.args[1].integers);
    add_into(x.real(), node.args[0].integers, out);
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = call_rule<Pick>(tape, {grads[0]}, {node.args[0], list_arg(tape, node.in(0).sizes())});
  }
};

template <class T>
Var<T> picked(const Var<T>& x, const Table& from, Sizes sizes) {
  Tape<T>& tape = x.tape();
  return call_rule<Pick>(tape, {x}, {list_arg(tape, from), list_arg(tape, sizes)});
}
template <class T>
Var<T> placed(const Var<T>& x, const Table& to, Sizes sizes) {
  Tape<T>& tape = x.tape();
  return call_rule<Place>(tape, {x}, {list_arg(tape, to), list_arg(tape, sizes)});
}

// What a tensor of shape `sizes` is made of.
struct Rearrangement {
  Shape sizes;
  Table from;
};

// A tensor whose table of positions would not fit is refused before it is made.
inline Index plannable(Sizes sizes) {
  const Index count = count_elements(sizes);
  if (count > Index{1} << 28U) throw EngineError(GP_OUT_OF_MEMORY, "a result of shape " + to_text(sizes));
  return count;
}

// The elements at offset + Σ steps_d i_d, for i through `sizes`.
inline Rearrangement strided(const Shape& sizes, const Shape& steps, Index offset) {
  Rearrangement result{sizes, {}};
  result.from.reserve(static_cast<std::size_t>(plannable(sizes)));
  for_each_offset<1>(sizes, {steps.at.data()}, [&](const auto& at) { result.from.push_back(offset + at[0]); });
  return result;
}

inline Shape row_major(Sizes sizes) {
  Shape strides = filled_shape(sizes.size(), 1);
  contiguous_strides(sizes, strides.at.data());
  return strides;
}

// Each element from source(its index): a position, or nowhere.
template <class F>
Rearrangement by_index(const Shape& sizes, F&& source) {
  Rearrangement result{sizes, {}};
  result.from.reserve(static_cast<std::size_t>(plannable(sizes)));
  for_each_place(sizes, [&](const Shape& at) { result.from.push_back(source(at)); });
  return result;
}

inline Index position_of(const Shape& at, Sizes sizes) {
  Index position = 0;
  for (std::size_t d = 0; d < sizes.size(); ++d) position = position * sizes[d] + at[d];
  return position;
}

// A call's arguments but for the numbers, so that plans are made once and not for each scalar.
using PlainArgs = const Arg<double>*;

template <class T>
PlainArgs plain_args(Tape<T>& tape, const Node<T>& node) {
  auto* plain = tape.arena().template array<Arg<double>>(node.arg_count);
  for (std::size_t i = 0; i < node.arg_count; ++i) {
    const Arg<T>& arg = node.args[i];
    plain[i] = {
        static_cast<Arg<double>::Kind>(arg.kind), arg.integer, arg.number, 0, arg.integers, arg.reals, arg.text};
  }
  return plain;
}

template <class T>
void rearrange(Tape<T>& tape, Node<T>& node, const Rearrangement& plan, const T& fill) {
  const Tensor<T> x = tape.contiguous(real_input(node, 0));
  const Tensor<T> out = tape.allocate(Kind::real, plan.sizes);
  T* to = out.real();
  for (const Index from : plan.from) *to++ = from == nowhere ? fill : x.real()[from];
  set_outputs(tape, node, {out});
}

// A copy of some elements. Plan has plan(sizes, args) -> Rearrangement, and may have `fill`, the number of the
// argument that stands where an element is from nowhere; a zero otherwise.
template <class Plan>
struct Rearranged {
  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    T fill = Scalar<T>::leaf(0);
    if constexpr (requires { Plan::fill; }) fill = node.args[Plan::fill].real;
    rearrange(tape, node, Plan::plan(node.in(0).sizes(), plain_args(tape, node)), fill);
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Sizes sizes = node.in(0).sizes();
    into[0] = placed(grads[0], Plan::plan(sizes, plain_args(tape, node)).from, sizes);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    const Rearrangement plan = Plan::plan(node.in(0).sizes(), plain_args(tape, node));
    into[0] = picked(tangents[0], plan.from, plan.sizes);
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

// Where a view's elements lie in its tensor's memory.
struct ViewLayout {
  Shape sizes{};
  Shape strides{};
  Index offset = 0;
};

// y[.., k] = x[.., k + max(-offset, 0), .., k + max(offset, 0), ..]: the diagonal of the matrices in two dims.
inline ViewLayout diagonal_layout(Sizes sizes, Sizes strides, Index offset, Index dim1, Index dim2) {
  const int ndim = static_cast<int>(sizes.size());
  const auto row = static_cast<std::size_t>(wrap_dim(dim1, ndim));
  const auto col = static_cast<std::size_t>(wrap_dim(dim2, ndim));
  if (row == col) throw EngineError(GP_SHAPE, "the two dimensions of a diagonal are the same");
  ViewLayout layout;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (d == row || d == col) continue;
    layout.sizes.push(sizes[d]);
    layout.strides.push(strides[d]);
  }
  // Beyond the matrix on either side there is nothing; bounded first, so that no difference overflows.
  const Index below = offset < 0 ? std::min(sizes[row], offset < -sizes[row] ? sizes[row] : -offset) : 0;
  const Index right = offset > 0 ? std::min(sizes[col], offset) : 0;
  layout.sizes.push(std::max<Index>(std::min(sizes[row] - below, sizes[col] - right), 0));
  layout.strides.push(strides[row] + strides[col]);
  layout.offset = below * strides[row] + right * strides[col];
  return layout;
}

// A view of any layout. Plan has layout(sizes, strides, args) -> ViewLayout.
template <class Plan>
struct StridedView : LinearRules {
  static constexpr bool is_view = true;

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = node.in(0);
    const ViewLayout layout = Plan::layout(x.sizes(), x.strides(), plain_args(tape, node));
    const bool empty = count_elements(layout.sizes) == 0;
    set_outputs(tape, node, {tape.view(x, layout.sizes, layout.strides, empty ? 0 : layout.offset)});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const Sizes sizes = node.in(0).sizes();
    const ViewLayout layout = Plan::layout(sizes, row_major(sizes).sizes(), plain_args(tape, node));
    into[0] = placed(grads[0], strided(layout.sizes, layout.strides, layout.offset).from, sizes);
  }
};

}  // namespace gradproof
