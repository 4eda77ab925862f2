// What a check found, for people and for machines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "campaign/campaign.h"
#include "campaign/results.h"
#include "report/text.h"

namespace gradproof {

// A finished check, as every report needs it.
struct CheckReport {
  const Plan* plan = nullptr;
  const Results* results = nullptr;
  const Waivers* waivers = nullptr;
  std::uint64_t seed = 0;
  std::optional<std::uint64_t> cases{};
  std::optional<double> time_limit_s{};
  bool interrupted = false;
  bool partial = false;  // of some operators or properties only
  double seconds = 0;
  int exit_code = 0;
  std::vector<std::string> files{};  // the reports written, to be told at the end
};

// "gradproof 0.1.0 (commit) · libtorch@2.11.0 · cpu · f32 f64 · seed 0x7c41"
std::string heading(const Plan& plan, std::uint64_t seed, const TextStyle& style);
// One row an operator, one column a property.
std::string table_text(const CheckReport& report, const TextStyle& style);
std::string summary_text(const CheckReport& report, const TextStyle& style);
// Failures with one cause are told once, by their smallest script.
std::string failures_text(const CheckReport& report, const TextStyle& style);
// "vjp of tanh (f32) is wrong: outside its enclosure"
std::string failure_title(const Failure& failure);
std::string unused_waivers_text(const CheckReport& report);

std::string json_text(const CheckReport& report);
std::string junit_text(const CheckReport& report);

// One cause: the same operator, kind and reason; of misbehaviour the same property and reason. Of each the failure
// with the smallest script first; causes by their first case.
std::vector<std::vector<const Failure*>> causes_of(const Results& results);

std::string seed_text(std::uint64_t seed);  // "0x7c41"

}  // namespace gradproof
