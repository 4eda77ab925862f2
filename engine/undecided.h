// Integers that balls leave open: a position among ties, a number of elements below one that is not known.
#pragma once

#include <cstdint>
#include <limits>

namespace gradproof {

// In an integer tensor of an enclosure: any number may stand here.
constexpr std::int64_t undecided = std::numeric_limits<std::int64_t>::min();

}  // namespace gradproof
