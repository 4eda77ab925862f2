// Calls of special functions.
#pragma once

#include <array>

#include "engine/sampling.h"

namespace gradproof {

inline void draw_anything(Draw& draw) { draw.tensor("self", draw.shape(0, 3)); }
inline void draw_within_one(Draw& draw) { draw.tensor("self", draw.shape(0, 3), open(-1, 1)); }
inline void draw_order_and_number(Draw& draw) {
  draw.set_int("n", draw.integer(0, 4));
  draw_anything(draw);
}

// Shapes that broadcast: alike, one of a single element, or one without its first dim.
inline std::array<std::vector<Index>, 2> draw_two_shapes(Draw& draw) {
  std::array<std::vector<Index>, 2> shapes;
  shapes.fill(draw.shape(0, 3));
  std::vector<Index>& one = shapes[static_cast<std::size_t>(draw.integer(0, 1))];
  if (!one.empty() && draw.coin()) draw.coin() ? void(one.erase(one.begin())) : one.assign(one.size(), 1);
  return shapes;
}
// Without a derivative with respect to the parameter.
inline void draw_incomplete(Draw& draw) {
  const auto shapes = draw_two_shapes(draw);
  draw.constant("self", shapes[0], open(0, infinity));
  draw.tensor("other", shapes[1], open(0, infinity));
}
inline void draw_zeta(Draw& draw) {
  const auto shapes = draw_two_shapes(draw);
  draw.constant("self", shapes[0], open(1, infinity));
  draw.tensor("other", shapes[1], open(0, infinity));
}
inline void draw_zeta_of_scalar(Draw& draw) {
  draw.set_real("self", draw.pick(std::array{2.0, 1.5, 3.0, 10.0, 1.0625}));
  draw.tensor("other", draw.shape(0, 3), open(0, infinity));
}

}  // namespace gradproof
