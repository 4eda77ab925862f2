// Holding an engine's observations against one run of the reference on enclosures.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "engine/interpreter.h"
#include "engine/scalars/scalar_all.h"
#include "engine/undecided.h"
#include "oracle/judge.h"

namespace gradproof {

using Wide = Judge::Ball64;

template <class D>
Wide widen(const Ball<D>& ball) {
  return {static_cast<long double>(ball.mid), static_cast<long double>(ball.rad)};
}

template <class D>
Wide widen(const ArbBall<D>& ball) {
  const auto [mid, rad] = ball.enclosure();
  return {mid, rad};
}

// How far a result lies outside an enclosure, in radii; 0 inside, infinite beside an exact one.
inline double excess_radii(const Wide& ball, double got) {
  if (std::isinf(ball.rad)) return 0;
  const bool special = !std::isfinite(ball.mid);
  if (special) {
    const bool same = std::isnan(ball.mid) ? std::isnan(got) : static_cast<long double>(got) == ball.mid;
    return same ? 0 : HUGE_VAL;
  }
  if (!std::isfinite(got)) return HUGE_VAL;
  const long double distance = std::fabs(static_cast<long double>(got) - ball.mid);
  if (distance <= ball.rad) return 0;
  return ball.rad == 0 ? HUGE_VAL : static_cast<double>(distance / ball.rad);
}

struct Entry64 {
  std::uint32_t step = 0;
  std::uint64_t element = 0;
  Wide ball{};
  double got = 0;
};

// The result of holding all observations against one run.
struct Comparison {
  // Differences that are not of numbers: an error missing, another shape. The first one decides.
  Severity structural = Severity::none;
  bool unsupported = false;  // by the engine
  bool beyond_us = false;    // the reference itself cannot do it
  std::uint32_t step = 0;
  std::string reason{}, expected{}, got{};

  std::vector<Entry64> entries{};  // all floating ones, in order
  std::uint64_t outside = 0;
  std::size_t worst = 0;  // among entries
  double worst_radii = 0;

  bool accepts() const { return structural == Severity::none && !unsupported && !beyond_us && outside == 0; }
};

// Errors that engines tell apart differently are one family; those of the life cycle are not.
bool same_error(gp_error_kind expected, gp_error_kind got);

class Comparer {
 public:
  // `multiplier`: of every radius, for an engine that declares budgets so much wider (EngineInfo).
  Comparer(const Observations& seen, double multiplier, Comparison& into)
      : seen_(&seen), multiplier_(multiplier), into_(&into) {}

  template <class T>
  void compare(const std::vector<Seen<T>>& expected, gp_dtype dtype);

 private:
  template <class T>
  void pair(const Seen<T>& expected, const gp_observation& got, gp_dtype dtype);
  template <class T>
  void values(const Seen<T>& expected, const gp_observation& got, gp_dtype dtype);
  template <class T>
  bool vanishes(const Seen<T>& expected) const;
  bool vanishes(const gp_observation& got) const;
  void entry(std::uint32_t step, std::uint64_t element, const Wide& ball, double got);
  void unexpected_error(const gp_observation& got);
  void errors(gp_error_kind expected, std::string_view text, const gp_observation* got, std::uint32_t step);
  void differs(std::uint32_t step, Severity severity, std::string reason, std::string expected, std::string got);

  const Observations* seen_;
  long double multiplier_;
  Comparison* into_;
};

template <class T>
void Comparer::compare(const std::vector<Seen<T>>& expected, gp_dtype dtype) {
  std::size_t e = 0;
  std::size_t g = 0;
  const auto going = [this] { return into_->structural == Severity::none && !into_->unsupported && !into_->beyond_us; };
  while (going() && (e < expected.size() || g < seen_->items.size())) {
    const std::uint32_t at_e = e < expected.size() ? expected[e].step : UINT32_MAX;
    const std::uint32_t at_g = g < seen_->items.size() ? seen_->items[g].step : UINT32_MAX;
    if (at_e < at_g) {
      const Seen<T>& one = expected[e++];
      if (one.status == GP_ERROR)
        errors(one.error, one.text, nullptr, one.step);
      else
        differs(one.step, Severity::misbehaving, "a value was not observed", "a value", "nothing");
    } else if (at_g < at_e) {
      unexpected_error(seen_->items[g++]);
    } else {
      pair(expected[e++], seen_->items[g++], dtype);
    }
  }
}

template <class T>
void Comparer::pair(const Seen<T>& expected, const gp_observation& got, gp_dtype dtype) {
  if (expected.status == GP_ERROR) return errors(expected.error, expected.text, &got, expected.step);
  if (got.status == GP_ERROR) return unexpected_error(got);
  if (expected.status == GP_SKIPPED || got.status == GP_SKIPPED) {
    if (expected.status != got.status) differs(expected.step, Severity::misbehaving, "a value is missing", "", "");
    return;
  }
  if (expected.status == GP_VALUE && got.status == GP_VALUE) return values(expected, got, dtype);
  if (expected.status == got.status) return;
  // No gradient and a gradient of zeros say the same.
  if (expected.status == GP_VALUE && !vanishes(expected)) {
    differs(expected.step, Severity::wrong, "no gradient where there is one", "a value", "undefined");
  } else if (got.status == GP_VALUE && !vanishes(got)) {
    differs(expected.step, Severity::wrong, "a gradient where there is none", "undefined", "a value");
  }
}

template <class T>
bool Comparer::vanishes(const Seen<T>& expected) const {
  if (expected.value.kind != Kind::real) return false;
  for (Index i = 0; i < expected.value.numel; ++i) {
    const Wide ball = widen(expected.value.real()[i]);
    if (!(std::fabs(ball.mid) <= ball.rad)) return false;
  }
  return true;
}

template <class T>
void Comparer::values(const Seen<T>& expected, const gp_observation& got, gp_dtype dtype) {
  const Tensor<T>& value = expected.value;
  const Sizes got_sizes{got.shape, got.ndim};
  if (!same_sizes(value.sizes(), got_sizes)) {
    return differs(expected.step, Severity::wrong, "another shape", to_text(value.sizes()), to_text(got_sizes));
  }
  const gp_dtype wanted = value.kind == Kind::real ? dtype : value.kind == Kind::integer ? GP_I64 : GP_BOOL;
  if (got.dtype != wanted) {
    return differs(expected.step, Severity::wrong, "another dtype", name_of(wanted),
                   name_of(static_cast<gp_dtype>(got.dtype)));
  }
  for (Index i = 0; i < value.numel; ++i) {
    const auto element = static_cast<std::uint64_t>(i);
    const double number = seen_->element(got, element);
    if (value.kind == Kind::real) {
      Wide ball = widen(value.real()[i]);
      ball.rad *= multiplier_;
      entry(expected.step, element, ball, number);
      continue;
    }
    const bool boolean = value.kind == Kind::boolean;
    if (boolean ? value.booleans()[i] == Truth::unknown : value.integers()[i] == undecided) continue;
    const double right =
        boolean ? (value.booleans()[i] == Truth::yes ? 1 : 0) : static_cast<double>(value.integers()[i]);
    if (number != right) {
      return differs(expected.step, Severity::wrong, "another integer", std::to_string(right), std::to_string(number));
    }
  }
}

}  // namespace gradproof
