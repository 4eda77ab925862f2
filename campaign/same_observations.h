// Whether two engines showed the same.
#pragma once

#include "engine/engine.h"

namespace gradproof {

// The same steps with the same status, error, text, dtype, shape, version, elements, and the same of them in one
// memory. What no enclosure speaks of does not count: how storages are numbered, strides, the sign of a zero, which
// NaN it is.
bool same_observations(const Observations& a, const Observations& b);

}  // namespace gradproof
