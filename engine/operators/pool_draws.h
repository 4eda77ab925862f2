// Drawing the calls of pools.
#pragma once

#include <algorithm>

#include "engine/operators/placement.h"

namespace gradproof {

inline std::vector<Index> draw_planes(Draw& draw, const std::vector<Index>& spatial, bool may_be_empty = true) {
  std::vector<Index> sizes;
  if (!draw.one_in(3)) sizes.push_back(may_be_empty && draw.one_in(24) ? 0 : draw.integer(1, 2));
  sizes.push_back(draw.integer(1, 2));
  sizes.insert(sizes.end(), spatial.begin(), spatial.end());
  return sizes;
}

// self, kernel_size, stride, padding, dilation where there is one, ceil_mode. `whole`: the kernel fits without padding.
inline void draw_pool(Draw& draw, std::size_t dims, bool dilates, bool whole = false) {
  std::vector<Index> spatial, kernel, stride, padding, dilation;
  for (std::size_t d = 0; d < dims; ++d) {
    kernel.push_back(draw.integer(1, dims == 3 ? 2 : 3));
    stride.push_back(draw.integer(1, 3));
    padding.push_back(draw.integer(0, kernel[d] / 2));
    dilation.push_back(dilates && draw.one_in(3) ? 2 : 1);
    const Index least = std::max<Index>((kernel[d] - 1) * dilation[d] + 1 - (whole ? 0 : 2 * padding[d]), 1);
    // A dilated window may step over a tensor of one element.
    const Index one = dilation[d] > 1 ? std::max<Index>(least, 2) : least;
    spatial.push_back(draw.integer(one, std::max<Index>(one, dims == 1 ? 7 : dims == 2 ? 5 : 3)));
  }
  draw.tensor("self", draw_planes(draw, spatial));
  draw.set_ints("kernel_size", kernel);
  if (!draw.one_in(4)) draw.set_ints("stride", stride);
  draw.set_ints("padding", padding);
  if (dilates) draw.set_ints("dilation", dilation);
  if (!draw.one_in(3)) draw.set_bool("ceil_mode", draw.coin());
}

template <std::size_t Dims>
void sample_adaptive(Draw& draw) {
  std::vector<Index> spatial;
  std::vector<Index> sizes;
  for (std::size_t d = 0; d < Dims; ++d) {
    spatial.push_back(draw.integer(1, Dims == 3 ? 4 : 6));
    sizes.push_back(draw.integer(1, Dims == 3 ? 3 : 4));
  }
  draw.tensor("self", draw_planes(draw, spatial));
  draw.set_ints("output_size", sizes);
}

}  // namespace gradproof
