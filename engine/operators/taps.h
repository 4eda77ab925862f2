// Which elements of one plane each element of another is made of: the tables of convolutions, pools and interpolation.
#pragma once

#include <vector>

#include "engine/operators/placement.h"

namespace gradproof {

// Result o reads at[o · count + t] for t = 0, …, count - 1: an element's number in its plane, or nowhere.
struct Taps {
  Index in = 1;
  Index out = 1;
  Index count = 1;
  Table at{0};
};

// A window along one dim: tap t of result o lies at o · stride - padding + t · dilation.
struct Slide {
  Index kernel = 1;
  Index stride = 1;
  Index padding = 0;
  Index dilation = 1;
};

Taps sliding(Index in, Index out, const Slide& slide);
// The transpose: the elements that a window put at o reaches this one from.
Taps slid_onto(Index in, Index out, const Slide& slide);
// Windows from ⌊o · in / out⌋ up to ⌈(o + 1) · in / out⌉.
Taps adaptive(Index in, Index out);
// Windows of one size, each from its own start.
Taps windows_from(Index in, Index kernel, const std::vector<Index>& starts);
// Two dims seen as one, row-major; so are their taps.
Taps crossed(const Taps& outer, const Taps& inner);
Taps crossed(const std::vector<Taps>& dims);

// Result of a pool along one dim of a tensor; throws where LibTorch refuses.
Index pooled_size(Index in, const Slide& slide, bool ceil_mode);

// One number for every dim, or one for all; `missing` where the list is empty.
Shape per_dim(Sizes values, std::size_t dims, const char* what, Index missing);

// A tensor [batch.., channels, spatial..] of `dims` spatial dims as planes; batches may be missing.
struct Planes {
  Shape lead{};  // the dims before the spatial ones
  Shape spatial{};
  Index planes = 1;

  Planes(Sizes sizes, std::size_t dims, const char* what, bool may_be_empty_batch = true);
  Shape with(Sizes other_spatial) const;
};

// GP_OUT_OF_MEMORY for tables that no call made in earnest needs.
void need_modest(Index a, Index b);

}  // namespace gradproof
