#include "engine/tensor.h"

#include <algorithm>
#include <array>

namespace gradproof {

std::string to_text(Sizes sizes) {
  std::string text = "[";
  for (std::size_t i = 0; i < sizes.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(sizes[i]);
  return text + "]";
}

Index count_elements(Sizes sizes) {
  constexpr Index most = Index{1} << 33U;
  if (sizes.size() > GP_MAX_DIMS) {
    throw EngineError(GP_UNSUPPORTED, "the reference has no tensor of " + std::to_string(sizes.size()) + " dims");
  }
  Index count = 1;
  bool empty = false;
  for (const Index size : sizes) {
    if (size < 0) throw EngineError(GP_SHAPE, "a negative size in " + to_text(sizes));
    empty = empty || size == 0;
  }
  // Of an empty tensor too: operators form products of its other sizes.
  for (const Index size : sizes) {
    if (size > most / count) throw EngineError(GP_OUT_OF_MEMORY, "too many elements in " + to_text(sizes));
    count *= size > 0 ? size : 1;
  }
  return empty ? 0 : count;
}

int broadcast_sizes(Sizes a, Sizes b, Index* out) {
  const std::size_t ndim = std::max(a.size(), b.size());
  std::array<Index, GP_MAX_DIMS> common{};  // `out` may be where `a` lies
  for (std::size_t d = 0; d < ndim; ++d) {
    const Index in_a = d + a.size() >= ndim ? a[d + a.size() - ndim] : 1;
    const Index in_b = d + b.size() >= ndim ? b[d + b.size() - ndim] : 1;
    if (in_a != in_b && in_a != 1 && in_b != 1) {
      throw EngineError(GP_SHAPE, "shapes " + to_text(a) + " and " + to_text(b) + " do not broadcast");
    }
    common[d] = in_a == 1 ? in_b : in_a;
  }
  std::copy_n(common.begin(), ndim, out);
  return static_cast<int>(ndim);
}

int wrap_dim(Index dim, int ndim) {
  const Index range = ndim == 0 ? 1 : ndim;
  if (dim < -range || dim >= range) {
    throw EngineError(GP_INDEX, "dim " + std::to_string(dim) + " out of range for " + std::to_string(ndim) + " dims");
  }
  return static_cast<int>(dim < 0 ? dim + range : dim);
}

bool is_contiguous(Sizes sizes, Sizes strides) {
  Index step = 1;
  for (std::size_t d = sizes.size(); d-- > 0;) {
    if (sizes[d] == 0) return true;
    if (sizes[d] != 1 && strides[d] != step) return false;
    step *= sizes[d];
  }
  return true;
}

}  // namespace gradproof
