// Forward mode in scripts: duals of a call's tensors, and the tangents that come out.
#pragma once

#include <algorithm>

#include "properties/steps.h"

namespace gradproof {

// The call on duals of `inputs` (tensors of the call) with drawn tangents, named v, v2, … by the input's place.
std::vector<ValueId> apply_duals(Build& build, std::span<const ValueId> inputs, std::string_view tangents,
                                 std::string_view duals, std::string_view results, bool tangents_require_grad = false);
std::vector<ValueId> tangents_of(Build& build, std::span<const ValueId> values, std::string_view name);

}  // namespace gradproof
