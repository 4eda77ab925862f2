// The work of judge_by_differences, with what it found along each direction.
#pragma once

#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "oracle/directional_values.h"
#include "oracle/verdict.h"

namespace gradproof {

// One combination Σ w·g of the claimed derivatives, and what the differences say it is.
struct Finding {
  std::vector<double> w{};
  std::optional<std::size_t> single{};  // the one entry with w ≠ 0
  Differences along{};
  double low = -HUGE_VAL, high = HUGE_VAL;
  double claimed = 0, slack = 0;
  bool judged = false;
  bool inside = false;
  std::string reason{};  // where it could not be judged

  bool admits(double value) const { return value >= low - slack && value <= high + slack; }
  double radius() const { return (high - low) / 2 + slack; }
  double excess_radii() const {
    if (!std::isfinite(claimed)) return HUGE_VAL;
    return radius() > 0 ? std::fabs(claimed - (low + high) / 2) / radius() : HUGE_VAL;
  }
};

class Directional {
 public:
  Directional(Engine& engine, const Script& script, const Observations& seen)
      : engine_(&engine), script_(&script), seen_(&seen), claim_(claim_of(script)) {}

  Verdict judge();
  const std::vector<Finding>& findings() const { return findings_; }
  const Claim& claim() const { return claim_; }
  // The step and the element of an entry.
  std::pair<std::uint32_t, std::uint64_t> place_of(std::size_t entry) const;

 private:
  std::string prepare();
  std::string sizes_and_weights();
  std::size_t input_size(std::size_t input) const;
  void plan_directions();
  void fill_direction(std::size_t direction, Finding& finding) const;
  Differences derivative(ValuesAlong& values, const Finding& finding);
  void limits(const Differences& along, Finding& finding) const;
  bool hides_a_singularity(const Finding& finding);
  bool certainly_finite(const Finding& finding) const;
  void test(Finding& finding);
  void admit_kinks(Finding& finding);
  void second_opinion(Finding& finding);
  bool all_observed(Verdict& verdict) const;
  void plant(Verdict& verdict) const;
  bool refused(std::size_t entry, double wrong) const;
  void accuse(Verdict& verdict) const;
  double resolution() const;

  Engine* engine_;
  const Script* script_;
  const Observations* seen_;
  Claim claim_;
  gp_dtype dtype_ = GP_F32;
  std::unique_ptr<ValuesAlong> values_, own_values_;
  std::unique_ptr<DerivativeNoise> noise_;
  std::vector<double> y_, claimed_, move_, weights_;
  std::vector<std::size_t> sizes_, root_sizes_;  // entries of each reading, of each root
  double stretch_ = 1;                           // tangent: how much further than the tangents x moves
  std::vector<Finding> findings_;
};

}  // namespace gradproof
