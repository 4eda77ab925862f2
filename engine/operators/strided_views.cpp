// Views through other strides: diagonal, unfold, movedim, mT, squeeze of several dims.
#include "engine/operators/families.h"
#include "engine/operators/placement.h"
#include "engine/operators/samplers.h"
#include "engine/operators/sources.h"

namespace gradproof {

namespace {

// --- diagonal: y[.., k] = x[.., k + max(-offset, 0), .., k + max(offset, 0), ..] ---

struct Diagonal {
  static ViewLayout layout(Sizes sizes, Sizes strides, PlainArgs args) {
    return diagonal_layout(sizes, strides, args[0].integer, args[1].integer, args[2].integer);
  }
};

// --- unfold: y[.., k, .., j] = x[.., k·step + j, ..] ---

struct Unfold {
  static ViewLayout layout(Sizes sizes, Sizes strides, PlainArgs args) {
    return windows(sizes, strides, args[0].integer, args[1].integer, args[2].integer);
  }
  static ViewLayout windows(Sizes sizes, Sizes strides, Index dimension, Index size, Index step) {
    const auto dim = static_cast<std::size_t>(wrap_dim(dimension, static_cast<int>(sizes.size())));
    const Index most = sizes.empty() ? 1 : sizes[dim];
    if (size < 0 || size > most) {
      throw EngineError(GP_SHAPE,
                        "unfold takes windows of size 0 to " + std::to_string(most) + ", not " + std::to_string(size));
    }
    if (step <= 0) throw EngineError(GP_ARGUMENT, "unfold's step must be positive, not " + std::to_string(step));
    ViewLayout layout{Shape(sizes), Shape(strides), 0};
    if (!sizes.empty()) {
      layout.sizes[dim] = (most - size) / step + 1;
      // Of a single window the step is never taken, and may be too large to be.
      if (layout.sizes[dim] > 1) layout.strides[dim] *= step;
    }
    layout.sizes.push(size);
    layout.strides.push(sizes.empty() ? 1 : strides[dim]);
    return layout;
  }
};

// --- permutations ---

ViewLayout permuted_layout(Sizes sizes, Sizes strides, const Shape& order) {
  ViewLayout layout;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    layout.sizes.push(sizes[static_cast<std::size_t>(order[d])]);
    layout.strides.push(strides[static_cast<std::size_t>(order[d])]);
  }
  return layout;
}

// One dim to another place; the others keep their order.
struct Moved {
  static ViewLayout layout(Sizes sizes, Sizes strides, PlainArgs args) {
    const int ndim = static_cast<int>(sizes.size());
    const int from = wrap_dim(args[0].integer, ndim);
    const int to = wrap_dim(args[1].integer, ndim);
    Shape order = in_order(sizes.size());
    Index* dims = order.at.data();
    if (from < to) std::rotate(dims + from, dims + from + 1, dims + to + 1);
    if (from > to) std::rotate(dims + to, dims + from, dims + from + 1);
    return permuted_layout(sizes, strides, order);
  }
};

// Several dims to other places; the others fill what is left, in their order.
struct MovedDims {
  static ViewLayout layout(Sizes sizes, Sizes strides, PlainArgs args) {
    const Sizes from = list(args[0]);
    const Sizes to = list(args[1]);
    if (from.size() != to.size()) {
      throw EngineError(GP_ARGUMENT,
                        "movedim takes as many sources as destinations, not " + to_text(from) + " and " + to_text(to));
    }
    const int ndim = static_cast<int>(sizes.size());
    const DimSet moved = dim_set(from, ndim);
    const DimSet taken = dim_set(to, ndim);
    Shape order = in_order(sizes.size());
    for (std::size_t i = 0; i < from.size() && ndim > 0; ++i) {
      order[static_cast<std::size_t>(wrap_dim(to[i], ndim))] = wrap_dim(from[i], ndim);
    }
    for (std::size_t d = 0, next = 0; d < sizes.size(); ++d) {
      if (has(taken, d)) continue;
      while (has(moved, next)) ++next;
      order[d] = static_cast<Index>(next++);
    }
    return permuted_layout(sizes, strides, order);
  }
};

struct Reversed {
  static ViewLayout layout(Sizes sizes, Sizes strides, PlainArgs) {
    Shape order = in_order(sizes.size());
    std::reverse(order.at.begin(), order.at.begin() + static_cast<std::ptrdiff_t>(order.ndim));
    return permuted_layout(sizes, strides, order);
  }
};

struct MatrixSwapped {
  static ViewLayout layout(Sizes sizes, Sizes strides, PlainArgs) {
    if (sizes.size() < 2) throw EngineError(GP_SHAPE, "mT takes matrices, not shape " + to_text(sizes));
    Shape order = in_order(sizes.size());
    std::swap(order[order.ndim - 1], order[order.ndim - 2]);
    return permuted_layout(sizes, strides, order);
  }
};

// --- squeeze ---

struct SqueezedDims {
  static ViewLayout layout(Sizes sizes, Sizes strides, PlainArgs args) {
    const DimSet dims = dim_set(list(args[0]), static_cast<int>(sizes.size()));
    ViewLayout layout;
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      if (has(dims, d) && sizes[d] == 1) continue;
      layout.sizes.push(sizes[d]);
      layout.strides.push(strides[d]);
    }
    return layout;
  }
};

