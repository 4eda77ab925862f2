#include "oracle/twin.h"

#include <algorithm>
#include <array>

namespace gradproof {

Script to_dtype(const Script& script, gp_dtype dtype) {
  Script twin = script;
  std::optional<gp_dtype> from;
  twin.data.clear();
  for (gp_tensor& tensor : twin.tensors) {
    const gp_tensor before = tensor;
    const auto own = static_cast<gp_dtype>(tensor.dtype);
    if (is_floating(own)) {
      from = own;
      tensor.dtype = static_cast<std::uint8_t>(dtype);
    }
    if (tensor.memory != GP_GIVEN) continue;
    tensor.data = (twin.data.size() + 7) / 8 * 8;
    const auto now = static_cast<gp_dtype>(tensor.dtype);
    twin.data.resize(tensor.data + tensor.buffer_elements * size_of(now));
    if (now == own) {
      std::copy_n(script.data.begin() + static_cast<std::ptrdiff_t>(before.data), tensor.buffer_elements * size_of(own),
                  twin.data.begin() + static_cast<std::ptrdiff_t>(tensor.data));
      continue;
    }
    for (std::size_t i = 0; i < tensor.buffer_elements; ++i) twin.set_element(tensor, i, script.element(before, i));
  }
  for (gp_arg& arg : twin.args) {
    if (arg.kind == GP_ARG_DTYPE && from && arg.u.integer == *from) arg.u.integer = dtype;
  }
  std::erase_if(twin.expectations, [](const Expectation& expectation) {
    return expectation.kind == Expectation::Kind::exact || expectation.kind == Expectation::Kind::digits;
  });
  return twin;
}

std::vector<std::uint64_t> elements_of_view(const Script& script, const gp_tensor& tensor) {
  std::array<Index, GP_MAX_DIMS> size{}, stride{}, at{};
  Index count = 1;
  for (std::uint32_t d = tensor.ndim; d-- > 0;) {
    size[d] = script.ints[tensor.shape + d];
    stride[d] = tensor.strides == GP_CONTIGUOUS ? count : script.ints[tensor.strides + d];
    count *= size[d];
  }
  std::vector<std::uint64_t> found;
  found.reserve(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i) {
    Index place = tensor.offset;
    for (std::uint32_t d = 0; d < tensor.ndim; ++d) place += at[d] * stride[d];
    found.push_back(static_cast<std::uint64_t>(place));
    for (std::uint32_t d = tensor.ndim; d-- > 0;) {
      if (++at[d] < size[d]) break;
      at[d] = 0;
    }
  }
  return found;
}

}  // namespace gradproof
