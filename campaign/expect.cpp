#include "campaign/expect.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <set>

#include "script/number.h"

namespace gradproof {
namespace {

using Kind = ScriptFinding::Kind;

std::string shape_text(std::span<const Index> shape) {
  std::string text = "[";
  for (std::size_t d = 0; d < shape.size(); ++d) text += (d > 0 ? "," : "") + std::to_string(shape[d]);
  return text + "]";
}

// Half a unit of the last digit printed: "1.25e-5" is known to 0.005e-5, "6" to 0.5.
long double half_unit(const std::string& number) {
  const std::size_t e = number.find_first_of("eE");
  const std::string mantissa = number.substr(0, e);
  const std::size_t point = mantissa.find('.');
  const auto decimals = point == std::string::npos ? 0 : static_cast<long double>(mantissa.size() - point - 1);
  const long double exponent = e == std::string::npos ? 0 : std::strtold(number.c_str() + e + 1, nullptr);
  return 0.5L * std::pow(10.0L, exponent - decimals);
}

bool agrees_in_digits(const std::string& number, double got) {
  if (number == "true" || number == "false") return got == (number == "true" ? 1 : 0);
  const long double wanted = std::strtold(number.c_str(), nullptr);
  if (std::isnan(wanted)) return std::isnan(got);
  if (std::isinf(wanted)) return got == static_cast<double>(wanted);
  // The decimal itself is rounded when it is read: a hair more than the half unit.
  return std::fabs(static_cast<long double>(got) - wanted) <= half_unit(number) * (1 + 1e-9L);
}

class Checker {
 public:
  Checker(const Script& script, const Observations& seen, Judge& judge) : script_(script), seen_(seen), judge_(judge) {}

  std::vector<ScriptFinding> run() {
    // What is missing comes first: it is why the rest is.
    unexpected_errors();
    for (const Expectation& expectation : script_.expectations) {
      ScriptFinding finding = check(expectation);
      finding.line = expectation.line;
      if (finding.kind == Kind::fail && first_missing() < expectation.step) finding.kind = Kind::unsupported;
      findings_.push_back(std::move(finding));
    }
    return std::move(findings_);
  }

 private:
  static ScriptFinding fail(std::string text) { return {Kind::fail, 0, std::move(text)}; }

  std::string subject(std::uint32_t step) const {
    const auto value = static_cast<ValueId>(script_.args_of(script_.steps[step])[0].u.index);
    for (const gp_step& maker : script_.steps) {
      const bool made = maker.result_count > 0 && maker.first_result == value;
      if (made && maker.kind == GP_GRAD_OF && (value >= script_.names.size() || script_.names[value].empty())) {
        return script_.name(static_cast<ValueId>(script_.args_of(maker)[0].u.index)) + ".grad";
      }
    }
    return script_.name(value);
  }

  std::string error_text(const gp_observation& item) const {
    return std::string("error ") + name_of(static_cast<gp_error_kind>(item.error)) + ": " +
           std::string(seen_.text_of(item).substr(0, 200));
  }

  ScriptFinding check(const Expectation& expectation) {
    if (expectation.kind == Expectation::Kind::error) return check_error(expectation);
    const std::string what = subject(expectation.step) + ": ";
    const gp_observation* item = seen_.at(expectation.step);
    if (item == nullptr) return fail(what + "nothing was seen");
    if (item->status == GP_SKIPPED) return {skipped_kind(), 0, what + "not made, for an earlier step failed"};
    if (item->status == GP_ERROR) return fail(what + error_text(*item));
    if (expectation.kind == Expectation::Kind::undefined) {
      return item->status == GP_UNDEFINED_VALUE ? ScriptFinding{} : fail(what + "expected undefined, got a value");
    }
    if (item->status != GP_VALUE) return fail(what + "expected a value, got undefined");
    switch (expectation.kind) {
      case Expectation::Kind::exact:
      case Expectation::Kind::digits: return check_numbers(expectation, *item, what);
      case Expectation::Kind::enclosed: return check_enclosed(expectation.step, *item, what);
      case Expectation::Kind::unwritten:
      case Expectation::Kind::written: return check_written(expectation, what);
      case Expectation::Kind::shares:
      case Expectation::Kind::separate: return check_memory(expectation, *item, what);
      default: return {};
    }
  }

  // Where an operator is missing, what depends on it is not known to be wrong.
  Kind skipped_kind() const { return first_missing() < GP_NO_VALUE ? Kind::unsupported : Kind::fail; }

  // The first step that the engine cannot do; GP_NO_VALUE where it can do all.
  std::uint32_t first_missing() const {
    for (const gp_observation& item : seen_.items) {
      const bool missing = item.error == GP_UNSUPPORTED || item.error == GP_UNKNOWN_OPERATOR;
      if (item.status == GP_ERROR && missing) return item.step;
    }
    return GP_NO_VALUE;
  }

  ScriptFinding check_error(const Expectation& expectation) const {
    const gp_observation* item = seen_.at(expectation.step);
    const std::string wanted = std::string("expected error ") + name_of(expectation.error);
    if (item == nullptr || item->status != GP_ERROR) return fail(wanted + ", the step succeeded");
    if (item->error == expectation.error) return {};
    if (item->error == GP_UNSUPPORTED) return {Kind::unsupported, 0, error_text(*item)};
    return fail(wanted + ", got " + error_text(*item));
  }

