// The commands of gradproof. Each returns the exit code; UsageError, StartError and WriteError are its caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "campaign/engines.h"

namespace gradproof {

enum ExitCode {
  exit_pass = 0,
  exit_failure = 1,  // a failure that --fail-on names, a crash, a timeout
  exit_usage = 2,    // bad usage or bad input
  exit_undecided = 3,
  exit_internal = 4,  // an error of gradproof's own
  exit_interrupted = 130
};

// As written on the command line.
struct Options {
  std::string engine{};
  std::vector<std::string> operators{};
  std::vector<std::string> properties{};
  std::vector<std::string> dtypes{};
  std::string device = "cpu";
  std::optional<std::uint64_t> cases{};
  std::string time{};
  std::string seed{};
  std::string timeout = "10s";
  std::string isolate = "batch";
  std::string memory = "4G";
  std::string resume{};
  std::string json{};
  std::string junit{};
  std::vector<std::string> waivers{};
  std::vector<std::string> fail_on{"wrong", "misbehaving"};
  std::string out{};
  std::vector<std::string> files{};
  std::vector<std::string> libraries{};
  std::string language{};
  std::vector<std::string> rules{};  // of derived mutants, as is:
  std::uint64_t sample = 0;          // 0: all
  unsigned jobs = 1;
  bool shipped_waivers = true;
  bool as_json = false;
  bool derived = false;
  bool list = false;
};

// Where engines lie, with what --load names. Throws UsageError where there is no such file.
EnginePlaces places_of(const Options& options);

int run_check(const Options& options);
int run_fuzz(const Options& options);
int run_scripts(const Options& options);
int print_program(const Options& options);
int run_mutants(const Options& options);
int run_derived_mutants(const Options& options);  // run_mutants' part for those that rules derive
int list_engines(const Options& options);
int list_operators(const Options& options);
int list_properties(const Options& options);

// The whole command: parses, runs, tells errors. Never throws.
int run_command_line(int argc, const char* const* argv);

}  // namespace gradproof
