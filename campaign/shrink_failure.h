// Failures made small.
#pragma once

#include "campaign/shrink.h"
#include "oracle/verdict.h"
#include "properties/property.h"

namespace gradproof {

// The smallest script of which the property says the same (outcome, severity, reason but for numbers, kind of error) as
// it does of this one, and that calls the operator if this one does and the failure needs it. `verdict` is its verdict,
// and becomes that of what is returned. For failures that do not end the process.
Script shrink_failure(const Registry& registry, const Property& property, const Entry& entry, Session& session,
                      const Script& script, Verdict& verdict, const ShrinkLimits& limits = {});

// What the reference makes at each call of one result.
StepValues values_of_calls(const Script& script, const Registry& registry, const EngineInfo& modelled);

// Whether the script calls the operator, in place or not.
bool calls(const Script& script, const Entry& entry);

}  // namespace gradproof
