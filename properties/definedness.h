// A script under several fills of memory nobody wrote, judged.
#pragma once

#include "oracle/fills.h"
#include "properties/property.h"

namespace gradproof {

// As run_under_fills(), and where all that differs are last bits, within what a faithful engine may return, the fault
// is inaccurate and not wrong.
FillReport judge_under_fills(Session& session, const Script& script);

}  // namespace gradproof
