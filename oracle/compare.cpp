#include "oracle/compare.h"

namespace gradproof {

bool same_error(gp_error_kind expected, gp_error_kind got) {
  const auto bad_argument = [](gp_error_kind kind) {
    return kind == GP_SHAPE || kind == GP_DTYPE || kind == GP_INDEX || kind == GP_ARGUMENT || kind == GP_DOMAIN ||
           kind == GP_OTHER;
  };
  // A sweep of no gradient, where the reference has a gradient of zeros.
  const bool of_nothing = expected == GP_NO_GRAD_REQUIRED && got == GP_UNDEFINED;
  return expected == got || of_nothing || (bad_argument(expected) && bad_argument(got));
}

bool Comparer::vanishes(const gp_observation& got) const {
  for (std::uint64_t i = 0; i < got.elements; ++i) {
    if (seen_->element(got, i) != 0) return false;
  }
  return true;
}

void Comparer::entry(std::uint32_t step, std::uint64_t element, const Wide& ball, double got) {
  into_->entries.push_back({step, element, ball, got});
  const double radii = excess_radii(ball, got);
  if (radii == 0) return;
  ++into_->outside;
  if (radii > into_->worst_radii) {
    into_->worst_radii = radii;
    into_->worst = into_->entries.size() - 1;
  }
}

void Comparer::unexpected_error(const gp_observation& got) {
  const auto kind = static_cast<gp_error_kind>(got.error);
  const std::string text = std::string(name_of(kind)) + ": " + std::string(seen_->text_of(got));
  if (got.status != GP_ERROR) return;
  if (kind == GP_UNSUPPORTED || kind == GP_UNKNOWN_OPERATOR) {
    into_->unsupported = true;
    into_->step = got.step;
    into_->reason = text;
    return;
  }
  differs(got.step, Severity::misbehaving, "an error where there is none", "no error", text);
}

void Comparer::errors(gp_error_kind expected, std::string_view text, const gp_observation* got, std::uint32_t step) {
  if (expected == GP_UNSUPPORTED || expected == GP_UNKNOWN_OPERATOR || expected == GP_OUT_OF_MEMORY) {
    into_->beyond_us = true;
    into_->step = step;
    into_->reason = std::string(text);
    return;
  }
  const std::string wanted = std::string("error ") + name_of(expected);
  if (got == nullptr || got->status != GP_ERROR) {
    return differs(step, Severity::misbehaving, "an error was not raised", wanted, "no error");
  }
  const auto kind = static_cast<gp_error_kind>(got->error);
  if (kind == GP_UNSUPPORTED || kind == GP_UNKNOWN_OPERATOR) return unexpected_error(*got);
  if (!same_error(expected, kind)) {
    differs(step, Severity::misbehaving, "another error", wanted,
            std::string(name_of(kind)) + ": " + std::string(seen_->text_of(*got)));
  }
}

void Comparer::differs(std::uint32_t step, Severity severity, std::string reason, std::string expected,
                       std::string got) {
  into_->structural = severity;
  into_->step = step;
  into_->reason = std::move(reason);
  into_->expected = std::move(expected);
  into_->got = std::move(got);
}

}  // namespace gradproof
