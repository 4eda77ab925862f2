// A script as a program of its own, for a bug report: LibTorch C++ or PyTorch Python, nothing of gradproof's in it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "script/schema.h"
#include "script/script.h"

namespace gradproof {

enum class ProgramLanguage { cpp, python };

// What is known of a script beside its text.
struct ReproducerFacts {
  std::vector<std::string> head{};                  // comments at the top, without marks
  std::map<std::uint32_t, std::string> expected{};  // by step: of a read, or of a step that should fail
  std::set<std::uint32_t> may_fail{};               // steps whose failure is told, and does not end the program
  std::set<std::uint32_t> expands_seed{};           // sweeps with a seed larger than its output, which is right in C++
};

// The script says something that a program in this language cannot. what(): "line 3: …".
struct Inexpressible : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// Numbers are decimals that read back to the bit. Each read prints one line, "x.grad: expected 1 exactly, got
// float32[2] [1.0, 2.0]", each step that may fail one line too: "backward y: expected error graph_freed, got error: …".
// The script passes fault_in() and its calls are of the schemas.
std::string reproducer(const Script& script, const Schemas& schemas, const ReproducerFacts& facts,
                       ProgramLanguage language);

}  // namespace gradproof
