// Calls that are wrong in one way, made by rule from the schema and a valid call.
#pragma once

#include <optional>

#include "properties/steps.h"

namespace gradproof {

// The call of `build` with one thing changed: an integer (a dim, an index, a size, a step), an element of an index
// tensor, a shape or rank, a list, a dtype, values beyond the record's domain, a matrix made singular, or a size that
// no machine has. Tensors it takes instead are in the script then, named bad. What is changed need not be wrong: the
// reference says whether it is. Nothing where no rule applies.
std::optional<Call> draw_wrong_call(Build& build);

}  // namespace gradproof
