// sum and mean, which the rules of other reductions use too.
#pragma once

#include "engine/operators/rules.h"

namespace gradproof {

// Where a reduction's arguments stand among those that are not tensors; -1: it has none such.
template <int Dims, int Keepdim, int Dtype>
struct ReductionArgs {
  // No list, and an empty one, mean all dims.
  template <class T>
  static DimSet dims(const Node<T>& node) {
    if constexpr (Dims >= 0) {
      const DimSet set = dim_set(list(node.args[Dims]), node.in(0).ndim);
      if (set != 0) return set;
    }
    return all_dims(node.in(0).ndim);
  }
  template <class T>
  static bool keepdim(const Node<T>& node) {
    if constexpr (Keepdim >= 0) return flag(node, Keepdim);
    return false;
  }
  template <class T>
  static void check(const Node<T>& node) {
    if constexpr (Dtype >= 0) need_no_dtype(node, Dtype);
  }
};
using WholeTensor = ReductionArgs<-1, -1, 0>;
using AlongDims = ReductionArgs<0, 1, 2>;

// The result's elements by f(lane).
template <class Args, class T, class F>
void reduce(Tape<T>& tape, Node<T>& node, F&& f) {
  Args::check(node);
  const Tensor<T>& x = real_input(node, 0);
  const DimSet dims = Args::dims(node);
  const Tensor<T> out = tape.allocate(Kind::real, reduced_sizes(x.sizes(), dims, Args::keepdim(node)));
  T* to = out.real();
  for_each_lane(tape.arena(), x, dims, [&](Index o, const Lane<T>& lane) { to[o] = Scalar<T>::materialize(f(lane)); });
  set_outputs(tape, node, {out});
}

template <class T>
T sum_of(const Lane<T>& lane) {
  Accumulator<T> sum;
  for (Index k = 0; k < lane.length; ++k) sum.add(lane[k]);
  return sum.result();
}

template <class Args>
struct Sum {
  static constexpr const char* schema = "_sum(Tensor self, int[]? dim, bool keepdim, ScalarType? dtype) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    reduce<Args>(tape, node, [](const Lane<T>& lane) { return sum_of(lane); });
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = spread(grads[0], node.in(0).sizes(), Args::dims(node));
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = again(tape, node, {tangents[0]});
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

// sum(x)/n, or sum(x) · (1/n)
template <class Args>
struct Mean {
  static constexpr const char* schema = "_mean(Tensor self, int[]? dim, bool keepdim, ScalarType? dtype) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    reduce<Args>(tape, node, [&](const Lane<T>& lane) {
      const T n = count_as_number<T>(lane.length);
      const T sum = sum_of(lane);
      T mean = sum / n;
      if constexpr (HasHull<T>) {
        if (tape.admitted && lane.length > 0) return hull(mean, sum * (1 / n));
      }
      return mean;
    });
  }
  template <class T>
  static void vjp(Tape<T>& tape, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    const DimSet dims = Args::dims(node);
    const Index n = count_reduced(node.in(0).sizes(), dims);
    into[0] = spread(grads[0] / tape.number(count_as_number<T>(n)), node.in(0).sizes(), dims);
  }
  template <class T>
  static void jvp(Tape<T>& tape, const Node<T>& node, const Var<T>* tangents, Var<T>* into) {
    into[0] = again(tape, node, {tangents[0]});
  }
  template <class T>
  static std::uint64_t saves(const Node<T>&, const bool*) {
    return saves_nothing;
  }
};

// A reduction Op<AlongDims> of x over `dims`.
template <template <class> class Op, class T>
Var<T> reduced_by(const Var<T>& x, DimSet dims, bool keepdim) {
  Tape<T>& tape = x.tape();
  Shape list;
  for (std::size_t d = 0; d < x.sizes().size(); ++d) {
    if (has(dims, d)) list.push(static_cast<Index>(d));
  }
  return call_rule<Op<AlongDims>>(tape, {x}, {list_arg(tape, list), flag_arg<T>(keepdim), Arg<T>{}});
}
template <class T>
Var<T> sum_over(const Var<T>& x, DimSet dims, bool keepdim) {
  return reduced_by<Sum>(x, dims, keepdim);
}
template <class T>
Var<T> mean_over(const Var<T>& x, DimSet dims, bool keepdim) {
  return reduced_by<Mean>(x, dims, keepdim);
}

// --- drawing a reduction's call ---

inline void draw_dims(Draw& draw, Index ndim) {
  if (draw.one_in(6)) return draw.set_none("dim");
  draw.set_ints("dim", draw.dims(ndim, draw.one_in(6) ? 0 : 1));
}
inline void draw_keepdim(Draw& draw) {
  if (!draw.one_in(3)) draw.set_bool("keepdim", draw.coin());
}

}  // namespace gradproof
