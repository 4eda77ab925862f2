// Differences as an oracle: the judge where there is no record, the auditor of the enclosure where there is one.
#pragma once

#include "engine/engine.h"
#include "oracle/differences.h"
#include "oracle/judge.h"
#include "oracle/verdict.h"
#include "script/script.h"

namespace gradproof {

// Holds the derivatives a script reads (one reverse sweep, or dual numbers; oracle/directional_claim.h) against
// differences of the engine's own values, in f64 where the engine has it. At most eight directions of at most 83
// runs each, and eight more runs of the script where rounding of the derivatives has to be measured.
//   fail          a derivative lies outside what the differences admit, beyond its own noise
//   inconclusive  the function jumps, is noisy or undefined there, or wrong values (0, -g, 2g) would have passed
//   unsupported   the script claims nothing that differences of values can judge
Verdict judge_by_differences(Engine& engine, const Script& script, const Observations& seen);

// Two oracles on one case. `judge` has just judged `script` and said `of_enclosure`. Internal error where, there and
// at a point beside it, differences of values that the enclosure accepts exclude by far all derivatives that it
// accepts; otherwise `of_enclosure` as it was. What `judge` is asked afterwards may be of the point beside.
Verdict audit(Judge& judge, Engine& engine, const Script& script, const Observations& seen,
              const Verdict& of_enclosure);

}  // namespace gradproof
