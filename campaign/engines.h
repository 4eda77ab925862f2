// Engines by name, as the command line has them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "campaign/isolate.h"
#include "engine/engine.h"

namespace gradproof {

// Where engines that are modules may lie.
struct EnginePlaces {
  std::vector<std::filesystem::path> folders;
  std::vector<std::string> libraries{};  // loaded into a module before it starts: a third party's operators

  // $GRADPROOF_ENGINES (a list with ':'), then "engines" beside the executable and in ../lib/gradproof.
  static EnginePlaces standard();
};

// What an engine does that no engine may: a broken answer. Thrown by engines that open() returns.
struct EngineBroken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct EngineSource {
  std::string name{};     // with its version where there are several: "libtorch@2.11.0"
  std::string family{};   // "libtorch"; the whole name where there is one
  std::string version{};  // "" where the engine has none of its own
  bool module = false;    // a shared library: to be opened only in a child
  // Only in a child where it is a module. Throws std::runtime_error with the reason.
  std::function<std::unique_ptr<Engine>()> open{};
};

// "reference", "mutant:NAME", "mutant:RULE/OPERATOR", "libtorch" (the newest), "libtorch@1.13.1", "module:FILE.so".
// Throws UsageError with near names.
EngineSource find_engine(std::string_view name, const EnginePlaces& places, gp_device device = GP_CPU);

// Every name find_engine takes but those of files and of derived mutants, the other mutants last.
std::vector<EngineSource> known_engines(const EnginePlaces& places);

struct EngineFacts {
  EngineInfo info{};
  std::vector<std::string> schemas{};  // one a line, as the engine has them
};
// Opens the engine in a child of its own, unless the options say otherwise. Throws StartError with what went wrong.
EngineFacts facts_of(const EngineSource& source, const IsolateOptions& isolate = {});

// The same source, whose engine is opened at most once in a process: for runs without isolation, where a module
// would be started again and again.
EngineSource opened_once(EngineSource source);

// `first`, then what `schemas` (one a line) adds to it; lines that cannot be read are left out.
Schemas merged(const Schemas& first, const std::vector<std::string>& schemas);

// The folder of this executable.
std::filesystem::path executable_folder();

}  // namespace gradproof
