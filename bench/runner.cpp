#include "bench/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace gradproof {

namespace {

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds_of(const std::function<void()>& contender, long calls) {
  const double start = processor_seconds();
  for (long i = 0; i < calls; ++i) contender();
  return processor_seconds() - start;
}

long calls_in(const std::function<void()>& contender, double batch) {
  contender();  // what only the first call does, memory taken above all
  for (long calls = 1;; calls *= 4) {
    const double seconds = seconds_of(contender, calls);
    if (seconds >= batch / 4) return std::max(1L, static_cast<long>(static_cast<double>(calls) * batch / seconds));
  }
}

std::string target_of(const Row& row) {
  switch (row.better) {
    case Row::Better::at_least: return fmt::format("≥ {:g}{}", row.target, row.unit);
    case Row::Better::at_most: return fmt::format("≤ {:g}{}", row.target, row.unit);
    case Row::Better::reported: break;
  }
  return "reported";
}

std::string result_of(const Row& row) {
  if (row.skipped) return "not run";
  if (row.better == Row::Better::reported) return "";
  return row.met() ? "met" : "MISSED";
}

}  // namespace

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<double> interleave(std::initializer_list<std::function<void()>> contenders, const Effort& effort) {
  std::vector<long> calls;
  for (const auto& contender : contenders) calls.push_back(calls_in(contender, effort.batch));
  std::vector<std::vector<double>> seen(contenders.size());
  for (int round = 0; round < effort.rounds; ++round) {
    std::size_t i = 0;
    for (const auto& contender : contenders) {
      seen[i].push_back(1e9 * seconds_of(contender, calls[i]) / static_cast<double>(calls[i]));
      ++i;
    }
  }
  std::vector<double> medians;
  medians.reserve(seen.size());
  for (std::vector<double>& times : seen) medians.push_back(median(std::move(times)));
  return medians;
}

std::string table_of(const std::vector<Row>& rows) {
  const Row heads{.what = "what", .measured = "measured"};
  std::size_t what = heads.what.size();
  std::size_t measured = heads.measured.size();
  for (const Row& row : rows) {
    what = std::max(what, row.what.size());
    measured = std::max(measured, row.measured.size());
  }
  std::string text =
      fmt::format("| {:<{}} | {:<{}} | {:<8} | {:<7} |\n", heads.what, what, heads.measured, measured, "target", "");
  text += fmt::format("|{:-<{}}|{:-<{}}|{:-<10}|{:-<9}|\n", "", what + 2, "", measured + 2, "", "");
  for (const Row& row : rows) {
    text += fmt::format("| {:<{}} | {:<{}} | {:<8} | {:<7} |\n", row.what, what,
                        row.skipped ? *row.skipped : row.measured, measured, target_of(row), result_of(row));
  }
  return text;
}

}  // namespace gradproof
