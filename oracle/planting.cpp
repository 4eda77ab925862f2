// Wrong values planted among the accepted ones: what the enclosure would not refuse it has not decided.
#include <algorithm>
#include <bit>
#include <cmath>

#include "oracle/describe.h"
#include "oracle/search.h"
#include "script/number.h"

namespace gradproof {

namespace {

// One accepted case in so many: a whole corrupted observation goes through the judge.
constexpr std::uint64_t self_test_one_in = 16;

// A number of the observations alone, so that what is tested does not depend on the cases before.
std::uint64_t draw_from(const Comparison& run) {
  std::uint64_t mixed = 0x9e3779b97f4a7c15U;
  for (const Entry64& entry : run.entries) {
    mixed = (mixed ^ std::bit_cast<std::uint64_t>(entry.got)) * 0xff51afd7ed558ccdU;
    mixed ^= mixed >> 33U;
  }
  return mixed;
}

}  // namespace

template <class B>
void Enclosure<B>::other_plans(const Observations& seen) {
  const std::vector<std::uint8_t> mine = plan_;
  std::vector<std::uint8_t> plan;
  Comparison first = attempt(balls_, {}, admitted_, seen);
  if (!mine.empty()) alternatives_.push_back(std::move(first));
  while (next_plan(balls_.tape().choices, plan) && alternatives_.size() < most_plans) {
    if (plan == mine) {
      attempt(balls_, plan, admitted_, seen);
      continue;
    }
    alternatives_.push_back(attempt(balls_, plan, admitted_, seen));
  }
}

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
void Enclosure<B>::plant(const Comparison& run, bool paths_met, Verdict& verdict) {
  double scale = 0;
  for (const Entry64& entry : run.entries) {
    if (std::isfinite(entry.got)) scale = std::max(scale, std::fabs(entry.got));
  }
  if (scale == 0) scale = 1;
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
    if (verdict.outcome != Outcome::inconclusive) {
      verdict.outcome = Outcome::inconclusive;
      verdict.reason = std::isinf(entry.ball.rad) ? describe_ball(entry.ball)
                       : kink                     ? "at a kink, where several slopes are right"
                                                  : "too wide";
      verdict.evidence.step = entry.step;
    }
  }
}

template <class B>
void Enclosure<B>::self_test(const Comparison& run, const Observations& seen, Verdict& verdict) {
  const std::uint64_t drawn = draw_from(run);
  if (run.entries.empty() || drawn % self_test_one_in != 0) return;
  const Entry64& victim = run.entries[drawn / self_test_one_in % run.entries.size()];
  Observations corrupted = seen;
  const gp_observation* item = corrupted.at(victim.step);
  if (!std::isfinite(victim.got)) return;
  std::uint8_t* element = corrupted.data.data() + item->data + victim.element * size_of(format_->dtype);
  store_real(format_->dtype, victim.got == 0 ? format_->max / 2 : -victim.got, element);
  const std::vector<std::uint8_t> plan = plan_;
  bool exhausted = true;
  const Comparison again = search(balls_, admitted_, corrupted, exhausted);
  plan_ = plan;
  ++verdict.planted;
  if (!again.accepts()) {
    ++verdict.planted_caught;
    return;
  }
  verdict.outcome = Outcome::internal_error;
  verdict.reason = "a planted wrong value was accepted";
}

template class Enclosure<Ball<float>>;
template class Enclosure<Ball<double>>;
template class Enclosure<ArbBall<UnderTest>>;

}  // namespace gradproof
