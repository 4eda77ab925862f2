// Wrong values planted among the accepted ones: what the enclosure would not refuse it has not decided.
#include <algorithm>
#include <bit>
#include <cmath>

#include "oracle/describe.h"
#include "oracle/search.h"
#include "script/number.h"

namespace gradproof {

// A wrong value at one entry, all others as they are: would any admitted assignment accept it?
template <class B>
bool Enclosure<B>::refuses(const Entry64& entry, double planted) const {
  if (excess_radii(entry.ball, planted) == 0) return false;
  for (const Comparison& other : alternatives_) {
    if (other.structural != Severity::none) continue;
    for (const Entry64& same : other.entries) {
      if (same.step != entry.step || same.element != entry.element) continue;
      const std::uint64_t outside_beside = other.outside - (excess_radii(same.ball, entry.got) > 0 ? 1 : 0);
      if (outside_beside == 0 && excess_radii(same.ball, planted) == 0) return false;
    }
  }
  return true;
}

template <class B>
std::uint64_t Enclosure<B>::plant(const Comparison& run, bool paths_met, Verdict& verdict) {
  double scale = 0;
  for (const Entry64& entry : run.entries) {
    if (std::isfinite(entry.got)) scale = std::max(scale, std::fabs(entry.got));
  }
  if (scale == 0) scale = 1;
  std::uint64_t too_wide = 0;
  if (is_fast && paths_met) {
    native_.prepare(program_);
    native_.tape().drop_a_path = true;
    native_.run(program_.data);
  }
  for (const Entry64& entry : run.entries) {
    bool undecided = std::isinf(entry.ball.rad);
    bool kink = false;  // another admitted slope, not this one's width, is what accepts a planted value
    const auto offer = [&](double value) {
      if (undecided || value == entry.got) return;
      ++verdict.planted;
      if (refuses(entry, value)) {
        ++verdict.planted_caught;
      } else {
        --verdict.planted;
        undecided = true;
        kink = excess_radii(entry.ball, value) > 0;
      }
    };
    if (entry.got == 0 || std::isnan(entry.got)) {
      offer(scale);
      offer(-scale);
    } else {
      offer(0);
      offer(-entry.got);
      offer(2 * entry.got);
    }
    if (is_fast && paths_met) {
      const Seen<Native>* without = native_.at(entry.step);
      if (without != nullptr && without->status == GP_VALUE &&
          entry.element < static_cast<std::uint64_t>(without->value.numel)) {
        const double value = static_cast<double>(without->value.real()[entry.element]);
        // A path that hardly contributes cannot be told from rounding, and need not be.
        if (std::fabs(value - entry.got) > 0x1p-8 * std::max(std::fabs(entry.got), 0x1p-8 * scale)) offer(value);
      }
    }
    if (!undecided) continue;
    ++verdict.entries_undecided;
    too_wide += kink || std::isinf(entry.ball.rad) ? 0 : 1;
    if (verdict.outcome != Outcome::inconclusive) {
      verdict.outcome = Outcome::inconclusive;
      verdict.reason = std::isinf(entry.ball.rad) ? describe_ball(entry.ball)
                       : kink                     ? "at a kink, where several slopes are right"
                                                  : "too wide";
      verdict.evidence.step = entry.step;
    }
  }
  return too_wide;
}

template class Enclosure<Ball<float>>;
template class Enclosure<Ball<double>>;
template class Enclosure<ArbBall<UnderTest>>;

}  // namespace gradproof
