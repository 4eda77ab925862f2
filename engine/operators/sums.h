// sum and mean, which the rules of other reductions use too.
#pragma once

#include "engine/operators/rules.h"
#include "engine/operators/samplers.h"

namespace gradproof {

// Where a reduction's arguments stand among those that are not tensors; -1: it has none such.
template <int Dims, int Keepdim, int Dtype>
struct ReductionArgs {
  template <class T>
  static DimSet dims(const Node<T>& node) {
    if constexpr (Dims >= 0) return dims_or_all(node.args[Dims], node.in(0).ndim);
    return all_dims(node.in(0).ndim);
  }
  template <class T>
  static bool keepdim(const Node<T>& node) {
    if constexpr (Keepdim >= 0) return flag(node, Keepdim);
    return false;
  }
  template <class T>
  static void check(const Node<T>& node) {
    if constexpr (Dtype >= 0) need_no_dtype(node.args[Dtype]);
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
struct Sum : LinearRules {
  static constexpr const char* schema = "_sum(Tensor self, int[]? dim, bool keepdim, ScalarType? dtype) -> Tensor";

  template <class T>
  static void forward(Tape<T>& tape, Node<T>& node) {
    reduce<Args>(tape, node, [](const Lane<T>& lane) { return sum_of(lane); });
  }
  template <class T>
  static void vjp(Tape<T>&, const Node<T>& node, const Var<T>* grads, const bool*, Var<T>* into) {
    into[0] = spread(grads[0], node.in(0).sizes(), Args::dims(node));
  }
};

// sum(x)/n, or sum(x) · (1/n)
template <class Args>
struct Mean : LinearRules {
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
    // Spread first: where this is differentiated, engines divide each term before they sum.
    into[0] = spread(grads[0], node.in(0).sizes(), dims) / tape.number(count_as_number<T>(n));
  }
};

// A reduction Op<AlongDims> of x over `dims`.
template <template <class> class Op, class T>
Var<T> reduced_by(const Var<T>& x, DimSet dims, bool keepdim) {
  Tape<T>& tape = x.tape();
  return call_rule<Op<AlongDims>>(tape, {x}, {list_arg(tape, dims_of(dims, x.ndim())), flag_arg<T>(keepdim), Arg<T>{}});
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
inline void sample_over_dim(Draw& draw) {
  sample_along_dim(draw);
  draw_keepdim(draw);
}
inline void sample_over_dims(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw_dims(draw, std::ssize(shape));
  draw_keepdim(draw);
}
inline void sample_nonempty_over_dims(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 4);
  draw.tensor("self", shape);
  draw_dims(draw, std::ssize(shape));
  draw_keepdim(draw);
}
inline void sample_logsumexp(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(0, 4);
  draw.tensor("self", shape);
  draw.set_ints("dim", draw.dims(std::ssize(shape), 1));
  draw_keepdim(draw);
}

// --- drawing a variance's ---

// At least two elements in what the reduction takes together, so that n - 1 > 0.
inline std::vector<Index> shape_with_a_long_dim(Draw& draw, std::size_t& dim) {
  std::vector<Index> shape = draw.nonempty_shape(1, 4);
  dim = static_cast<std::size_t>(draw.integer(0, std::ssize(shape) - 1));
  shape[dim] = draw.integer(2, 4);
  draw.tensor("self", shape);
  return shape;
}
inline void sample_unbiased(Draw& draw) {
  std::size_t dim = 0;
  shape_with_a_long_dim(draw, dim);
  if (draw.coin()) draw.set_bool("unbiased", draw.coin());
}
inline void draw_correction(Draw& draw) {
  if (draw.one_in(4)) {
    draw.set_none("correction");
  } else {
    draw.set_int("correction", draw.integer(0, 1));
  }
}

}  // namespace gradproof
