// Where what two engines showed differs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/engine.h"

namespace gradproof {

struct Difference {
  std::uint32_t step = 0;
  std::string what{};  // "[2]: 0x1p-1, not 0x1p-2"
};

enum class Sameness {
  // The same steps with the same status, error, text, dtype, shape, version, elements, and the same of them in one
  // memory. How storages are numbered, strides, the sign of a zero and which NaN it is do not count: no judge speaks
  // of them.
  conduct,
  // What is left where an engine may do as it likes: versions and memory do not count, a derivative that is absent is
  // zero, and to refuse to differentiate what has no graph says the same as to find zeros.
  numbers
};

// Where they first differ; nothing where they do not.
std::optional<Difference> first_difference(const Observations& expected, const Observations& seen, Sameness sameness);

// The greatest |difference| of elements, over the unit roundoff times the greatest expected element of its tensor.
// Infinite where it is not numbers that differ.
double largest_deviation_u(const Observations& expected, const Observations& seen);

}  // namespace gradproof
