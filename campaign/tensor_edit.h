// Changes to a script's tensors that make it simpler. Each returns a new script, or nothing where it does not apply.
#pragma once

#include <optional>
#include <vector>

#include "script/script.h"

namespace gradproof {

// What a step made, as it was seen.
struct TensorValue {
  gp_dtype dtype = GP_F32;
  std::vector<Index> shape{};
  std::vector<std::uint8_t> bytes{};
};
// What the steps of a script made, by step; of some perhaps nothing.
using StepValues = std::vector<std::optional<TensorValue>>;

// Tensor `tensor` (an index of script.tensors) with its dimension `dim` dropped, its first entry kept.
std::optional<Script> with_dim_dropped(const Script& script, std::size_t tensor, std::uint32_t dim);
// Every tensor's dimension of size `from`, cut to `to` entries from the one numbered `first` on. With `in_calls`
// integers of calls that are `from` become `to` as well (the sizes of a view). With `as_it_lies` strides and offsets
// stay, too.
struct SizeChange {
  Index from = 0;
  Index to = 0;
  Index first = 0;
  bool in_calls = false;
  bool as_it_lies = false;
};
std::optional<Script> with_size(const Script& script, const SizeChange& change);
// Dimension `dim` of the tensor, and with `alike` of all of its shape, cut to its first `to` entries.
std::optional<Script> with_dim_cut(const Script& script, std::size_t tensor, std::uint32_t dim, Index to, bool alike);
// Seeds in the shapes of what they are seeds of.
std::optional<Script> with_seeds_fitted(const Script& script, const StepValues& values);
// The tensor laid out row-major without gaps.
std::optional<Script> made_contiguous(const Script& script, std::size_t tensor);

}  // namespace gradproof
