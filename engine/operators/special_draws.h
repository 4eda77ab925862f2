// Calls of special functions.
#pragma once

#include <array>

#include "engine/sampling.h"

namespace gradproof {

inline void draw_anything(Draw& draw) { draw.tensor("self", draw.shape(0, 3)); }
// Mostly away from the ends, where an error in the argument says nothing.
inline void draw_within_one(Draw& draw) {
  draw.tensor("self", draw.shape(0, 3), draw.one_in(16) ? open(-1, 1) : closed(-0.96875, 0.96875));
}

// The gamma function's logarithm has its poles at 0, -1, …; beside them no budget in the argument says anything.
inline void draw_between_poles(Draw& draw) {
  constexpr std::array<Domain, 5> stretches{open(0, infinity), open(0, infinity), closed(-0.96875, -0.03125),
                                            closed(-1.96875, -1.03125), closed(-8.9375, -8.0625)};
  draw.tensor("self", draw.shape(0, 3), draw.pick(stretches));
}
inline void draw_order_and_number(Draw& draw) {
  draw.set_int("n", draw.integer(0, 4));
  draw_between_poles(draw);
}

// Shapes that broadcast: alike, one of a single element, or one without its first dim.
inline std::array<std::vector<Index>, 2> draw_two_shapes(Draw& draw) {
  std::array<std::vector<Index>, 2> shapes;
  shapes.fill(draw.shape(0, 3));
  std::vector<Index>& one = shapes[static_cast<std::size_t>(draw.integer(0, 1))];
  if (!one.empty() && draw.coin()) draw.coin() ? void(one.erase(one.begin())) : one.assign(one.size(), 1);
  return shapes;
}
// Without a derivative with respect to the parameter; where neither it nor the value underflows. From a = 20 on
// engines take another series.
inline void draw_incomplete(Draw& draw) {
  const auto shapes = draw_two_shapes(draw);
  const bool large = draw.one_in(4);
  draw.constant("self", shapes[0], large ? closed(20, 60) : closed(0.125, 8));
  draw.tensor("other", shapes[1], large ? closed(16, 64) : closed(0.0625, 16));
}
inline void draw_zeta(Draw& draw) {
  const auto shapes = draw_two_shapes(draw);
  draw.constant("self", shapes[0], closed(1.0625, 12));
  draw.tensor("other", shapes[1], closed(0.125, 1024));
}
inline void draw_zeta_of_scalar(Draw& draw) {
  draw.set_real("self", draw.pick(std::array{2.0, 1.5, 3.0, 10.0, 1.0625}));
  draw.tensor("other", draw.shape(0, 3), closed(0.125, 1024));
}

}  // namespace gradproof
