// The assignments of what a run on balls left open.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tape.h"

namespace gradproof {

// A fast ball's run can leave choices (a kink straddled, a tie, a formula): each assignment is one
// possible engine, and one assignment must contain everything. Up to this many are tried.
inline constexpr std::size_t most_plans = 16;

// The next assignment of choices in counting order; false after the last.
inline bool next_plan(const std::vector<Choice>& choices, std::vector<std::uint8_t>& plan) {
  plan.resize(choices.size());
  for (std::size_t i = 0; i < choices.size(); ++i) plan[i] = choices[i].taken;
  while (!plan.empty()) {
    if (++plan.back() < choices[plan.size() - 1].arity) return true;
    plan.pop_back();
  }
  return false;
}

}  // namespace gradproof
