// Names of steps and values as a person reads them.
#pragma once

#include <string>

#include "oracle/judge.h"
#include "script/script.h"

namespace gradproof {

// "x.grad", "y" for what a step reads; "backward y", "exp" for what it does.
std::string describe_step(const Script& script, std::uint32_t step);
// "x.grad[1, 2]" or "x.grad" of a 0-d one; the shape is taken from the observation.
std::string describe_entry(const Script& script, const Observations& seen, std::uint32_t step, std::uint64_t element);
// "0.786447728 ± 1.9e-7"
std::string describe_ball(const Judge::Ball64& ball);

}  // namespace gradproof
