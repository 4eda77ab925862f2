// A regular part of a tensor, and its transpose: a tensor put back into zeros. Made for rules.
#pragma once

#include "engine/operators/rules.h"

namespace gradproof {

struct Embed;

// x[start : start + step · size : step] along each dim. Arguments: starts, sizes, steps.
struct Window : LinearRules {
  static constexpr const char* schema = "_window(Tensor(a) self, int[] start, int[] size, int[] step) -> Tensor(a)";
  static constexpr bool is_view = true;

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = node.in(0);
    Shape strides;
    Index offset = 0;
    for (std::size_t d = 0; d < x.ndim; ++d) {
      offset += node.args[0].integers[d] * x.strides_begin[d];
      strides.push(node.args[2].integers[d] * x.strides_begin[d]);
    }
    set_outputs(tape, node, {tape.view(x, node.args[1].integers, strides, x.numel == 0 ? 0 : offset)});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = call_rule<Embed>(tape, {grads[0]}, {node.args[0], list_arg(tape, node.in(0).sizes()), node.args[2]});
  }
};

// Zeros of a size, with x in a window of them. Arguments: starts, sizes of the whole, steps.
struct Embed : LinearRules {
  static constexpr const char* schema = "_embed(Tensor self, int[] start, int[] size, int[] step) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    const Tensor<T>& x = real_input(node, 0);
    const Tensor<T> out = tape.allocate(Kind::real, node.args[1].integers);
    std::fill_n(out.real(), out.numel, Scalar<T>::leaf(0));
    Shape strides;
    Index offset = 0;
    for (std::size_t d = 0; d < x.ndim; ++d) {
      offset += node.args[0].integers[d] * out.strides_begin[d];
      strides.push(node.args[2].integers[d] * out.strides_begin[d]);
    }
    for_each_offset<2>(x.sizes(), {x.strides_begin, strides.at.data()},
                       [&](const auto& at) { out.real()[offset + at[1]] = x.real()[at[0]]; });
    set_outputs(tape, node, {out});
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = call_rule<Window>(tape, {grads[0]}, {node.args[0], list_arg(tape, node.in(0).sizes()), node.args[2]});
  }
};

// Along one dim, the others whole.
template <class T>
Var<T> window_of(const Var<T>& x, std::size_t dim, Index start, Index size, Index step = 1) {
  Tape<T>& tape = x.tape();
  Shape starts = filled_shape(x.sizes().size(), 0);
  Shape sizes(x.sizes());
  Shape steps = filled_shape(x.sizes().size(), 1);
  starts[dim] = start;
  sizes[dim] = size;
  steps[dim] = step;
  return call_rule<Window>(tape, {x}, {list_arg(tape, starts), list_arg(tape, sizes), list_arg(tape, steps)});
}
template <class T>
Var<T> embedded(const Var<T>& x, Sizes whole, std::size_t dim, Index start, Index step = 1) {
  Tape<T>& tape = x.tape();
  Shape starts = filled_shape(whole.size(), 0);
  Shape steps = filled_shape(whole.size(), 1);
  starts[dim] = start;
  steps[dim] = step;
  return call_rule<Embed>(tape, {x}, {list_arg(tape, starts), list_arg(tape, whole), list_arg(tape, steps)});
}

}  // namespace gradproof
