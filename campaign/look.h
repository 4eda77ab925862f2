// What the reference makes of a script, on the way too.
#pragma once

#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/registry.h"
#include "script/script.h"

namespace gradproof {

// A value to be read just before a step, or after the last.
struct Glance {
  std::uint32_t before = 0;
  ValueId value = 0;
};

struct Look {
  Observations seen{};
  std::vector<std::uint32_t> step_of_glance{};  // in what was run
  std::vector<std::uint32_t> step_of_step{};

  const gp_observation* glance(std::size_t number) const { return seen.at(step_of_glance[number]); }
  const gp_observation* step(std::uint32_t step) const { return seen.at(step_of_step[step]); }
};

// Runs the script with these reads in it, in order. Halves are computed as f32. Within lanes nothing is read: glances
// there are at nothing.
Look look(const Script& script, std::span<const Glance> glances, const Registry& registry, const EngineInfo& modelled);

}  // namespace gradproof
