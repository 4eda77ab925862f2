// Trial runs of a program under construction.
#pragma once

#include "engine/interpreter.h"
#include "engine/registry.h"
#include "script/script.h"

namespace gradproof::program {

// What the steps of a program make, in double; valid until the next run of this thread.
const std::vector<Seen<Defined>>& trial(const Registry& registry, const Script& script);
const Seen<Defined>& seen_at(const Registry& registry, std::uint32_t step);

// Whether no number read is nothing but the rounding of others that cancelled, none far from 1.
bool is_moderate(const std::vector<Seen<Defined>>& seen, double most);
// Whether balls of the dtype leave nothing read entirely open: no element near the end of a domain or at a jump.
bool is_inside(const Registry& registry, gp_dtype dtype, const Script& script);

}  // namespace gradproof::program
