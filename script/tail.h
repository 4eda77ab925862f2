// When an `expect` is about the read before it, and when it makes one of its own. Parser and printer must agree.
#pragma once

#include <cstddef>

#include "script/script.h"

namespace gradproof {

// What a read or an expectation names: a value, or its gradient ("x" or "x.grad").
struct Subject {
  ValueId value = 0;
  bool gradient = false;
};

// Whether the first `steps` steps of a script end by reading the subject.
inline bool ends_reading(const Script& script, std::size_t steps, const Subject& subject) {
  if (steps == 0 || script.steps[steps - 1].kind != GP_READ) return false;
  const std::uint64_t read = script.args_of(script.steps[steps - 1])[0].u.index;
  if (!subject.gradient) return read == subject.value;
  if (steps < 2) return false;
  const gp_step& maker = script.steps[steps - 2];
  return maker.kind == GP_GRAD_OF && maker.first_result == read && script.args_of(maker)[0].u.index == subject.value &&
         (read >= script.names.size() || script.names[read].empty());
}

}  // namespace gradproof
