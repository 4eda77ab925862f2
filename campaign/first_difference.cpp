#include "campaign/first_difference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "script/number.h"
#include "script/script.h"

namespace gradproof {
namespace {

std::string as_text(double number) {
  std::string text;
  append_real(text, number, true);
  return text;
}

// Storages of one that are storages of the other, one to one.
class Pairing {
 public:
  bool fits(std::uint64_t a, std::uint64_t b) {
    return to_.try_emplace(a, b).first->second == b && from_.try_emplace(b, a).first->second == a;
  }

 private:
  std::map<std::uint64_t, std::uint64_t> to_;
  std::map<std::uint64_t, std::uint64_t> from_;
};

class Comparison {
 public:
  Comparison(const Observations& expected, const Observations& seen, Sameness sameness)
      : expected_(expected), seen_(seen), loose_(sameness == Sameness::numbers) {}

  std::optional<Difference> first() {
    auto a = expected_.items.begin();
    auto b = seen_.items.begin();
    while (a != expected_.items.end() || b != seen_.items.end()) {
      if (a != expected_.items.end() && may_be_left_out(*a)) {
        ++a;
      } else if (b != seen_.items.end() && may_be_left_out(*b)) {
        ++b;
      } else if (a == expected_.items.end() || (b != seen_.items.end() && b->step < a->step)) {
        return Difference{b->step, "an observation that was not expected"};
      } else if (b == seen_.items.end() || a->step < b->step) {
        return Difference{a->step, "no observation"};
      } else {
        if (const std::string what = difference(*a, *b); !what.empty()) return Difference{a->step, what};
        ++a;
        ++b;
      }
    }
    return {};
  }

 private:
  bool may_be_left_out(const gp_observation& item) const {
    return loose_ && item.status == GP_ERROR && (item.error == GP_NO_GRAD_REQUIRED || item.error == GP_UNDEFINED);
  }
  bool is_zero(const Observations& of, const gp_observation& item) const {
    if (item.status == GP_UNDEFINED_VALUE || item.status == GP_SKIPPED) return true;
    if (item.status != GP_VALUE || !is_floating(static_cast<gp_dtype>(item.dtype))) return false;
    for (std::uint64_t i = 0; i < item.elements; ++i) {
      if (of.element(item, i) != 0) return false;
    }
    return true;
  }

  // "" where there is none.
  std::string difference(const gp_observation& a, const gp_observation& b) {
    if (a.status != b.status) {
      const bool absent = loose_ && is_zero(expected_, a) && is_zero(seen_, b);
      return absent ? "" : "another status";
    }
    if (a.error != b.error || (!loose_ && expected_.text_of(a) != seen_.text_of(b))) return "another error";
    if (a.status != GP_VALUE) return "";
    if (a.dtype != b.dtype) return "another dtype";
    if (a.ndim != b.ndim || !std::equal(a.shape, a.shape + a.ndim, b.shape)) return "another shape";
    if (!loose_ && a.version != b.version) return "another version";
    if (!loose_ && !storages_.fits(a.storage, b.storage)) return "memory shared otherwise";
    return elements(a, b);
  }
  std::string elements(const gp_observation& a, const gp_observation& b) const {
    if (!is_floating(static_cast<gp_dtype>(a.dtype))) {
      const auto left = expected_.bytes_of(a);
      const auto right = seen_.bytes_of(b);
      return std::equal(left.begin(), left.end(), right.begin(), right.end()) ? "" : "other elements";
    }
    for (std::uint64_t i = 0; i < a.elements; ++i) {
      const double x = expected_.element(a, i);
      const double y = seen_.element(b, i);
      if (x != y && !(std::isnan(x) && std::isnan(y)))
        return "[" + std::to_string(i) + "]: " + as_text(y) + ", not " + as_text(x);
    }
    return "";
  }

  const Observations& expected_;
  const Observations& seen_;
  bool loose_;
  Pairing storages_;
};

}  // namespace

std::optional<Difference> first_difference(const Observations& expected, const Observations& seen, Sameness sameness) {
  return Comparison(expected, seen, sameness).first();
}

double largest_deviation_u(const Observations& expected, const Observations& seen) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  double largest = 0;
  if (expected.items.size() != seen.items.size()) return infinite;
  for (std::size_t k = 0; k < expected.items.size(); ++k) {
    const gp_observation& a = expected.items[k];
    const gp_observation& b = seen.items[k];
    const auto dtype = static_cast<gp_dtype>(a.dtype);
    if (a.status != b.status || a.elements != b.elements || a.dtype != b.dtype) return infinite;
    if (a.status != GP_VALUE || (dtype != GP_F32 && dtype != GP_F64)) continue;
    const double u = dtype == GP_F32 ? 0x1p-24 : 0x1p-53;
    double size = 0;
    double off = 0;
    for (std::uint64_t i = 0; i < a.elements; ++i) {
      const double x = expected.element(a, i);
      const double y = seen.element(b, i);
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      if (!std::isfinite(x) || !std::isfinite(y)) return infinite;
      off = std::max(off, std::fabs(x - y));
    }
    for (std::uint64_t i = 0; off > 0 && i < a.elements; ++i) {
      if (std::isfinite(expected.element(a, i))) size = std::max(size, std::fabs(expected.element(a, i)));
    }
    if (off > 0) largest = std::max(largest, off / (u * size));
  }
  return largest;
}

}  // namespace gradproof
