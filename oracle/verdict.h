// What was decided of one case.
#pragma once

#include <cstdint>
#include <string>

namespace gradproof {

enum class Outcome : std::uint8_t { pass, fail, inconclusive, unsupported, crash, timeout, waived, internal_error };
enum class Severity : std::uint8_t { none, inaccurate, misbehaving, wrong };

const char* name_of(Outcome outcome);
const char* name_of(Severity severity);

// One entry or step that decides a failure, as a person should read it.
struct Evidence {
  std::uint32_t step = 0;  // in the script
  std::string what{};      // "x.grad[2]", "backward y"
  std::string expected{};  // "0.786447728 ± 1.9e-7", "error graph_freed"
  std::string got{};
  double excess_radii = 0;  // how far outside, in radii of the enclosure; infinite for an exact one
  double excess_u = 0;      // the same in units of u·|value|
};

struct Verdict {
  Outcome outcome = Outcome::pass;
  Severity severity = Severity::none;  // of a failure
  std::string reason{};                // of everything but a pass: "too wide", "graph freed too late", …
  std::uint64_t entries = 0;           // floating entries compared
  std::uint64_t entries_outside = 0;
  std::uint64_t entries_undecided = 0;
  std::uint64_t planted = 0;  // wrong values offered to the judge
  std::uint64_t planted_caught = 0;
  double resolution_u = 0;  // median radius over u·|value| of the decided entries; 0 where none
  // |error| over radius of the entries whose radius is neither 0 nor infinite: median and greatest; negative where
  // none.
  double error_radii = -1;
  double worst_error_radii = -1;
  Evidence evidence{};

  bool decided() const { return outcome == Outcome::pass || outcome == Outcome::fail; }
};

// The worse of two verdicts on one case, with the counts of both.
Verdict combine(const Verdict& a, const Verdict& b);

}  // namespace gradproof
