// A script's own expectations against what an engine showed.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "oracle/judge.h"
#include "script/script.h"

namespace gradproof {

struct ScriptFinding {
  enum class Kind { pass, fail, unsupported, inconclusive };
  Kind kind = Kind::pass;
  std::uint32_t line = 0;  // in the script's text
  std::string text{};      // "x.grad: expected 6, got 7"
};

// One for each expectation, in order, then one for each step that failed though no expectation says so.
std::vector<ScriptFinding> check_expectations(const Script& script, const Observations& seen, Judge& judge);

}  // namespace gradproof
