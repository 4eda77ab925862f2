// The same script in another floating dtype.
#pragma once

#include "script/script.h"

namespace gradproof {

// Every floating tensor, and every dtype argument that names the script's floating dtype, in `dtype`;
// values, steps and their numbers stay the same. Exact where `dtype` is the wider one, rounded otherwise.
// Expectations of numbers (exact, digits) are left out: they are those of the other dtype.
Script to_dtype(const Script& script, gp_dtype dtype);

// Where the elements of a tensor's view lie in its buffer, in row-major order.
std::vector<std::uint64_t> elements_of_view(const Script& script, const gp_tensor& tensor);

}  // namespace gradproof