  ScriptFinding check_numbers(const Expectation& expectation, const gp_observation& item,
                              const std::string& what) const {
    const auto dtype = static_cast<gp_dtype>(item.dtype);
    const std::span<const Index> shape(item.shape, item.ndim);
    if (expectation.dtype && *expectation.dtype != dtype) {
      return fail(what + "expected " + name_of(*expectation.dtype) + ", got " + name_of(dtype));
    }
    if (expectation.shaped &&
        !std::equal(shape.begin(), shape.end(), expectation.shape.begin(), expectation.shape.end())) {
      return fail(what + "expected shape " + shape_text(expectation.shape) + ", got " + shape_text(shape));
    }
    if (expectation.numbers.size() != item.elements) {
      return fail(what + "expected " + std::to_string(expectation.numbers.size()) + " numbers, got " +
                  std::to_string(item.elements));
    }
    const bool exact = expectation.kind == Expectation::Kind::exact;
    for (std::size_t i = 0; i < item.elements; ++i) {
      const std::string& number = expectation.numbers[i];
      if (exact ? same_bits(number, item, i) : agrees_in_digits(number, seen_.element(item, i))) continue;
      std::string got;
      append_number(got, dtype, seen_.data.data() + item.data + i * size_of(dtype));
      std::array<char, 40> decimal{};
      std::snprintf(decimal.data(), decimal.size(), " (%.9g)", seen_.element(item, i));
      std::string text = subject(expectation.step);
      if (item.elements > 1) text.append("[").append(std::to_string(i)).append("]");
      text.append(": expected ").append(number).append(", got ").append(got);
      if (got.find('x') != std::string::npos) text.append(decimal.data());
      return fail(std::move(text));
    }
    return {};
  }

  bool same_bits(const std::string& number, const gp_observation& item, std::size_t i) const {
    const auto dtype = static_cast<gp_dtype>(item.dtype);
    std::array<std::uint8_t, 8> bytes{};
    if (!store_number(dtype, number, bytes.data())) return false;
    if (std::isnan(seen_.element(item, i))) return number.find("nan") != std::string::npos;
    return std::memcmp(bytes.data(), seen_.data.data() + item.data + i * size_of(dtype), size_of(dtype)) == 0;
  }

  ScriptFinding check_enclosed(std::uint32_t step, const gp_observation& item, const std::string& what) {
    if (!judged_) judge_.judge(script_, seen_);
    judged_ = true;
    for (std::uint64_t i = 0; i < item.elements; ++i) {
      const Judge::Ball64 ball = judge_.enclosure(step, i);
      const auto got = static_cast<long double>(seen_.element(item, i));
      const bool special = !std::isfinite(ball.mid);
      const bool inside =
          special ? (std::isnan(ball.mid) ? std::isnan(got) : got == ball.mid) : std::fabs(got - ball.mid) <= ball.rad;
      if (!special && std::isinf(ball.rad)) {
        return {Kind::inconclusive, 0, what + "element " + std::to_string(i) + " has no bounded enclosure"};
      }
      if (inside) continue;
      std::array<char, 120> text{};
      std::snprintf(text.data(), text.size(), "element %llu: expected %.12Lg ± %.2Lg, got %.12Lg",
                    static_cast<unsigned long long>(i), ball.mid, ball.rad, got);
      return fail(what + text.data());
    }
    return {};
  }

  ScriptFinding check_written(const Expectation& expectation, const std::string& what) {
    const bool any = judge_.unwritten(script_, expectation.step);
    if (any == (expectation.kind == Expectation::Kind::unwritten)) return {};
    return fail(what + (any ? "depends on memory nobody wrote" : "does not depend on memory nobody wrote"));
  }

  ScriptFinding check_memory(const Expectation& expectation, const gp_observation& item,
                             const std::string& what) const {
    const gp_observation* other = seen_.at(expectation.other_step);
    if (other == nullptr || other->status != GP_VALUE) return fail(what + "the other value was not seen");
    const std::string name = subject(expectation.other_step);
    if (item.storage == 0 || other->storage == 0) {
      return {Kind::unsupported, 0, what + "the engine does not tell which memory it uses"};
    }
    const bool shares = item.storage == other->storage;
    if (shares == (expectation.kind == Expectation::Kind::shares)) return {};
    return fail(what + (shares ? "shares memory with " : "does not share memory with ") + name);
  }

  void unexpected_errors() {
    std::set<std::uint32_t> expected;
    for (const Expectation& expectation : script_.expectations) {
      if (expectation.kind == Expectation::Kind::error) expected.insert(expectation.step);
    }
    for (const gp_observation& item : seen_.items) {
      if (item.status != GP_ERROR || expected.contains(item.step)) continue;
      const bool missing = item.error == GP_UNSUPPORTED || item.error == GP_UNKNOWN_OPERATOR;
      findings_.push_back({missing ? Kind::unsupported : Kind::fail, script_.steps[item.step].line, error_text(item)});
    }
  }

  const Script& script_;
  const Observations& seen_;
  Judge& judge_;
  std::vector<ScriptFinding> findings_;
  bool judged_ = false;
};

}  // namespace

std::vector<ScriptFinding> check_expectations(const Script& script, const Observations& seen, Judge& judge) {
  return Checker(script, seen, judge).run();
}

}  // namespace gradproof
