// Changes to a script that make it simpler. Each returns a new script, or nothing where it does not apply;
// whether the result still means anything is for its runner to find out, its references are in order.
#pragma once

#include <optional>

#include "script/schema.h"
#include "script/script.h"

namespace gradproof {

// Without the step, and without the steps and list entries that need what it makes.
std::optional<Script> without_step(const Script& script, std::uint32_t step);
// Without `count` steps from `first` on, and without what needs them.
std::optional<Script> without_steps(const Script& script, std::uint32_t first, std::uint32_t count);
// A call, a detach or a dual replaced by one of its tensor arguments.
std::optional<Script> bypassed(const Script& script, std::uint32_t step, std::uint32_t argument);
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
// An argument that is a list, without one entry; of a sweep's roots the seed goes too.
std::optional<Script> without_entry(const Script& script, std::uint32_t step, std::uint32_t argument,
                                    std::uint32_t entry);

// What a step made, as it was seen.
struct TensorValue {
  gp_dtype dtype = GP_F32;
  std::vector<Index> shape{};
  std::vector<std::uint8_t> bytes{};
};
// A call of one result replaced by a leaf that holds it, which takes the place of `input` too (GP_NO_VALUE: of none),
// so that the gradient of one is read where that of the other was; what nobody needs any more goes.
std::optional<Script> with_leaf(const Script& script, std::uint32_t step, const TensorValue& value, ValueId input);
// The tensor laid out row-major without gaps.
std::optional<Script> made_contiguous(const Script& script, std::size_t tensor);
// An argument of a call left out, where the schema has a default.
std::optional<Script> with_default(const Script& script, std::uint32_t step, std::uint32_t argument,
                                   const Schemas& schemas);

// Where the elements of a view lie in its buffer, in row-major order.
std::vector<std::size_t> positions_of(const Script& script, const gp_tensor& tensor);

}  // namespace gradproof
