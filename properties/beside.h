// Whether a result rests on memory that is not its arguments'.
#pragma once

#include <optional>

#include "engine/engine.h"
#include "script/script.h"

namespace gradproof {

// Runs the script twice more, every tensor of it amid elements that no argument has, other ones each time, and fresh
// memory full of another byte where the engine can. The first read of a result of `call` that differs, if any does.
std::optional<std::uint32_t> reads_beside_arguments(Engine& engine, const Script& script, const Observations& seen,
                                                    std::uint32_t call);

}  // namespace gradproof
