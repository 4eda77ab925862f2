// Changes to a script that make it simpler. Each returns a new script, or nothing where it does not apply;
// whether the result still means anything is for its runner to find out, its references are in order.
#pragma once

#include <optional>

#include "script/schema.h"
#include "script/script.h"

namespace gradproof {

// Without the step, and without the steps and list entries that need what it makes.
std::optional<Script> without_step(const Script& script, std::uint32_t step);
// A call of one result replaced by one of its tensor arguments.
std::optional<Script> bypassed(const Script& script, std::uint32_t step, std::uint32_t argument);
// Tensor `tensor` (an index of script.tensors) with its dimension `dim` dropped, its first entry kept.
std::optional<Script> with_dim_dropped(const Script& script, std::size_t tensor, std::uint32_t dim);
// Every tensor's dimension of size `from`, cut to its first `to` entries.
std::optional<Script> with_size(const Script& script, Index from, Index to);
// The tensor laid out row-major without gaps.
std::optional<Script> made_contiguous(const Script& script, std::size_t tensor);
// An argument of a call left out, where the schema has a default.
std::optional<Script> with_default(const Script& script, std::uint32_t step, std::uint32_t argument,
                                   const Schemas& schemas);

// Where the elements of a view lie in its buffer, in row-major order.
std::vector<std::size_t> positions_of(const Script& script, const gp_tensor& tensor);

}  // namespace gradproof
