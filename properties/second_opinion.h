// Differences of an engine's own values beside the enclosure.
#pragma once

#include "properties/property.h"

namespace gradproof {

// Observes and judges a script that claims first derivatives. The enclosure judges; where the reference lacks the
// operator or the dtype, differences of values do. Of the cases that the enclosure decides a sample, drawn from the
// script alone, is audited: where the two exclude each other the verdict is an internal error.
Verdict judge_first_derivative(Session& session, const Script& script);

}  // namespace gradproof
