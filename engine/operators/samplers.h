// Calls that many operators draw: one tensor, a pair that broadcasts, a tensor and a number.
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

}  // namespace gradproof
