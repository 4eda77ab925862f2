#include "properties/draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "engine/scalars/number_format.h"

namespace gradproof {

namespace {

double rounded(gp_dtype dtype, double x) { return rounded_to(format_of(dtype), x); }

bool holds(const Domain& domain, double x) {
  const bool above = domain.low_open ? x > domain.low : x >= domain.low;
  const bool below = domain.high_open ? x < domain.high : x <= domain.high;
  return above && below;
}

}  // namespace

double ulp(gp_dtype dtype, double x) {
  const NumberFormat& format = format_of(dtype);
  const double magnitude = std::max(std::fabs(x), format.least_normal);
  return std::ldexp(1.0, std::ilogb(magnitude) + 1 - format.digits);
}

double within(gp_dtype dtype, const Domain& domain, double x) {
  const double largest = format_of(dtype).max;
  x = rounded(dtype, std::clamp(x, -largest, largest));
  if (holds(domain, x)) return x;
  const bool low = !(x > domain.low) || !std::isfinite(domain.high);
  double edge = rounded(dtype, low ? domain.low : domain.high);
  for (int i = 0; i < 4 && !holds(domain, edge); ++i) {
    // A step off zero lands among ordinary numbers: subnormal ones are asked for by name.
    const double step = edge == 0 ? 0x1p-12 : ulp(dtype, edge);
    edge = rounded(dtype, low ? edge + step : edge - step);
  }
  return edge;
}

Index RandomDraw::integer(Index low, Index high) {
  const auto range = static_cast<std::uint64_t>(high - low) + 1;
  if (range == 0 || range > 0xffffffffU) return low + static_cast<Index>(range == 0 ? bits() : bits() % range);
  // The high half of a product: biased by less than 2^-28 for the small ranges drawn here.
  return low + static_cast<Index>(((bits() >> 32U) * range) >> 32U);
}

double RandomDraw::moderate(gp_dtype dtype, const Domain& domain) {
  const bool from_low = std::isfinite(domain.low);
  const bool from_high = std::isfinite(domain.high);
  if (from_low && from_high) return within(dtype, domain, uniform(domain.low, domain.high));
  const double magnitude = std::exp2(uniform(-3, 3));
  if (from_low) return within(dtype, domain, domain.low + magnitude);
  if (from_high) return within(dtype, domain, domain.high - magnitude);
  return within(dtype, domain, percent(50) ? magnitude : -magnitude);
}

double RandomDraw::small_integer(gp_dtype dtype, const Domain& domain) {
  return within(dtype, domain, static_cast<double>(integer(-3, 3)));
}

std::vector<Mark> marks_of(gp_dtype dtype, const Aim& aim) {
  std::vector<Mark> marks;
  const auto note = [&](double x, bool jump) {
    if (std::isfinite(x)) marks.push_back({rounded(dtype, x), jump});
  };
  note(aim.domain.low, false);
  note(aim.domain.high, false);
  if (aim.record == nullptr) return marks;
  const auto note_all = [&](const std::vector<Landmark>& landmarks, bool jump) {
    for (const Landmark& landmark : landmarks) {
      if (landmark.arg == aim.arg) note(landmark.at, jump);
    }
  };
  note_all(aim.record->kinks, false);
  note_all(aim.record->jumps, true);
  note_all(aim.record->special, false);
  return marks;
}

double RandomDraw::near_landmark(gp_dtype dtype, const Aim& aim) {
  const std::vector<Mark> marks = marks_of(dtype, aim);
  if (marks.empty()) return percent(50) ? within(dtype, aim.domain, 0) : small_integer(dtype, aim.domain);
  const Mark mark = pick(marks);
  // Nothing can be decided on a jump, so most draws keep beside it.
  if (percent(mark.jump ? 5 : 40)) return within(dtype, aim.domain, mark.at);
  return beside(dtype, aim.domain, mark.at);
}

double RandomDraw::beside(gp_dtype dtype, const Domain& domain, double mark) {
  const double side = percent(50) ? 1 : -1;
  const double step =
      mark == 0 || percent(40) ? std::exp2(-uniform(2, 14)) : static_cast<double>(integer(1, 3)) * ulp(dtype, mark);
  return within(dtype, domain, mark + side * step);
}

double RandomDraw::tail(gp_dtype dtype, const Domain& domain) {
  const double magnitude = std::exp2(uniform(3, 6));
  return within(dtype, domain, percent(50) ? magnitude : -magnitude);
}

double RandomDraw::extreme(gp_dtype dtype, const Domain& domain) {
  const auto [low, most] = std::pair(format_of(dtype).least_normal, format_of(dtype).max);
  const std::array<double, 6> all{low, -low, low / 4, most / 4, -most / 4, std::sqrt(most)};
  return within(dtype, domain, pick(all));
}

double RandomDraw::dyadic() { return static_cast<double>(integer(-8, 8)) / 4; }

double RandomDraw::remembered(gp_dtype dtype, const Domain& domain) {
  return recent_.empty() ? small_integer(dtype, domain) : within(dtype, domain, pick(recent_));
}

double RandomDraw::special(gp_dtype dtype, const Aim& aim) {
  const Index which = integer(0, 99);
  if (which < 40) return near_landmark(dtype, aim);
  if (which < 55) return remembered(dtype, aim.domain);
  if (which < 70) return within(dtype, aim.domain, percent(50) ? 1 : -1);
  if (which < 85) return within(dtype, aim.domain, 0);
  return tail(dtype, aim.domain);
}

std::optional<std::vector<Index>> RandomDraw::wanted_shape(Index min_dims, Index max_dims, bool may_be_empty) {
  if (asked_) {
    const bool empty = std::count(asked_->begin(), asked_->end(), 0) != 0;
    const bool fits = std::ssize(*asked_) >= min_dims && std::ssize(*asked_) <= max_dims && (may_be_empty || !empty);
    return fits ? asked_ : std::nullopt;
  }
  const auto asked = wanted_.get<ShapeClass>(Axis::shape);
  if (!asked) return std::nullopt;
  const auto some_of = [&](Index least, Index most, Index low, Index high) -> std::optional<std::vector<Index>> {
    least = std::max(least, min_dims);
    most = std::min(most, max_dims);
    if (least > most) return std::nullopt;
    std::vector<Index> sizes(static_cast<std::size_t>(integer(least, most)));
    for (Index& size : sizes) size = integer(low, high);
    return sizes;
  };
  const auto matrix = [&](Index rows, Index cols) -> std::optional<std::vector<Index>> {
    if (min_dims > 2 || max_dims < 2) return std::nullopt;
    return std::vector<Index>{rows, cols};
  };
  const auto emptied = [&](std::optional<std::vector<Index>> sizes, bool first) {
    if (!may_be_empty) return std::optional<std::vector<Index>>{};
    if (sizes) (*sizes)[first ? 0 : static_cast<std::size_t>(integer(1, std::ssize(*sizes) - 1))] = 0;
    return sizes;
  };
  const Index shorter = integer(1, 3);
  const Index longer = integer(shorter + 1, 4);
  switch (*asked) {
    case ShapeClass::number: return some_of(0, 0, 1, 1);
    case ShapeClass::one: return some_of(1, 3, 1, 1);
    case ShapeClass::vector: return some_of(1, 1, 2, 5);
    case ShapeClass::wide: return matrix(shorter, longer);
    case ShapeClass::tall: return matrix(longer, shorter);
    case ShapeClass::square: return matrix(shorter + 1, shorter + 1);
    case ShapeClass::cube: return some_of(3, 3, 2, 3);
    case ShapeClass::hyper: {
      auto sizes = some_of(4, 4, 1, 2);
      if (sizes) (*sizes)[1] = (*sizes)[2] = 2;  // so that the order of dims in memory can be told
      return sizes;
    }
    case ShapeClass::empty_first: return emptied(some_of(1, 3, 1, 3), true);
    case ShapeClass::empty_later: return emptied(some_of(2, 3, 1, 3), false);
    case ShapeClass::count_: break;
  }
  return std::nullopt;
}

void RandomDraw::broadcast_as(BroadcastClass how, std::vector<std::vector<Index>>& shapes) {
  std::vector<Index>& first = shapes.front();
  const auto more_dims = [this](std::vector<Index> sizes) {
    sizes.insert(sizes.begin(), integer(1, 3));
    return sizes;
  };
  const auto fewer_dims = [this](std::vector<Index> sizes) {
    sizes.erase(sizes.begin(), sizes.begin() + (sizes.empty() ? 0 : integer(1, std::ssize(sizes))));
    return sizes;
  };
  const auto with_one = [this](std::vector<Index> sizes) {
    if (!sizes.empty()) sizes[static_cast<std::size_t>(integer(0, std::ssize(sizes) - 1))] = 1;
    return sizes;
  };
  for (std::size_t i = 1; i < shapes.size(); ++i) {
    switch (how) {
      case BroadcastClass::first_fewer: shapes[i] = more_dims(first); break;
      case BroadcastClass::second_fewer: shapes[i] = fewer_dims(first); break;
      case BroadcastClass::second_ones: shapes[i] = with_one(first); break;
      case BroadcastClass::both_ways: shapes[i] = more_dims(with_one(first)); break;
      default: shapes[i] = first; break;
    }
    // Those behind the second broadcast with both.
    if (i > 1) shapes[i] = percent(50) ? shapes[1] : with_one(shapes[1]);
  }
  if (how == BroadcastClass::first_ones) first = with_one(first);
}

MatrixClass RandomDraw::matrix_class(std::span<const MatrixClass> possible) {
  const auto asked = wanted_.get<MatrixClass>(Axis::matrix);
  const bool can = asked && std::find(possible.begin(), possible.end(), *asked) != possible.end();
  const MatrixClass which = can ? *asked : percent(60) ? possible.front() : pick(possible);
  if (possible.size() > 1) met_.note(Axis::matrix, which);
  return which;
}

std::vector<Index> RandomDraw::shape() {
  if (const auto asked = wanted_shape(0, 4, true)) return *asked;
  const Index roll = integer(0, 99);
  const std::size_t ndim = roll < 14 ? 0 : roll < 50 ? 1 : roll < 80 ? 2 : roll < 93 ? 3 : 4;
  std::vector<Index> sizes(size_ < 20 ? std::min<std::size_t>(ndim, 1) : ndim);
  const Index most = sizes.size() < 2 ? 5 : sizes.size() == 2 ? 4 : 3;
  Index count = 1;
  for (Index& size : sizes) {
    size = integer(1, std::max<Index>(1, std::min(most, 24 / count)));
    count *= size;
  }
  if (!sizes.empty() && percent(4)) sizes[static_cast<std::size_t>(integer(0, std::ssize(sizes) - 1))] = 0;
  return sizes;
}

std::vector<std::vector<Index>> RandomDraw::broadcastable(std::size_t count) {
  const std::vector<Index> common = shape();
  std::vector<std::vector<Index>> shapes(count, common);
  if (count < 2) return shapes;
  if (const auto asked = wanted_.get<BroadcastClass>(Axis::broadcast)) {
    broadcast_as(*asked, shapes);
    return shapes;
  }
  if (percent(45)) return shapes;
  for (std::vector<Index>& one : shapes) {
    if (percent(40)) continue;
    one.erase(one.begin(), one.begin() + integer(0, percent(50) ? std::ssize(one) : 0));
    for (Index& size : one) {
      if (percent(35)) size = 1;
    }
  }
  return shapes;
}

}  // namespace gradproof
