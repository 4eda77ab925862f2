// How a tensor of a script lies in its buffer.
#pragma once

#include <vector>

#include "script/script.h"

namespace gradproof {

std::vector<Index> shape_of(const Script& script, const gp_tensor& tensor);
// In elements; those of a row-major tensor where the script gives none.
std::vector<Index> strides_of(const Script& script, const gp_tensor& tensor);

}  // namespace gradproof
