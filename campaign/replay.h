// Scripts from files, run on an engine.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "campaign/engines.h"
#include "campaign/expect.h"
#include "oracle/verdict.h"

namespace gradproof {

struct FileResult {
  enum class Outcome { pass, fail, undecided, unsupported, crash, timeout, bad_input };
  Outcome outcome = Outcome::pass;
  std::uint64_t checks = 0;  // expectations and properties that were decided
  std::string text{};        // the first that is not a pass, with its place: "file:line: …"
  std::string last_words{};
  std::vector<std::string> hazards{};  // "file:line: y rests on memory nobody wrote: b (line 3)"
  std::string note{};                  // what was done otherwise than the script says, "" for nothing
};

struct ReplayOptions {
  gp_device device = GP_CPU;
  std::chrono::milliseconds case_limit{10'000};
  std::function<bool()> interrupted{};
  IsolateOptions isolate{};  // its mode and its limits of memory and output
};

// The files, and every *.tape below the folders, in the order of their names. Throws UsageError where one does
// not exist or a folder holds none.
std::vector<std::filesystem::path> find_scripts(const std::vector<std::string>& given);

// A script's expectations are checked; one that names a property ("# property: vjp") is judged by it, and one
// with neither by the enclosures of all it reads. False where it was interrupted. Throws StartError.
bool replay(const std::vector<std::filesystem::path>& files, const EngineSource& source, const ReplayOptions& options,
            const std::function<void(const std::filesystem::path&, const FileResult&)>& on_result);

}  // namespace gradproof