// --- drawing ---

void sample_diagonal(Draw& draw) {
  const std::vector<Index> shape = draw.shape(2, 4);
  draw.tensor("self", shape);
  if (draw.coin()) draw.set_int("offset", draw.integer(-4, 4));
  if (!draw.one_in(3)) draw_matrix_dims(draw, std::ssize(shape));
}

void sample_unfold(Draw& draw) {
  const std::vector<Index> shape = draw.nonempty_shape(1, 3);
  draw.tensor("self", shape);
  const Index dim = draw.integer(0, std::ssize(shape) - 1);
  draw.set_int("dimension", draw.maybe_negative(dim, std::ssize(shape)));
  draw.set_int("size", draw.integer(1, shape[static_cast<std::size_t>(dim)]));
  draw.set_int("step", draw.integer(1, 3));
}

void sample_move(Draw& draw) {
  const std::vector<Index> shape = draw.shape(1, 4);
  draw.tensor("self", shape);
  draw.set_int("source", draw.dim(std::ssize(shape)));
  draw.set_int("destination", draw.dim(std::ssize(shape)));
}

void sample_squeeze_dims(Draw& draw) {
  std::vector<Index> shape = draw.shape(1, 4);
  for (Index& size : shape) size = draw.coin() ? 1 : size;
  draw.tensor("self", shape);
  draw.set_ints("dim", draw.dims(std::ssize(shape), 1));
}

}  // namespace

void add_strided_views(Registry& registry) {
  const auto add = [&]<class Plan>(Plan, std::string_view schema, void (*sample)(Draw&), std::string_view note = {}) {
    registry.structural<StridedView<Plan>>(
        {.schema = schema, .source = sources::copies, .note = note, .sample = sample});
  };
  add(Diagonal{}, "diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)", sample_diagonal);
  add(Unfold{}, "unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)", sample_unfold);
  add(Moved{}, "movedim.int(Tensor(a) self, int source, int destination) -> Tensor(a)", sample_move);
  add(MovedDims{}, "movedim.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)", sample_move_dims);
  add(MatrixSwapped{}, "mT(Tensor(a) self) -> Tensor(a)", sample_matrices);
  add(Reversed{}, "numpy_T(Tensor(a) self) -> Tensor(a)", sample_matrix);
  add(SqueezedDims{}, "squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)", sample_squeeze_dims,
      "LibTorch 1.13 has squeeze of one dim alone");
}

}  // namespace gradproof
