// Walking several tensors in step, broadcast against each other: the loops of elementwise kernels.
#pragma once

#include <array>
#include <cstddef>

#include "engine/tensor.h"

namespace gradproof {

// One operand seen through the common shape: where it starts, and its step along each dim.
template <class T>
struct Operand {
  const T* first = nullptr;
  std::array<Index, GP_MAX_DIMS> strides{};

  // A single number.
  static Operand of(const T& value) { return {&value, {}}; }
  static Operand of(const Tensor<T>& tensor, std::size_t ndim) {
    Operand operand{tensor.real(), {}};
    const std::size_t lead = ndim - tensor.ndim;
    for (std::size_t d = 0; d < tensor.ndim; ++d) {
      operand.strides[lead + d] = tensor.sizes_begin[d] == 1 ? 0 : tensor.strides_begin[d];
    }
    return operand;
  }
};

// Adjacent dims along which every operand advances evenly are one dim to a loop.
template <class T, std::size_t N>
std::size_t collapse(std::array<Index, GP_MAX_DIMS>& sizes, std::size_t ndim, std::array<Operand<T>, N>& operands) {
  std::size_t kept = 0;
  for (std::size_t d = 0; d < ndim; ++d) {
    if (sizes[d] == 1 && ndim > 1) continue;
    bool merges = kept > 0;
    for (const Operand<T>& operand : operands) {
      merges = merges && operand.strides[kept - 1] == operand.strides[d] * sizes[d];
    }
    const std::size_t at = merges ? kept - 1 : kept++;
    sizes[at] = merges ? sizes[at] * sizes[d] : sizes[d];
    for (Operand<T>& operand : operands) operand.strides[at] = operand.strides[d];
  }
  return kept;
}

// body(count, first element of the output, pointers, steps) for each innermost run; the output is row-major.
template <class T, std::size_t N, class Body>
void for_each_run(Sizes output_sizes, std::array<Operand<T>, N> operands, Body&& body) {
  std::array<Index, GP_MAX_DIMS> sizes{};
  for (std::size_t d = 0; d < output_sizes.size(); ++d) {
    if (output_sizes[d] == 0) return;
    sizes[d] = output_sizes[d];
  }
  const std::size_t ndim = collapse<T, N>(sizes, output_sizes.size(), operands);
  std::array<const T*, N> at{};
  std::array<Index, N> steps{};
  for (std::size_t k = 0; k < N; ++k) {
    at[k] = operands[k].first;
    steps[k] = ndim == 0 ? 0 : operands[k].strides[ndim - 1];
  }
  const Index inner = ndim == 0 ? 1 : sizes[ndim - 1];
  if (ndim <= 1) return body(inner, Index{0}, at, steps);
  std::array<Index, GP_MAX_DIMS> position{};
  for (Index out = 0;; out += inner) {
    body(inner, out, at, steps);
    std::size_t d = ndim - 1;
    while (d-- > 0) {
      for (std::size_t k = 0; k < N; ++k) at[k] += operands[k].strides[d];
      if (++position[d] < sizes[d]) break;
      for (std::size_t k = 0; k < N; ++k) at[k] -= operands[k].strides[d] * sizes[d];
      position[d] = 0;
    }
    if (d == static_cast<std::size_t>(-1)) return;
  }
}

}  // namespace gradproof
