// Calls that several families draw.
#pragma once

#include <array>
#include <vector>

#include "engine/sampling.h"

namespace gradproof {

// A shape that broadcasts to `shape`: some dims are 1 or, in front, missing.
inline std::vector<Index> narrower(Draw& draw, std::vector<Index> shape) {
  for (Index& size : shape) size = draw.one_in(3) ? 1 : size;
  shape.erase(shape.begin(), shape.begin() + draw.integer(0, std::ssize(shape)));
  return shape;
}

inline void sample_one(Draw& draw) { draw.tensor("self", draw.shape(0, 4)); }

// Of the two one has the whole shape.
inline void sample_pair(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  const Index which = draw.integer(0, 3);
  draw.tensor("self", which == 0 ? narrower(draw, shape) : shape);
  draw.tensor("other", which == 1 ? narrower(draw, shape) : shape);
}

inline void sample_with_number(Draw& draw) {
  constexpr std::array numbers{1.0, -0.5, 2.0, 0.1, 3.0};
  draw.tensor("self", draw.shape(0, 4));
  draw.set_real("other", draw.pick(numbers));
}

inline void sample_along_dim(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  draw.set_int("dim", draw.dim(std::ssize(shape)));
}

inline void sample_matrix(Draw& draw) { draw.tensor("self", draw.shape(2, 2)); }
inline void sample_matrices(Draw& draw) { draw.tensor("self", draw.shape(2, 4)); }

inline void sample_move_dims(Draw& draw) {
  const std::vector<Index> shape = draw.shape(0, 4);
  draw.tensor("self", shape);
  const std::vector<Index> source = draw.dims(std::ssize(shape), 0);
  std::vector<Index> destination = draw.dims(std::ssize(shape), std::ssize(shape));
  destination.resize(source.size());
  draw.set_ints("source", source);
  draw.set_ints("destination", destination);
}

// Two different ones.
inline void draw_matrix_dims(Draw& draw, Index ndim) {
  const Index dim1 = draw.integer(0, ndim - 1);
  const Index dim2 = (dim1 + draw.integer(1, ndim - 1)) % ndim;
  draw.set_int("dim1", draw.maybe_negative(dim1, ndim));
  draw.set_int("dim2", draw.maybe_negative(dim2, ndim));
}

// Of β c + α a b.
inline void draw_factors(Draw& draw) {
  constexpr std::array<double, 5> factors{0, 2, -1, 0.5, 0.1};
  if (draw.coin()) draw.set_real("beta", draw.pick(factors));
  if (draw.coin()) draw.set_real("alpha", draw.pick(factors));
}

}  // namespace gradproof
