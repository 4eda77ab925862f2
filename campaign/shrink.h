// The smallest script that still shows what a script shows.
#pragma once

#include <chrono>
#include <functional>

#include "campaign/tensor_edit.h"
#include "script/schema.h"
#include "script/script.h"

namespace gradproof {

// What is made small, the first first: steps, elements, and everything that makes a reader ask "why this?"
// (values other than 0 and 1, gradients required, gaps in layouts, arguments given).
struct ScriptSize {
  std::uint64_t steps = 0;
  std::uint64_t elements = 0;
  std::uint64_t oddities = 0;
};
bool operator<(const ScriptSize& a, const ScriptSize& b);
ScriptSize size_of(const Script& script);

struct ShrinkLimits {
  std::size_t candidates = 1500;
  std::chrono::milliseconds time{5000};
};

struct ShrinkQuestions {
  // May throw std::exception for a script that it cannot run: that is a no.
  std::function<bool(const Script&)> still_fails;
  // Where there is one, parts of a program are replaced by leaves that hold what they made.
  std::function<StepValues(const Script&)> values{};
};

// Greedy: takes the first smaller candidate that still fails, again and again.
Script shrink(const Script& failing, const Schemas& schemas, const ShrinkQuestions& ask,
              const ShrinkLimits& limits = {});

}  // namespace gradproof
