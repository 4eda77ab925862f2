#include "script/layout.h"

#include <algorithm>

namespace gradproof {

std::vector<Index> shape_of(const Script& script, const gp_tensor& tensor) {
  const auto first = script.ints.begin() + (tensor.ndim > 0 ? tensor.shape : 0);
  return {first, first + tensor.ndim};
}

std::vector<Index> strides_of(const Script& script, const gp_tensor& tensor) {
  if (tensor.strides != GP_CONTIGUOUS && tensor.ndim > 0) {
    return {script.ints.begin() + tensor.strides, script.ints.begin() + tensor.strides + tensor.ndim};
  }
  std::vector<Index> strides(tensor.ndim);
  Index step = 1;
  for (std::size_t d = tensor.ndim; d-- > 0;) {
    strides[d] = step;
    step *= std::max<Index>(1, script.ints[tensor.shape + d]);
  }
  return strides;
}

}  // namespace gradproof
