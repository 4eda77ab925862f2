#include "oracle/directional_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "oracle/describe.h"

namespace gradproof {

namespace {

constexpr double rounding_ulps = 8;       // of the products in Σ w·g, and of g itself
constexpr double wrong_beyond_radii = 8;  // as of an enclosure
constexpr double step_for_all = 0x1p-2;

bool decided(const Differences& along) {
  return along.status == Smoothness::smooth || along.status == Smoothness::kink;
}

}  // namespace

std::pair<std::uint32_t, std::uint64_t> Directional::place_of(std::size_t entry) const {
  std::size_t reading = 0;
  while (entry >= sizes_[reading]) entry -= sizes_[reading++];
  return {claim_.readings[reading].step, entry};
}

Differences Directional::derivative(ValuesAlong& values, const Finding& finding) {
  const bool gradient = claim_.kind == Claim::Kind::gradient;
  const std::span<const double> v = gradient ? finding.w : move_;
  const std::span<const double> w = gradient ? weights_ : finding.w;
  const Differences wide = values.derivative(v, w, step_for_all);
  if (wide.status == Smoothness::smooth) return wide;
  const Differences narrow = values.derivative(v, w, values.small_step());
  return narrow.status == Smoothness::smooth ? narrow : wide;
}

void Directional::limits(const Differences& along, Finding& finding) const {
  finding.along = along;
  const double scale = claim_.kind == Claim::Kind::gradient ? 1 : stretch_;
  finding.low = along.low() / scale;
  finding.high = along.high() / scale;
}

// A zero seed or tangent times an infinite slope is NaN in IEEE arithmetic, but 0 in the differences, which do not look
// there. With ones instead of zeros they do.
bool Directional::hides_a_singularity(const Finding& finding) {
  const bool gradient = claim_.kind == Claim::Kind::gradient;
  const auto filled = [](std::vector<double> numbers) {
    std::replace(numbers.begin(), numbers.end(), 0.0, 1.0);
    return numbers;
  };
  const std::vector<double> move = gradient ? finding.w : filled(move_);
  const std::vector<double> weights = filled(gradient ? weights_ : finding.w);
  return !decided(values_->derivative(move, weights, values_->small_step()));
}

// An infinite derivative is wrong where the slope is far within the range, and so all that it is a product of may be.
bool Directional::certainly_finite(const Finding& finding) const {
  if (!finding.single) return false;
  const double largest = std::max(std::fabs(finding.low), std::fabs(finding.high)) / finding.w[*finding.single];
  return largest < std::sqrt(largest_of(dtype_));
}

void Directional::test(Finding& finding) {
  limits(derivative(*values_, finding), finding);
  finding.judged = decided(finding.along) && std::isfinite(finding.low) && std::isfinite(finding.high);
  if (!finding.judged) {
    finding.reason = decided(finding.along) ? "the slopes are not finite" : finding.along.reason;
    return;
  }
  long double sum = 0, magnitude = 0, weight = 0;
  double largest_claim = 0;
  for (std::size_t i = 0; i < claimed_.size(); ++i) {
    if (finding.w[i] == 0) continue;
    const long double product = static_cast<long double>(finding.w[i]) * static_cast<long double>(claimed_[i]);
    sum += product;
    magnitude += std::fabs(product);
    weight += std::fabs(finding.w[i]);
    largest_claim = std::max(largest_claim, std::fabs(claimed_[i]));
  }
  finding.claimed = static_cast<double>(sum);
  if (std::isinf(largest_claim) && !certainly_finite(finding)) {
    finding.judged = false;
    finding.reason = "possibly beyond the range of the dtype";
    return;
  }
  finding.slack = static_cast<double>(weight) * 4 * smallest_normal_of(dtype_);
  if (std::isfinite(finding.claimed)) {
    finding.slack += rounding_ulps * unit_roundoff_of(dtype_) * static_cast<double>(magnitude);
    finding.inside = finding.admits(finding.claimed);
    if (finding.inside) return;
    if (!noise_) noise_ = std::make_unique<DerivativeNoise>(*engine_, *script_, claim_, sizes_, dtype_);
    const double noise = noise_->of(finding.w);
    if (std::isnan(noise)) {
      finding.judged = false;
      finding.reason = "the derivatives nearby are not finite";
      return;
    }
    finding.slack += noise_bound * noise;
    finding.inside = finding.admits(finding.claimed);
  }
  if (std::isnan(finding.claimed) && hides_a_singularity(finding)) {
    finding.judged = false;
    finding.reason = "undefined where a seed or tangent is zero";
    return;
  }
  if (!finding.inside) admit_kinks(finding);
  if (finding.judged && !finding.inside && values_->dtype() != dtype_) second_opinion(finding);
}

// An engine chooses a slope at each kink of each result. In a sum over results kinks may cancel (max(t, 0) - max(-t, 0)
// is t), or the chosen slopes lie outside those of the sum. So the results' own kinks are added up.
void Directional::admit_kinks(Finding& finding) {
  const bool gradient = claim_.kind == Claim::Kind::gradient;
  if (!gradient && finding.single) return;
  const Kinks kinks = values_->kinks(gradient ? std::span<const double>(finding.w) : move_,
                                     gradient ? std::span<const double>(weights_) : finding.w);
  if (kinks.inside) {
    finding.judged = false;
    finding.reason = "a kink on the way";
    return;
  }
  if (kinks.width == 0) return;
  const double scale = gradient ? 1 : stretch_;
  const double slope = (finding.along.forward.value + finding.along.backward.value) / 2;
  const double error = finding.along.forward.error + finding.along.backward.error;
  finding.along.status = Smoothness::kink;
  finding.low = (slope - kinks.width / 2 - error) / scale;
  finding.high = (slope + kinks.width / 2 + error) / scale;
  finding.inside = finding.admits(finding.claimed);
}

// What f64 excludes may be right in a narrower dtype, whose intermediates leave its range and whose
// scalars are rounded. Only what its own values exclude as well is wrong.
void Directional::second_opinion(Finding& finding) {
  if (!own_values_) own_values_ = std::make_unique<ValuesAlong>(*engine_, value_script(*script_, claim_), dtype_);
  std::vector<double> y;
  std::vector<std::size_t> sizes;
  std::string reason;
  if (own_values_->at_base(y, sizes, reason) && y.size() == y_.size()) {
    Finding own = finding;
    limits(derivative(*own_values_, finding), own);
    if (decided(own.along) && !own.admits(own.claimed)) return;
  }
  finding.judged = false;
  finding.reason = "f64 and the dtype's own values disagree";
}

bool Directional::refused(std::size_t entry, double wrong) const {
  return std::any_of(findings_.begin(), findings_.end(), [&](const Finding& finding) {
    if (!finding.judged || finding.w[entry] == 0) return false;
    return !finding.admits(finding.claimed + finding.w[entry] * (wrong - claimed_[entry]));
  });
}

// 0, -g and 2g in the place of each entry, the others as they are; where g is 0, the largest of the others. At a kink
// any slope in the hull is right: there, what lies outside it by as much as it is wide.
void Directional::plant(Verdict& verdict) const {
  double scale = 0;
  for (const double g : claimed_) {
    if (std::isfinite(g)) scale = std::max(scale, std::fabs(g));
  }
  if (scale == 0) scale = 1;
  for (std::size_t i = 0; i < claimed_.size(); ++i) {
    const double g = claimed_[i];
    std::array<double, 3> wrong = g == 0 ? std::array{scale, -scale, 2 * scale} : std::array{0.0, -g, 2 * g};
    for (const Finding& finding : findings_) {
      if (finding.single != i || finding.along.status != Smoothness::kink) continue;
      const double width = finding.high - finding.low, by = finding.w[i];
      wrong = {(finding.low - width) / by, (finding.high + width) / by, (finding.high + 2 * width) / by};
    }
    const auto caught = std::count_if(wrong.begin(), wrong.end(), [&](double value) { return refused(i, value); });
    // What was not caught is no pass: the entry is undecided, and nothing was claimed of it.
    verdict.planted += static_cast<std::uint64_t>(caught);
    verdict.planted_caught += static_cast<std::uint64_t>(caught);
    if (caught < std::ssize(wrong)) ++verdict.entries_undecided;
  }
}

void Directional::accuse(Verdict& verdict) const {
  const Finding* worst = nullptr;
  for (const Finding& finding : findings_) {
    if (!finding.judged || finding.inside) continue;
    ++verdict.entries_outside;
    const auto rank = [](const Finding& f) { return std::pair(f.excess_radii(), f.single ? 1 : 0); };
    if (worst == nullptr || rank(finding) > rank(*worst)) worst = &finding;
  }
  if (worst == nullptr) return;
  verdict.entries_outside = std::min(verdict.entries_outside, verdict.entries);
  verdict.outcome = Outcome::fail;
  verdict.reason = "outside what differences of the values admit";
  const double excess = worst->excess_radii();
  verdict.severity = excess > wrong_beyond_radii ? Severity::wrong : Severity::inaccurate;
  const std::size_t entry = worst->single.value_or(0);
  const auto [step, element] = place_of(entry);
  verdict.evidence.step = step;
  const double by = worst->single ? worst->w[entry] : 1;
  const double middle = (worst->low + worst->high) / 2 / by;
  verdict.evidence.what =
      worst->single ? describe_entry(*script_, *seen_, step, element) : "<" + describe_step(*script_, step) + ", v>";
  verdict.evidence.expected = fmt::format("{:.9g} ± {:.1e}", middle, std::fabs(worst->radius() / by));
  if (worst->along.status == Smoothness::kink) {
    verdict.evidence.expected = fmt::format("between {:.9g} and {:.9g}", worst->low / by, worst->high / by);
  }
  verdict.evidence.got = fmt::format("{:.9g}", worst->claimed / by);
  verdict.evidence.excess_radii = excess;
  const double beyond = std::fabs(worst->claimed / by - middle) - std::fabs(worst->radius() / by);
  const double unit = unit_roundoff_of(dtype_) * std::fabs(middle);
  verdict.evidence.excess_u = unit > 0 && std::isfinite(beyond) ? beyond / unit : HUGE_VAL;
}

double Directional::resolution() const {
  std::vector<double> widths;
  for (const Finding& finding : findings_) {
    if (finding.judged && finding.claimed != 0) {
      widths.push_back(finding.radius() / (unit_roundoff_of(dtype_) * std::fabs(finding.claimed)));
    }
  }
  if (widths.empty()) return 0;
  const auto middle = widths.begin() + std::ssize(widths) / 2;
  std::nth_element(widths.begin(), middle, widths.end());
  return *middle;
}

// Errors are not for this oracle, but nothing can be said of what was not returned.
bool Directional::all_observed(Verdict& verdict) const {
  for (std::size_t r = 0; r < claim_.readings.size(); ++r) {
    const gp_observation* item = seen_->at(claim_.readings[r].step);
    if (item != nullptr && item->status == GP_UNDEFINED_VALUE) continue;
    verdict.evidence.step = claim_.readings[r].step;
    if (item == nullptr || item->status != GP_VALUE) {
      verdict.outcome = Outcome::inconclusive;
      verdict.reason = "the engine returned no derivative";
      for (const gp_observation& other : seen_->items) {
        if (other.status != GP_ERROR) continue;
        const auto kind = static_cast<gp_error_kind>(other.error);
        if (kind == GP_UNSUPPORTED || kind == GP_UNKNOWN_OPERATOR) verdict.outcome = Outcome::unsupported;
        verdict.reason = std::string(name_of(kind)) + ": " + std::string(seen_->text_of(other));
      }
      return false;
    }
    if (item->elements != sizes_[r]) {
      verdict.outcome = Outcome::fail;
      verdict.severity = Severity::wrong;
      verdict.reason = "another shape";
      verdict.evidence.what = describe_step(*script_, verdict.evidence.step);
      verdict.evidence.expected = std::to_string(sizes_[r]) + " elements";
      verdict.evidence.got = std::to_string(item->elements);
      return false;
    }
  }
  return true;
}

Verdict Directional::judge() {
  Verdict verdict;
  if (const std::string reason = prepare(); !reason.empty()) {
    verdict.outcome = Outcome::unsupported;
    verdict.reason = "not for differences: " + reason;
    return verdict;
  }
  verdict.entries = claimed_.size();
  if (!all_observed(verdict)) return verdict;
  plan_directions();
  for (std::size_t d = 0; d < findings_.size(); ++d) {
    fill_direction(d, findings_[d]);
    test(findings_[d]);
  }
  plant(verdict);
  verdict.resolution_u = resolution();
  accuse(verdict);
  if (verdict.outcome == Outcome::fail || verdict.entries_undecided == 0) return verdict;
  verdict.outcome = Outcome::inconclusive;
  verdict.reason = "too wide";
  for (const Finding& finding : findings_) {
    if (!finding.judged) verdict.reason = finding.reason;
  }
  return verdict;
}

}  // namespace gradproof
