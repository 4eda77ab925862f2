// What a module handed back is data from outside: is every reference in it within bounds?
#pragma once

#include <optional>
#include <string>

#include "engine/engine.h"

namespace gradproof {

// The first fault as text, or nothing. `reads` is the number of GP_READ steps of the program.
std::optional<std::string> fault_in(const Observations& seen, const gp_program& program, std::uint64_t reads);

}  // namespace gradproof
