#include "campaign/results.h"

#include <algorithm>
#include <cmath>

namespace gradproof {
namespace {

constexpr double bins_per_octave = 16;
constexpr int smallest_bin = -60 * 16;

void note(std::map<std::string, ReasonCount>& reasons, const std::string& reason, std::uint64_t index) {
  const auto [found, fresh] = reasons.try_emplace(reason.empty() ? "no reason given" : reason, ReasonCount{0, index});
  ++found->second.count;
  if (!fresh) found->second.first_index = std::min(found->second.first_index, index);
}

}  // namespace

void Histogram::add(double number) {
  if (!(number >= 0)) return;
  worst_ = std::max(worst_, number);
  const double clamped = std::clamp(number, 0x1p-60, 0x1p+1000);
  ++bins_[static_cast<int>(std::lround(bins_per_octave * std::log2(clamped)))];
  ++count_;
}

void Histogram::add(const Histogram& other) {
  for (const auto& [bin, count] : other.bins_) bins_[bin] += count;
  count_ += other.count_;
  worst_ = std::max(worst_, other.worst_);
}

double Histogram::quantile(double share) const {
  std::uint64_t below = 0;
  for (const auto& [bin, count] : bins_) {
    below += count;
    if (static_cast<double>(below) < share * static_cast<double>(count_)) continue;
    return bin <= smallest_bin ? 0 : std::exp2(bin / bins_per_octave);
  }
  return 0;
}

Counts& Counts::operator+=(const Counts& other) {
  static constexpr std::uint64_t Counts::*all[] = {&Counts::pass,
                                                   &Counts::wrong,
                                                   &Counts::misbehaving,
                                                   &Counts::inaccurate,
                                                   &Counts::inconclusive,
                                                   &Counts::unsupported,
                                                   &Counts::crash,
                                                   &Counts::timeout,
                                                   &Counts::waived,
                                                   &Counts::internal_error,
                                                   &Counts::entries,
                                                   &Counts::entries_outside,
                                                   &Counts::entries_undecided,
                                                   &Counts::planted,
                                                   &Counts::planted_caught};
  for (const auto count : all) this->*count += other.*count;
  return *this;
}

std::string without_numbers(const std::string& reason) {
  std::string kept;
  bool in_number = false;
  for (const char c : reason) {
    const bool digit = c >= '0' && c <= '9';
    const bool part = digit || (in_number && (c == '.' || c == 'e' || c == '-' || c == '+'));
    if (part && !in_number) {
      if (kept.ends_with("#, ")) {
        kept.resize(kept.size() - 2);  // "[2, 3, 4]" is one number, too
      } else {
        kept += '#';
      }
    }
    if (!part) kept += c;
    in_number = part;
  }
  return kept;
}

Results::Results(const Plan& plan, Waivers& waivers) : plan_(&plan), waivers_(&waivers) {
  for (const Pair& pair : plan.pairs) {
    row_at_.emplace_back();
    coverage_of_.push_back(&coverage_[pair.entry->id()]);
    for (const gp_dtype dtype : pair.dtypes) {
      row_at_.back().push_back(rows_.size());
      rows_.push_back({pair.entry->id(), std::string(pair.property->id()), dtype, {}, {}, {}, {}});
    }
  }
  for (const NotApplicable& skipped : plan.skipped) {
    Row row{skipped.entry->id(), std::string(skipped.property->id()), skipped.dtype, {}, {}, {}, {}};
    row.counts.unsupported = 1;
    note(row.unsupported, skipped.reason, 0);
    rows_.push_back(std::move(row));
  }
}

void Results::add_met(std::uint64_t number, const Met& met) { coverage_of_[plan_->at(number).pair]->add(met); }

CoverageTotal Results::coverage_total() const {
  CoverageTotal total;
  for (const auto& [id, coverage] : coverage_) {
    const Coverage::Counts counts = coverage.counts();
    if (counts.classes == 0) continue;
    ++total.operators;
    total.all_pairs += counts.all_pairs() ? 1 : 0;
    total.pairs += counts.pairs;
    total.pairs_possible += counts.pairs_possible;
  }
  return total;
}

Row& Results::row_of(const Case& which) {
  const auto& dtypes = plan_->pairs[which.pair].dtypes;
  const auto at = static_cast<std::size_t>(std::find(dtypes.begin(), dtypes.end(), which.dtype) - dtypes.begin());
  return rows_[row_at_[which.pair][at]];
}

void Results::add(std::uint64_t number, const Verdict& verdict, const std::string& last_words) {
  const Case which = plan_->at(number);
  Row& row = row_of(which);
  Counts& counts = row.counts;
  counts.entries += verdict.entries;
  counts.entries_outside += verdict.entries_outside;
  counts.entries_undecided += verdict.entries_undecided;
  counts.planted += verdict.planted;
  counts.planted_caught += verdict.planted_caught;
  if (verdict.decided() && verdict.resolution_u > 0) row.resolutions.add(verdict.resolution_u);
  if (verdict.outcome == Outcome::pass) {
    row.errors.add(verdict.error_radii);
    row.worst_errors.add(verdict.worst_error_radii);
  }
  switch (verdict.outcome) {
    case Outcome::pass: ++counts.pass; return;
    case Outcome::waived: ++counts.waived; return;
    case Outcome::inconclusive: ++counts.inconclusive; return note(row.inconclusive, verdict.reason, which.index);
    case Outcome::unsupported: ++counts.unsupported; return note(row.unsupported, verdict.reason, which.index);
    case Outcome::fail:
    case Outcome::crash:
    case Outcome::timeout:
      if (waivers_->waive(row.operator_id, row.property, verdict) != nullptr) {
        ++counts.waived;
        return;
      }
      if (verdict.outcome == Outcome::crash) {
        ++counts.crash;
      } else if (verdict.outcome == Outcome::timeout) {
        ++counts.timeout;
      } else if (verdict.severity == Severity::inaccurate) {
        ++counts.inaccurate;
      } else if (verdict.severity == Severity::misbehaving) {
        ++counts.misbehaving;
      } else {
        ++counts.wrong;
      }
      break;
    case Outcome::internal_error: ++counts.internal_error; break;
  }
  const std::string key =
      row.operator_id + '\n' + row.property + '\n' + kind_of(verdict) + '\n' + without_numbers(verdict.reason);
  const auto [found, fresh] = failures_.try_emplace(key);
  Failure& failure = found->second;
  const std::uint64_t cases = fresh ? 1 : failure.cases + 1;
  if (fresh || number < failure.number) {
    failure = {number, which, row.operator_id, row.property, verdict, last_words, cases, {}, false, {}};
  }
  failure.cases = cases;
}

Counts Results::total() const {
  Counts total;
  for (const Row& row : rows_) total += row.counts;
  return total;
}

Histogram Results::resolutions() const {
  Histogram all;
  for (const Row& row : rows_) all.add(row.resolutions);
  return all;
}

std::vector<Failure*> Results::failures() {
  std::vector<Failure*> sorted;
  for (auto& [key, failure] : failures_) sorted.push_back(&failure);
  std::sort(sorted.begin(), sorted.end(), [](const Failure* a, const Failure* b) { return a->number < b->number; });
  return sorted;
}

std::vector<const Failure*> Results::failures() const {
  std::vector<const Failure*> sorted;
  for (const auto& [key, failure] : failures_) sorted.push_back(&failure);
  std::sort(sorted.begin(), sorted.end(), [](const Failure* a, const Failure* b) { return a->number < b->number; });
  return sorted;
}

}  // namespace gradproof
