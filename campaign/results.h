// What a check has found so far.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "campaign/plan.h"
#include "campaign/waivers.h"
#include "oracle/verdict.h"

namespace gradproof {

// Of numbers that are not negative, in sixteenths of an octave; below 2^-60 they count as 0.
class Histogram {
 public:
  void add(double number);
  void add(const Histogram& other);
  double quantile(double share) const;  // 0 where there is none; within 2.2 %
  double median() const { return quantile(0.5); }
  double worst() const { return worst_; }

 private:
  std::map<int, std::uint64_t> bins_;
  std::uint64_t count_ = 0;
  double worst_ = 0;
};

struct ReasonCount {
  std::uint64_t count = 0;
  std::uint64_t first_index = 0;  // of a case it was given for
};

struct Counts {
  std::uint64_t pass = 0;
  std::uint64_t wrong = 0;  // the three severities of a failure
  std::uint64_t misbehaving = 0;
  std::uint64_t inaccurate = 0;
  std::uint64_t inconclusive = 0;
  std::uint64_t unsupported = 0;
  std::uint64_t crash = 0;
  std::uint64_t timeout = 0;
  std::uint64_t waived = 0;
  std::uint64_t internal_error = 0;
  std::uint64_t entries = 0;
  std::uint64_t entries_outside = 0;
  std::uint64_t entries_undecided = 0;
  std::uint64_t planted = 0;
  std::uint64_t planted_caught = 0;

  std::uint64_t fail() const { return wrong + misbehaving + inaccurate; }
  std::uint64_t cases() const {
    return pass + fail() + inconclusive + unsupported + crash + timeout + waived + internal_error;
  }
  // Of how many it is known whether they are right.
  std::uint64_t decided() const { return pass + fail() + crash + timeout; }
  Counts& operator+=(const Counts& other);
};

struct Row {
  std::string operator_id{};
  std::string property{};
  gp_dtype dtype = GP_F32;
  Counts counts{};
  Histogram resolutions{};   // of decided cases, in u
  Histogram errors{};        // over the radii: the median of each case,
  Histogram worst_errors{};  // and the greatest of each
  std::map<std::string, ReasonCount> inconclusive{};
  std::map<std::string, ReasonCount> unsupported{};
};

// A witness as a program of its own (campaign/reproduce.h), or why it is none.
struct WitnessProgram {
  std::string extension{};  // ".cpp"
  std::string text{};
  std::string refusal{};
  std::string file{};  // where it was written; "" where it was not
};

// The first case (by number) of those that fail alike: same operator, property, kind and reason but for numbers.
struct Failure {
  std::uint64_t number = 0;
  Case which{};
  std::string operator_id{};
  std::string property{};
  Verdict verdict{};
  std::string last_words{};  // of a child that died
  std::uint64_t cases = 1;
  std::string script{};  // the shrunk witness
  bool shrunk = false;
  std::string file{};  // where it was written; "" where it was not
  std::vector<WitnessProgram> programs{};
};

// "3 of 17 entries" and "5 of 9 entries" are one reason, and so are shapes of any number of dims.
std::string without_numbers(const std::string& reason);

// Pairs of classes that cases were of, over all operators.
struct CoverageTotal {
  std::uint64_t operators = 0;
  std::uint64_t all_pairs = 0;  // operators of which no pair is missing
  std::uint64_t pairs = 0;
  std::uint64_t pairs_possible = 0;
};

class Results {
 public:
  Results(const Plan& plan, Waivers& waivers);
  void add(std::uint64_t number, const Verdict& verdict, const std::string& last_words = {});
  // What classes a case is of.
  void add_met(std::uint64_t number, const Met& met);

  const std::vector<Row>& rows() const { return rows_; }
  Counts total() const;
  // By operator id, of those that any case was made for.
  const std::map<std::string, Coverage>& coverage() const { return coverage_; }
  CoverageTotal coverage_total() const;
  Histogram resolutions() const;
  // By case number. The pointers stay valid.
  std::vector<Failure*> failures();
  std::vector<const Failure*> failures() const;

 private:
  Row& row_of(const Case& which);

  const Plan* plan_;
  Waivers* waivers_;
  std::vector<Row> rows_;
  std::vector<std::vector<std::size_t>> row_at_;  // by pair and its dtypes
  std::map<std::string, Failure> failures_;
  std::map<std::string, Coverage> coverage_;
  std::vector<Coverage*> coverage_of_;  // by pair
};

}  // namespace gradproof
