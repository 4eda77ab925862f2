// Times several ways of doing a thing against each other on a machine that others use too.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace gradproof {

// Medians over rounds in which every contender runs once, one after the other, for about `batch` seconds each; in
// nanoseconds of processor time a call, all threads together.
struct Effort {
  int rounds = 31;
  double batch = 2e-3;
};
std::vector<double> interleave(std::initializer_list<std::function<void()>> contenders, const Effort& effort);

double median(std::vector<double> values);

// One line of the table. `better` says on which side of the target a measurement is good.
struct Row {
  enum class Better { at_least, at_most, reported };
  std::string what{};
  std::string measured{};
  double value = 0;
  Better better = Better::reported;
  double target = 0;
  std::string unit = "×";                // of the target
  std::optional<std::string> skipped{};  // why it was not measured

  bool met() const { return better == Better::at_least ? value >= target : value <= target; }
};

// Rows under their heads, in columns.
std::string table_of(const std::vector<Row>& rows);

}  // namespace gradproof
