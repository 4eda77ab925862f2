// For operators that are known for what they do in place, and are not called by themselves.
#pragma once

#include "engine/sampling.h"

namespace gradproof {

// As Record::sample: no calls of the operator are drawn.
inline void not_drawn(Draw& /*draw*/) {}

}  // namespace gradproof
