// Holds what an engine showed of a life cycle against the model.
#pragma once

#include "properties/property.h"

namespace gradproof::lifecycle {

struct Terms {
  // A refused sweep leaves gradients as they were and no gradient is the caller's seed, whatever engines are known to
  // do.
  bool strict = false;
};

// Errors by kind, what is undefined, what shares memory, how often memory was written, and by the session's judge
// every value. The session's engine runs the script once.
Verdict judge_sequence(Session& session, const Script& script, const Terms& terms = {});

}  // namespace gradproof::lifecycle
